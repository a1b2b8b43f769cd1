//! Film reviews word by word: sections 6.1 to 6.4 of *Deep Learning with Python*, and the
//! Transformer encoder of its second edition's chapter 11.
//!
//! `DECKLE_DATA_DIR=<folder with imdb/imdb.npz> cargo run --release --example ch06_imdb
//! [-- NETWORK]`
//!
//! Trains one network after the other, or only the one that is named: `embedding`, `simple_rnn`,
//! `lstm`, `bidirectional`, `reversed`, `conv1d`, `transformer`. The last fifth of the 25,000
//! training reviews is for validation. The accuracies there after the book's number of epochs:
//! 0.7554, 0.8054, 0.8758, 0.8792, 0.8566, 0.7571 (without a sigmoid; 0.81 at its best) and
//! 0.875 (on the test reviews, with the weights of the best epoch). The book's encoder sees 600
//! words in 256 dimensions; this one sees 200 in 64, which takes minutes instead of hours.

use deckle::{
    data::{PadSequences, Side},
    datasets::imdb::Imdb,
    nn::{LayerHandle, Symbol},
    plot,
    prelude::*,
};
use deckle_examples::{choice, picture, report, seed};

/// A network, and how the book trains it.
struct Network {
    name: &'static str,
    published: f64,
    /// The number of the last words of a review that it sees.
    words: usize,
    epochs: usize,
    batch_size: usize,
    learning_rate: f64,
}

const NETWORKS: [Network; 7] = [
    network("embedding", 0.7554, 20, 10, 32),
    network("simple_rnn", 0.8054, 500, 10, 128),
    network("lstm", 0.8758, 500, 10, 128),
    network("bidirectional", 0.8792, 500, 10, 128),
    network("reversed", 0.8566, 500, 10, 128),
    Network { learning_rate: 1e-4, ..network("conv1d", 0.7571, 500, 10, 128) },
    network("transformer", 0.875, 200, 20, 32),
];

const fn network(
    name: &'static str,
    published: f64,
    words: usize,
    epochs: usize,
    batch_size: usize,
) -> Network {
    Network { name, published, words, epochs, batch_size, learning_rate: 1e-3 }
}

const VOCABULARY: usize = 10_000;

/// A layer of recurrent units that gives its last state.
fn lstm() -> LSTM {
    LSTM::new(32)
}

fn model(network: &Network) -> Result<Model> {
    let embed = |dimensions| Embedding::new(VOCABULARY, dimensions);
    let model = Sequential::typed([network.words], DType::I32);
    let model = match network.name {
        "embedding" => model.add(embed(8)).add(Flatten::new()),
        "simple_rnn" => model.add(embed(32)).add(SimpleRNN::new(32)),
        "lstm" => model.add(embed(32)).add(lstm()),
        "bidirectional" => model.add(embed(32)).add(Bidirectional::new(lstm())),
        "reversed" => model.add(embed(128)).add(lstm().go_backwards(true)),
        "conv1d" => model
            .add(embed(128))
            .add(Conv1D::new(32, 7).activation(Relu))
            .add(MaxPooling1D::new(5))
            .add(Conv1D::new(32, 7).activation(Relu))
            .add(GlobalMaxPooling1D::new()),
        _ => model
            .add(embed(64))
            .add(encoder(network.words, 64)?)
            .add(GlobalMaxPooling1D::new())
            .add(Dropout::new(0.5)),
    };
    Ok(model.add(Dense::new(1).activation(Sigmoid)).seed(seed()).build()?)
}

/// The encoder of a Transformer: each word looks at all words, then at itself.
///
/// Vaswani et al.: *Attention is all you need* (arXiv 1706.03762), section 3.1.
fn encoder(words: usize, dimensions: usize) -> Result<LayerHandle> {
    let x = Symbol::input("embedded", [words, dimensions]);
    let seen = MultiHeadAttention::new(2, dimensions).join([&x, &x])?;
    let x1 = LayerNormalization::new().apply(&Add::new().join([&x, &seen])?)?;
    let thought = Dense::new(32).activation(Relu).apply(&x1)?;
    let thought = Dense::new(dimensions).apply(&thought)?;
    let y = LayerNormalization::new().apply(&Add::new().join([&x1, &thought])?)?;
    Ok(Functional::new([&x], [&y]).build()?.named("encoder").into())
}

fn main() -> Result<()> {
    let reviews = Imdb::new().num_words(VOCABULARY as u32).load()?;
    println!("{}", reviews.source);
    let chosen = choice();
    for network in &NETWORKS {
        let name = network.name;
        if chosen.as_ref().is_some_and(|chosen| chosen != name) {
            continue;
        }
        let padding = PadSequences::new().maxlen(network.words);
        // Padding comes before the words, so behind those that are read in reverse.
        let padding = match name {
            "reversed" => padding.padding(Side::Post).truncating(Side::Post),
            _ => padding,
        };
        let x = padding.apply(reviews.train.x())?;
        let (train, validation) = Arrays::new(x, reviews.train.labels()?)?.split(0.2)?;
        let model = model(network)?;
        println!("{}", model.summary());
        let rate = network.learning_rate;
        let compile =
            Compile::new(RmsProp::new().learning_rate(rate), BinaryCrossentropy::new());
        let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
        let mut fit = Fit::new()
            .epochs(network.epochs)
            .batch_size(network.batch_size)
            .validation_data(&validation);
        if name == "transformer" {
            // The book keeps the weights of the epoch with the smallest loss.
            fit =
                fit.callback(EarlyStopping::new().patience(2).restore_best_weights(true));
        }
        let history = trainer.fit(&train, fit)?;
        plot::history(&history).save(picture(&format!("ch06_imdb_{name}.png")))?;

        let last = trainer.evaluate(&validation)?.get("accuracy").unwrap_or(f64::NAN);
        report(&format!("IMDB {name}: validation accuracy"), network.published, last);
        let all = history.get("val_accuracy").unwrap_or_default();
        let best = all.iter().copied().fold(f64::NAN, f64::max);
        report(
            &format!("IMDB {name}: validation accuracy of the best epoch"),
            None,
            best,
        );
    }
    Ok(())
}
