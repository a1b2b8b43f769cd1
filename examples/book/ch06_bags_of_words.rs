//! Film reviews as bags of words: section 11.3 of the second edition of *Deep Learning with
//! Python*.
//!
//! `DECKLE_DATA_DIR=<folder with imdb/aclImdb_train.tsv.gz> cargo run --release --example
//! ch06_bags_of_words [-- BAG]`
//!
//! Which words occur, of the 20,000 most frequent: `unigrams`. Which words and pairs of
//! neighbours: `bigrams`. How often, and how rare they are elsewhere: `tf_idf`. All three, or only
//! the one that is named. Texts become rows of 20,000 columns when a batch is read. The book has
//! accuracies of 0.892, 0.904 and 0.898 on the test reviews, each for the best of ten epochs.

use std::{fs::File, io::Read};

use deckle::{
    data::{self, Batch, Example, OutputMode, TextVectorization},
    prelude::*,
    tensor::Spec,
};
use deckle_examples::{choice, report, seed};
use flate2::read::GzDecoder;

const TOKENS: usize = 20_000;

/// Texts and whether they praise.
type Texts = Vec<(String, f32)>;

/// Each line has a label, a rating, a number and a text.
fn read(name: &str) -> Texts {
    let folder = std::env::var("DECKLE_DATA_DIR").unwrap_or_else(|_| "data".into());
    let path = format!("{folder}/imdb/{name}.tsv.gz");
    let mut text = String::new();
    let file = File::open(&path);
    let file = file.unwrap_or_else(|error| panic!("{path}: {error}"));
    let read = GzDecoder::new(file).read_to_string(&mut text);
    read.unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines = text.lines().map(|line| {
        let cells: Vec<_> = line.splitn(4, '\t').collect();
        (cells[3].to_owned(), f32::from(u8::from(cells[0] == "1")))
    });
    lines.collect()
}

/// A data set of our own: texts that become rows of numbers when they are read.
struct Bags<'a> {
    texts: &'a Texts,
    vectorization: &'a TextVectorization,
    example: Example,
}

impl<'a> Bags<'a> {
    fn new(texts: &'a Texts, vectorization: &'a TextVectorization) -> Self {
        let example = Example::new()
            .input("words", Spec::new(DType::F32, [TOKENS]))
            .target("praise", Spec::new(DType::F32, [1]));
        Self { texts, vectorization, example }
    }
}

impl Dataset for Bags<'_> {
    fn len(&self) -> usize {
        self.texts.len()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> data::Result<()> {
        self.check_indices(indices)?;
        into.prepare(&self.example, indices.len());
        let texts = indices.iter().map(|&index| &self.texts[index]);
        let rows = self.vectorization.apply(texts.clone().map(|(text, _)| text))?;
        into.inputs[0] = rows;
        let targets = into.targets[0].make_mut::<f32>();
        for (target, (_, praise)) in targets.iter_mut().zip(texts) {
            *target = *praise;
        }
        Ok(())
    }
}

fn network() -> Result<Model> {
    let model = Sequential::new([TOKENS])
        .add(Dense::new(16).activation(Relu))
        .add(Dropout::new(0.5))
        .add(Dense::new(1).activation(Sigmoid))
        .seed(seed());
    Ok(model.build()?)
}

fn main() -> Result<()> {
    let all = read("aclImdb_train");
    let test = read("aclImdb_test");
    // The reviews come class by class: every fifth is for validation.
    let (mut train, mut validation) = (Texts::new(), Texts::new());
    for (at, review) in all.into_iter().enumerate() {
        if at % 5 == 0 { validation.push(review) } else { train.push(review) }
    }

    let bags = [
        ("unigrams", 1, OutputMode::MultiHot, 0.892),
        ("bigrams", 2, OutputMode::MultiHot, 0.904),
        ("tf_idf", 2, OutputMode::TfIdf, 0.898),
    ];
    let chosen = choice();
    for (name, n, mode, published) in bags {
        if chosen.as_ref().is_some_and(|chosen| chosen != name) {
            continue;
        }
        let vectorization = TextVectorization::new().ngrams(n).max_tokens(TOKENS);
        let mut vectorization = vectorization.output_mode(mode);
        vectorization.adapt(train.iter().map(|(text, _)| text))?;
        let [train, validation, test] =
            [&train, &validation, &test].map(|texts| Bags::new(texts, &vectorization));

        let compile = Compile::new(RmsProp::new(), BinaryCrossentropy::new());
        let mut trainer = network()?.compile(compile.metric(Accuracy::new()))?;
        // The best weights are kept; ten epochs are too few for it to end earlier.
        let best = EarlyStopping::new().patience(10).restore_best_weights(true);
        let fit = Fit::new().epochs(10).validation_data(&validation).callback(best);
        trainer.fit(&train, fit.verbose(2))?;
        let accuracy = trainer.evaluate(&test)?.get("accuracy").unwrap_or(f64::NAN);
        report(&format!("bags of words, {name}: test accuracy"), published, accuracy);
    }
    Ok(())
}
