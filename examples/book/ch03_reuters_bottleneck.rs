//! Why 4 units are too few for 46 topics: section 3.5 (3.6 of the programs) of *Deep Learning
//! with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with reuters/reuters.npz> cargo run --release --example
//! ch03_reuters_bottleneck`
//!
//! The network of `reuters` with 4 units in the middle, validated on the first 1,000 training
//! wires, ends at 0.706 instead of about 0.80 in the book: what the 4 numbers do not hold is lost
//! for all layers that follow.

use deckle::{datasets::reuters::Reuters, prelude::*};
use deckle_examples::{report, seed};

fn main() -> Result<()> {
    let data = Reuters::new().num_words(10_000).load()?;
    println!("{}", data.source);
    let validation = data.train.take(1000).multi_hot(10_000)?;
    let train = data.train.skip(1000).multi_hot(10_000)?;
    // The book validates each network once, with these batches.
    for (units, batch_size, published) in [(64, 512, 0.804), (4, 128, 0.706)] {
        let model = Sequential::new([10_000])
            .add(Dense::new(64).activation(Relu))
            .add(Dense::new(units).activation(Relu))
            .add(Dense::new(46).activation(Softmax))
            .seed(seed())
            .build()?;
        let compile = Compile::new(RmsProp::new(), SparseCategoricalCrossentropy::new());
        let fit =
            Fit::new().epochs(20).batch_size(batch_size).validation_data(&validation);
        let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
        let history = trainer.fit(&train, fit.verbose(0))?;
        let last = history.last("val_accuracy").unwrap_or(f64::NAN);
        let what = format!("Reuters, {units} units in the middle: validation accuracy");
        report(&what, published, last);
    }
    Ok(())
}
