//! What was learned from the digits 0 to 4 helps with 5 to 9: feature extraction, then
//! fine-tuning, of a model loaded from a file (*Deep Learning with Python*, section 5.3).
//!
//! `cargo run --release --example transfer_learning`
//!
//! Takes some seconds.

use deckle::{datasets::mnist::Mnist, prelude::*, train::load};

/// The digits from `first` to `first + 4`, at most `count` of them, labelled from 0.
fn five_digits(data: &Arrays, first: i64, count: usize) -> Result<Arrays> {
    let (images, labels) = (&data.inputs()[0], &data.targets()[0]);
    let labels = labels.cast(DType::I64).to_vec::<i64>()?;
    let chosen = labels.iter().enumerate();
    let chosen = chosen.filter(|&(_, label)| (first..first + 5).contains(label));
    let (places, labels): (Vec<i64>, Vec<i64>) =
        chosen.take(count).map(|(at, label)| (at as i64, label - first)).unzip();
    let count = places.len();
    let images = images.take(&Tensor::new(places, [count])?, 0)?;
    Ok(Arrays::of([images], [Tensor::new(labels, [count])?])?)
}

fn compile(rate: f64) -> Compile {
    Compile::new(Adam::new().learning_rate(rate), SparseCategoricalCrossentropy::new())
        .metric(Accuracy::new())
}

/// Trains and gives the accuracy on `test`.
fn train(
    model: &Model,
    rate: f64,
    epochs: usize,
    data: &Arrays,
    test: &Arrays,
) -> Result<f64> {
    let mut trainer = model.compile(compile(rate))?;
    trainer.fit(data, Fit::new().epochs(epochs))?;
    Ok(trainer.evaluate(test)?.get("accuracy").unwrap_or(f64::NAN))
}

fn main() -> Result<()> {
    let data = Mnist::new().load()?;
    println!("{}", data.source);

    // Learn to see, from the digits 0 to 4.
    let model = Sequential::new([28, 28])
        .add(Rescaling::new(1.0 / 255.0))
        .add(Reshape::new([28, 28, 1]))
        .add(Conv2D::new(16, [3, 3]).activation(Relu))
        .add(MaxPooling2D::new([2, 2]))
        .add(Conv2D::new(32, [3, 3]).activation(Relu))
        .add(MaxPooling2D::new([2, 2]))
        .add(Flatten::new().named("features"))
        .add(Dense::new(5).activation(Softmax))
        .seed(1)
        .build()?;
    let low = five_digits(&data.train, 0, 4_000)?;
    let source = train(&model, 1e-3, 3, &low, &five_digits(&data.test, 0, 1_000)?)?;
    let path =
        std::env::temp_dir().join(format!("deckle-digits-{}.keras", std::process::id()));
    model.save(&path)?;

    // Keep what sees, frozen, and give it a new head for the digits 5 to 9.
    let loaded = load(&path);
    std::fs::remove_file(&path).ok();
    let base = loaded?.model.sub_model(["features"])?.named("base").trainable(false);
    let model = Sequential::new([28, 28])
        .add(&base)
        .add(Dense::new(5).activation(Softmax))
        .seed(2)
        .build()?;
    println!("{}", model.summary());
    let (few, test) =
        (five_digits(&data.train, 5, 300)?, five_digits(&data.test, 5, 1_000)?);
    let extraction = train(&model, 3e-3, 8, &few, &test)?;

    // Thaw it, and go on with small steps.
    let model = model.with_trainable("base", true)?;
    let tuned = train(&model, 3e-4, 8, &few, &test)?;

    // The same network from nothing, for comparison.
    let fresh = model.with_new_weights(3)?;
    let scratch = train(&fresh, 1e-3, 16, &few, &test)?;

    println!(
        "RESULT {}",
        serde_json::json!({
            "example": "transfer_learning", "source_accuracy": source,
            "feature_extraction": extraction, "fine_tuning": tuned, "from_scratch": scratch,
        })
    );
    Ok(())
}
