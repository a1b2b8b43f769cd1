//! IMDB: 50,000 reviews of films, as lists of word ids, with their sentiment.
//!
//! ```no_run
//! use deckle_datasets::imdb::{self, Imdb};
//!
//! let imdb = Imdb::new().num_words(10_000).load()?;
//! assert_eq!(imdb.train.len(), 25_000);
//! let words = imdb::word_index()?;
//! let review = imdb.train.x().get(0).unwrap_or_default();
//! assert!(words.decode(review).starts_with('?'));
//! # Ok::<(), deckle_datasets::Error>(())
//! ```

use std::path::Path;

use crate::{
    Error, Info, LabeledSequences, Loaded, Place, Remote, Result, Source, WordIndex,
    lookup::{Lookup, lookup_setters},
    mersenne_twister::MersenneTwister,
    npz::Archive,
    remote::keras_url,
    search::Files,
    tokens::{Tokens, token_setters},
};

/// Source, licence and citation.
pub const INFO: Info = Info {
    name: "IMDB",
    folder: "imdb",
    contents: "25,000 reviews of films to train on and 25,000 to test on; 0 negative, 1 positive",
    source: "imdb.npz and imdb_word_index.json of Keras, \
             https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    // Not the word index, of which Keras has an MD5 sum only.
    downloads: &[Remote::new(
        "imdb.npz",
        "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
        "Keras 3.15.1, keras/src/datasets/imdb.py",
        &[keras_url!("imdb.npz")],
    )],
    licence: "for research; the reviews belong to their authors",
    citation: "A. L. Maas, R. E. Daly, P. T. Pham, D. Huang, A. Y. Ng and C. Potts, Learning Word \
               Vectors for Sentiment Analysis, ACL 2011",
};

pub(crate) const FILES: Files = Files::whole(&[&["imdb.npz"]]);
const WORD_INDEX: Files = Files::whole(&[&["imdb_word_index.json"]]);

/// The names of the labels: `negative` for 0 and `positive` for 1.
pub const LABEL_NAMES: [&str; 2] = ["negative", "positive"];

/// Loads IMDB with Keras's defaults from where it is found.
///
/// # Errors
///
/// As for [`Imdb::load`].
pub fn load() -> Result<Loaded<LabeledSequences>> {
    Imdb::new().load()
}

/// Loads the ranks of IMDB's words, 88,584 of them, from where they are found.
///
/// # Errors
///
/// As for [`Imdb::word_index`].
pub fn word_index() -> Result<WordIndex> {
    Imdb::new().word_index()
}

/// Loads IMDB: lists of word ids, and labels 0 (negative) or 1 (positive) as `I64`.
///
/// A word's id is the rank of its frequency, from 1, plus `index_from`. 0 is for padding, 1
/// (`start_char`) begins every review, 2 (`oov_char`) stands for words that are left out.
///
/// `imdb.npz` is looked for in the given folder; without one, in the subfolder `imdb` of the
/// folder that the environment variable `DECKLE_DATA_DIR` names, in that folder itself, and in
/// the subfolder `deckle/imdb` of the user's cache, and where Keras keeps what it downloads. If it
/// is nowhere, it is downloaded into the cache, once, and checked.
///
/// # Examples
///
/// ```no_run
/// use deckle_data::Dataset;
/// use deckle_datasets::imdb::Imdb;
///
/// let imdb = Imdb::new().num_words(10_000).load()?;
/// println!("{}", imdb.source);
/// let train = imdb.train.multi_hot(10_000)?;
/// assert_eq!(train.len(), 25_000);
/// # Ok::<(), deckle_datasets::Error>(())
/// ```
///
/// # Keras
///
/// `keras.datasets.imdb.load_data`: same names, defaults, order of steps and shuffle, so that
/// the same file gives the same reviews in the same order.
///
/// # References
///
/// [`INFO`] has source, licence and citation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imdb {
    lookup: Lookup,
    tokens: Tokens,
    seed: u32,
}

impl Default for Imdb {
    fn default() -> Self {
        Self::new()
    }
}

impl Imdb {
    /// The data set with Keras's defaults, wherever it is found.
    #[must_use]
    pub const fn new() -> Self {
        Self { lookup: Lookup::new(), tokens: Tokens::new(), seed: 113 }
    }

    lookup_setters!(lookup);

    token_setters!();

    /// Sets the seed of the shuffle; 113 by default.
    #[must_use]
    pub const fn seed(mut self, seed: u32) -> Self {
        self.seed = seed;
        self
    }

    /// Loads the data set.
    ///
    /// # Errors
    ///
    /// If the file is not found and cannot be downloaded, or is damaged, or `maxlen` leaves no
    /// review.
    pub fn load(&self) -> Result<Loaded<LabeledSequences>> {
        let search = self.lookup.search();
        let found = search.require(&INFO, &FILES)?;
        let path = &found.paths[0];
        let archive = Archive::open(path)?;
        let mut shuffle = MersenneTwister::new(self.seed);
        let mut part = |x: &str, y: &str| {
            let (ranks, labels) = (archive.sequences(x)?, archive.labels(y)?);
            check_labels(path, x, ranks.len(), y, &labels, LABEL_NAMES.len())?;
            // One stream of random numbers for both parts, as in Keras.
            let order = shuffle.permutation(ranks.len());
            let ids = self.tokens.shift(&ranks.subset(&order)?)?;
            let labels = order.iter().map(|&index| labels[index]).collect();
            self.tokens.remove_long(ids, labels)
        };
        let (x_train, y_train) = part("x_train", "y_train")?;
        let (x_test, y_test) = part("x_test", "y_test")?;
        let num_words = self.tokens.limit(x_train.max().max(x_test.max()));
        let train =
            LabeledSequences::new(self.tokens.replace(&x_train, num_words), y_train)?;
        let test =
            LabeledSequences::new(self.tokens.replace(&x_test, num_words), y_test)?;
        let source = Source {
            info: &INFO,
            place: Place::Folder(found.folder),
            train: train.len(),
            test: test.len(),
        };
        Ok(Loaded { train, test, source })
    }

    /// Loads the ranks of the words from `imdb_word_index.json`, in the same folders.
    ///
    /// # Errors
    ///
    /// If the file is missing or damaged.
    pub fn word_index(&self) -> Result<WordIndex> {
        let search = self.lookup.search();
        let found = search.require(&INFO, &WORD_INDEX)?;
        Ok(WordIndex::read(&found.paths[0])?.index_from(self.tokens.index_from))
    }
}

/// Checks that every sequence has a label, and that it is one of the classes.
pub(crate) fn check_labels(
    path: &Path,
    x: &str,
    count: usize,
    y: &str,
    labels: &[i64],
    classes: usize,
) -> Result<()> {
    let failed = |problem: std::fmt::Arguments<'_>| {
        Err(Error::file(format_args!("{}, member `{y}`", path.display()), problem))
    };
    if labels.len() != count {
        return failed(format_args!(
            "holds {} labels, but `{x}` {count} lists",
            labels.len()
        ));
    }
    if count == 0 {
        return failed(format_args!("holds no label"));
    }
    let outside =
        |label: i64| usize::try_from(label).map_or(true, |label| label >= classes);
    match labels.iter().position(|&label| outside(label)) {
        Some(position) => failed(format_args!(
            "is damaged: label {} at position {position} is not 0 to {}",
            labels[position],
            classes - 1
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
