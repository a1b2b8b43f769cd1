//! Cats and dogs from few photographs: section 5.2 of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with cats_vs_dogs/> cargo run --release --example ch05_cats_and_dogs
//! [-- NETWORK]`
//!
//! Trains two networks, or only the one that is named: `plain`, which learns its photographs by
//! heart, and `augmented`, which sees each of them mirrored, turned, moved, nearer or farther, and
//! has half of its features dropped. The book reaches 0.724 on its validation images with the
//! first after 30 epochs, and 0.82 with the second after 100. It has 2,000 photographs of 150 × 150
//! pixels to train on; here are 1,200 of 96 × 96, so expect less. Curves land in
//! `target/examples/`.

use deckle::{datasets::cats_vs_dogs::CatsVsDogs, plot, prelude::*};
use deckle_examples::{choice, picture, report, seed};

fn network(augmented: bool) -> Result<Model> {
    let mut model = Sequential::new([96, 96, 3]);
    if augmented {
        model = model
            .add(RandomFlip::new(Flip::Horizontal))
            // Up to 40 degrees; a fifth of the image; a fifth nearer or farther.
            .add(RandomRotation::new(40.0 / 360.0))
            .add(RandomTranslation::new(0.2, 0.2))
            .add(RandomZoom::new(0.2));
    }
    model = model.add(Rescaling::new(1.0 / 255.0));
    for filters in [32, 64, 128, 128] {
        model = model
            .add(Conv2D::new(filters, [3, 3]).activation(Relu))
            .add(MaxPooling2D::new([2, 2]));
    }
    model = model.add(Flatten::new());
    if augmented {
        model = model.add(Dropout::new(0.5));
    }
    let model = model
        .add(Dense::new(512).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid))
        .seed(seed());
    Ok(model.build()?)
}

fn main() -> Result<()> {
    let pets = CatsVsDogs::new().load()?;
    println!("{}", pets.train);
    let chosen = choice();
    // What the book has, epochs, photographs in a batch.
    let networks = [("plain", 0.724, 30, 20), ("augmented", 0.82, 100, 32)];
    for (name, published, epochs, batch_size) in networks {
        if chosen.as_ref().is_some_and(|chosen| chosen != name) {
            continue;
        }
        let model = network(name == "augmented")?;
        println!("{}", model.summary());
        let optimizer = RmsProp::new().learning_rate(1e-4);
        let compile = Compile::new(optimizer, BinaryCrossentropy::new());
        let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
        let fit = Fit::new().epochs(epochs).batch_size(batch_size);
        let history = trainer.fit(&pets.train, fit.validation_data(&pets.validation))?;
        plot::history(&history).save(picture(&format!("ch05_pets_{name}.png")))?;

        let last = history.last("val_accuracy").unwrap_or(f64::NAN);
        report(&format!("cats and dogs, {name}: validation accuracy"), published, last);
        let test = trainer.evaluate(&pets.test)?.get("accuracy").unwrap_or(f64::NAN);
        report(&format!("cats and dogs, {name}: test accuracy"), None, test);
    }
    Ok(())
}
