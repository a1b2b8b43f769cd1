//! Words and characters as numbers: section 6.1 of *Deep Learning with Python*.
//!
//! `cargo run --release --example ch06_words`
//!
//! One 1 for each word, by hand, by characters, by a tokenizer, by hashing. The book's tokenizer
//! finds 9 unique words. Takes no time.

use std::collections::BTreeMap;

use deckle::{
    data::{MatrixMode, TextToWords, Tokenizer, hashing_trick},
    prelude::*,
};
use deckle_examples::report;

const SAMPLES: [&str; 2] = ["The cat sat on the mat.", "The dog ate my homework."];

fn main() -> Result<()> {
    // By hand: each word's number is the order in which it first comes; 0 is nobody's.
    let mut index = BTreeMap::new();
    for word in SAMPLES.iter().flat_map(|sample| sample.split_whitespace()) {
        let next = index.len() as i64 + 1;
        index.entry(word).or_insert(next);
    }
    for sample in SAMPLES {
        let ids: Vec<_> = sample.split_whitespace().map(|word| index[word]).collect();
        let rows = Tensor::new(ids.clone(), [ids.len()])?
            .one_hot(index.len() + 1, DType::F32)?;
        println!("{sample} {ids:?}: {:?}", rows.shape());
    }

    // Characters: their number is their byte.
    let bytes = SAMPLES[0].as_bytes();
    let bytes = Tensor::new(bytes, [bytes.len()])?.cast(DType::I64);
    println!("characters: {:?}", bytes.one_hot(128, DType::F32)?.shape());

    // A tokenizer counts words, and numbers the most frequent first.
    let mut tokenizer = Tokenizer::new().num_words(1_000);
    tokenizer.fit_on_texts(SAMPLES)?;
    let sequences = tokenizer.texts_to_sequences(SAMPLES)?;
    println!("{sequences}: {:?}", sequences.iter().collect::<Vec<_>>());
    let binary = tokenizer.texts_to_matrix(SAMPLES, MatrixMode::Binary)?;
    println!("the tokenizer's matrix: {:?}", binary.shape());
    report("words: unique tokens", 9.0, tokenizer.word_index().count() as f64);

    // Hashing needs no index, as long as there are far more numbers than words.
    for sample in SAMPLES {
        println!("hashed: {:?}", hashing_trick(sample, 1_000, &TextToWords::new())?);
    }
    Ok(())
}
