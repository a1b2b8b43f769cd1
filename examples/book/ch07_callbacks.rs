//! What watches training and steps in: section 7.2 of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with imdb/imdb.npz> cargo run --release --example ch07_callbacks`
//!
//! A convolutional network on film reviews, which overfits soon. Five callbacks watch it: one keeps
//! the best weights in a file, one ends training when it gets no better, one lowers the learning
//! rate before that, one writes for TensorBoard (`tensorboard --logdir
//! target/examples/ch07_logs`), and one of our own counts what the network does not use.

use deckle::{datasets::imdb::Imdb, nn, plot, prelude::*, train};
use deckle_examples::{picture, report, seed};

const WORDS: usize = 2_000;

/// Adds to each epoch's logs how many of a layer's outputs are zero for some examples.
struct Silence {
    examples: Tensor,
    layer: &'static str,
}

impl Callback for Silence {
    fn name(&self) -> &str {
        "Silence"
    }

    fn adds(&self) -> Vec<String> {
        vec!["silence".to_owned()]
    }

    fn on_epoch_end(
        &mut self,
        _epoch: usize,
        logs: &mut Logs,
        context: &mut Context<'_>,
    ) -> train::Result<()> {
        let activations =
            context.model().sub_model([self.layer])?.predict(&self.examples)?;
        let values = activations.to_vec::<f32>()?;
        let silent = values.iter().filter(|&&value| value == 0.0).count();
        logs.set("silence", silent as f64 / values.len() as f64);
        Ok(())
    }
}

fn network() -> nn::Result<Model> {
    Sequential::typed([500], DType::I32)
        .add(Embedding::new(WORDS, 128).named("embed"))
        .add(Conv1D::new(32, 7).activation(Relu).named("read"))
        .add(MaxPooling1D::new(5))
        .add(Conv1D::new(32, 7).activation(Relu))
        .add(GlobalMaxPooling1D::new())
        .add(Dense::new(1).activation(Sigmoid))
        .seed(seed())
        .build()
}

fn main() -> Result<()> {
    let data = Imdb::new().num_words(WORDS as u32).load()?;
    println!("{}", data.source);
    let (known, validation) = data.train.padded(500)?.split(0.2)?;
    let model = network()?;
    println!("{}", model.summary());
    let compile = Compile::new(RmsProp::new(), BinaryCrossentropy::new());
    let mut trainer = model.compile(compile.metric(Accuracy::new()))?;

    let file = picture("ch07_best.keras");
    let mut keeping = ModelCheckpoint::new(&file).save_best_only(true);
    let mut stopping = EarlyStopping::new().patience(4);
    let silence = Silence { examples: validation.x().slice(..100)?, layer: "read" };
    let fit = Fit::new()
        .epochs(20)
        .batch_size(128)
        .validation_data(&validation)
        .callback(silence)
        .callback(&mut keeping)
        .callback(ReduceLROnPlateau::new().patience(2).verbose(true))
        .callback(TensorBoard::new(picture("ch07_logs")).histogram_freq(1))
        .callback(&mut stopping);
    let history = trainer.fit(&known, fit)?;
    plot::history(&history).save(picture("ch07_callbacks.png"))?;

    let best = keeping.best().unwrap_or(f64::NAN);
    report("callbacks: smallest loss in validation", None, best);
    report("callbacks: epochs until the end", None, history.epochs().len() as f64);
    let last = history.last("silence").unwrap_or(f64::NAN);
    report("callbacks: zeros among the outputs of `read`", None, last);

    // The file has the weights, and all that they were trained with.
    let mut kept = train::load(&file)?.into_trainer()?;
    let logs = kept.evaluate(&validation)?;
    let accuracy = logs.get("accuracy").unwrap_or(f64::NAN);
    report("callbacks: accuracy of the best epoch", None, accuracy);
    println!("loss of the file {}, when it was written {best}", logs.loss());
    Ok(())
}
