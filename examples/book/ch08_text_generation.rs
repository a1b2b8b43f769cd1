//! Text in Nietzsche's manner: section 8.1 of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with text/nietzsche.txt> cargo run --release --example
//! ch08_text_generation [-- EPOCHS]`
//!
//! An LSTM reads 60 characters and says how likely each is to be the next. The book reaches a loss
//! of about 1.31 in 60 epochs; by default, this takes 15. Then it writes, more boldly the higher
//! the temperature.

use deckle::{data::Timeseries, plot, prelude::*};
use deckle_examples::{choice, picture, report, seed};

const LENGTH: usize = 60;

/// A text as numbers of its characters, which are sorted.
struct Alphabet {
    characters: Vec<char>,
}

impl Alphabet {
    fn of(text: &str) -> Self {
        let characters: std::collections::BTreeSet<_> = text.chars().collect();
        Self { characters: characters.into_iter().collect() }
    }

    fn ids(&self, text: &str) -> Vec<i32> {
        let id = |c| self.characters.binary_search(&c).expect("a known character");
        text.chars().map(|c| id(c) as i32).collect()
    }
}

/// Draws a number below the length of `chances`, of which low temperatures prefer the likeliest.
fn sample(chances: &[f32], temperature: f32, random: f32) -> usize {
    let weights: Vec<_> = chances.iter().map(|p| p.powf(1.0 / temperature)).collect();
    let mut left = random * weights.iter().sum::<f32>();
    let found = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    found.unwrap_or(chances.len() - 1)
}

fn main() -> Result<()> {
    let epochs = choice().map_or(15, |n| n.parse().expect("a number of epochs"));
    let folder = std::env::var("DECKLE_DATA_DIR").unwrap_or_else(|_| "data".into());
    let path = format!("{folder}/text/nietzsche.txt");
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{path}: {error}")).to_lowercase();
    let alphabet = Alphabet::of(&text);
    let ids = alphabet.ids(&text);
    let count = alphabet.characters.len();

    // A window from every third character on, and the character after it.
    let ids = Tensor::new(ids.clone(), [ids.len()])?;
    let next = ids.slice(LENGTH as isize..)?;
    let train = Timeseries::new(LENGTH).sequence_stride(3).apply(&ids, &next)?;
    println!(
        "{} windows of {} characters, {count} of them different",
        train.len(),
        LENGTH
    );

    // Each character is a vector of zeros and one 1: an embedding that stays the identity.
    let one_hot = Embedding::new(count, count)
        .embeddings_initializer(Initializer::Identity { gain: 1.0 })
        .trainable(false);
    let model = Sequential::typed([LENGTH], DType::I32)
        .add(one_hot)
        .add(LSTM::new(128))
        .add(Dense::new(count).activation(Softmax))
        .seed(seed())
        .build()?;
    println!("{}", model.summary());
    let optimizer = RmsProp::new().learning_rate(0.01);
    let mut trainer =
        model.compile(Compile::new(optimizer, SparseCategoricalCrossentropy::new()))?;
    let history =
        trainer.fit(&train, Fit::new().epochs(epochs).batch_size(128).verbose(2))?;
    plot::history(&history).save(picture("ch08_text_generation.png"))?;
    report("text generation: loss", 1.31, history.last("loss").unwrap_or(f64::NAN));

    let start = ids.size() / 3;
    let predictor = model.predictor()?;
    for temperature in [0.2, 0.5, 1.0, 1.2] {
        let mut written =
            ids.slice(start as isize..(start + LENGTH) as isize)?.to_vec::<i32>()?;
        let randoms = Tensor::random_uniform([400], 0.0..1.0, seed()).to_vec::<f32>()?;
        for random in randoms {
            let last = &written[written.len() - LENGTH..];
            let chances = predictor.predict(&[Tensor::new(last, [1, LENGTH])?])?;
            let chances = chances[0].to_vec::<f32>()?;
            written.push(sample(&chances, temperature, random) as i32);
        }
        let text = written.iter().map(|&id| alphabet.characters[id as usize]);
        println!("\ntemperature {temperature}:\n{}", text.collect::<String>());
    }
    Ok(())
}
