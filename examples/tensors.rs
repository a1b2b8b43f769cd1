//! Tensors: section 2.2 to 2.3 of *Deep Learning with Python*.
//!
//! `cargo run --release --example tensors`

use deckle::{prelude::*, tensor::step};

fn main() -> Result<()> {
    // Rank, shape, element type.
    let matrix = Tensor::from([[5.0f32, 78.0, 2.0, 34.0], [6.0, 79.0, 3.0, 35.0]]);
    println!(
        "{matrix}\nrank {}, shape {:?}, {}",
        matrix.rank(),
        matrix.shape(),
        matrix.dtype()
    );

    // Slices are views: the second row, the middle columns, every other column from the end.
    println!("{}", matrix.slice((1, ..))?);
    println!("{}", matrix.slice((.., 1..-1))?);
    println!("{}", matrix.slice((.., step(.., -2)))?);

    // Element by element, with broadcasting: a matrix and a vector.
    let vector = Tensor::from([10.0f32, 20.0, 30.0, 40.0]);
    println!("{}", &matrix + &vector);
    println!("{}", matrix.maximum(&vector)?);

    // Reductions.
    println!("{} {}", matrix.sum(..)?, matrix.mean(0)?);
    println!("{}", matrix.argmax(1)?);

    // Products: a vector with a vector, a matrix with a vector, a matrix with a matrix.
    println!("{}", vector.dot(&vector)?);
    println!("{}", matrix.dot(&vector)?);
    println!("{}", matrix.dot(&matrix.transpose())?);

    // Another shape, one length of which follows from the others.
    let tall = matrix.reshape([4, -1])?;
    println!("{tall}\n{}", tall.transpose());

    // Joined, stacked, picked.
    println!("{}", Tensor::concatenate(&[&matrix, &matrix], 0)?);
    println!("{:?}", Tensor::stack(&[&vector, &vector], 0)?.shape());
    println!("{}", matrix.take(&Tensor::from([3i64, 0]), 1)?);
    println!("{}", Tensor::from([2i64, 0]).one_hot(3, DType::F32)?);

    let total = matrix.sum(..)?.item::<f32>()?;
    println!("RESULT {}", serde_json::json!({ "example": "tensors", "sum": total }));
    Ok(())
}
