//! Reuters: 11,228 newswires of 1987, as lists of word ids, of 46 topics.
//!
//! ```no_run
//! use deckle_datasets::reuters::{self, Reuters};
//!
//! let reuters = Reuters::new().num_words(10_000).load()?;
//! assert_eq!((reuters.train.len(), reuters.test.len()), (8982, 2246));
//! assert_eq!(reuters::LABEL_NAMES[3], "earn");
//! # Ok::<(), deckle_datasets::Error>(())
//! ```

use deckle_data::Error as DataError;

use crate::{
    Info, LabeledSequences, Loaded, Place, Remote, Result, Source, WordIndex,
    imdb::check_labels,
    lookup::{Lookup, lookup_setters},
    mersenne_twister::MersenneTwister,
    npz::Archive,
    remote::keras_url,
    search::Files,
    tokens::{Tokens, token_setters},
};

/// Source, licence and citation.
pub const INFO: Info = Info {
    name: "Reuters",
    folder: "reuters",
    contents: "11,228 newswires of 46 topics",
    source: "reuters.npz and reuters_word_index.json of Keras, \
             https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    // Not the word index, of which Keras has an MD5 sum only.
    downloads: &[Remote::new(
        "reuters.npz",
        "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
        "Keras 3.15.1, keras/src/datasets/reuters.py",
        &[keras_url!("reuters.npz")],
    )],
    licence: "for research",
    citation: "D. D. Lewis, Reuters-21578 Text Categorization Test Collection, Distribution 1.0, \
               1997",
};

pub(crate) const FILES: Files = Files::whole(&[&["reuters.npz"]]);
const WORD_INDEX: Files = Files::whole(&[&["reuters_word_index.json"]]);

/// The topics' names, in the order of the labels.
pub const LABEL_NAMES: [&str; 46] = [
    "cocoa",
    "grain",
    "veg-oil",
    "earn",
    "acq",
    "wheat",
    "copper",
    "housing",
    "money-supply",
    "coffee",
    "sugar",
    "trade",
    "reserves",
    "ship",
    "cotton",
    "carcass",
    "crude",
    "nat-gas",
    "cpi",
    "money-fx",
    "interest",
    "gnp",
    "meal-feed",
    "alum",
    "oilseed",
    "gold",
    "tin",
    "strategic-metal",
    "livestock",
    "retail",
    "ipi",
    "iron-steel",
    "rubber",
    "heat",
    "jobs",
    "lei",
    "bop",
    "zinc",
    "orange",
    "pet-chem",
    "dlr",
    "gas",
    "silver",
    "wpi",
    "hog",
    "lead",
];

/// Loads Reuters with Keras's defaults from where it is found.
///
/// # Errors
///
/// As for [`Reuters::load`].
pub fn load() -> Result<Loaded<LabeledSequences>> {
    Reuters::new().load()
}

/// Loads the ranks of the words from where they are found.
///
/// # Errors
///
/// As for [`Reuters::word_index`].
pub fn word_index() -> Result<WordIndex> {
    Reuters::new().word_index()
}

/// Loads Reuters: lists of word ids, and the topic, 0 to 45, as `I64`.
///
/// A word's id is the rank of its frequency, from 1, plus `index_from`. 0 is for padding, 1
/// (`start_char`) begins every wire, 2 (`oov_char`) stands for words that are left out.
///
/// `reuters.npz` is looked for in the given folder; without one, in the subfolder `reuters` of
/// the folder that the environment variable `DECKLE_DATA_DIR` names, in that folder itself, and
/// in the subfolder `deckle/reuters` of the user's cache, and where Keras keeps what it downloads.
/// If it is nowhere, it is downloaded into the cache, once, and checked.
///
/// # Examples
///
/// ```no_run
/// use deckle_data::Dataset;
/// use deckle_datasets::reuters::Reuters;
///
/// let reuters = Reuters::new().num_words(10_000).load()?;
/// let train = reuters.train.multi_hot(10_000)?;
/// assert_eq!(train.len(), 8982);
/// # Ok::<(), deckle_datasets::Error>(())
/// ```
///
/// # Keras
///
/// `keras.datasets.reuters.load_data`: same names, defaults, order of steps, shuffle and split,
/// so that the same file gives the same wires in the same order.
///
/// # References
///
/// [`INFO`] has source, licence and citation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reuters {
    lookup: Lookup,
    tokens: Tokens,
    seed: u32,
    test_split: f64,
}

impl Default for Reuters {
    fn default() -> Self {
        Self::new()
    }
}

impl Reuters {
    /// The data set with Keras's defaults, wherever it is found.
    #[must_use]
    pub const fn new() -> Self {
        Self { lookup: Lookup::new(), tokens: Tokens::new(), seed: 113, test_split: 0.2 }
    }

    lookup_setters!(lookup);

    token_setters!();

    /// Sets the seed of the shuffle; 113 by default.
    #[must_use]
    pub const fn seed(mut self, seed: u32) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the fraction of the wires to test on; 0.2 by default.
    #[must_use]
    pub const fn test_split(mut self, test_split: f64) -> Self {
        self.test_split = test_split;
        self
    }

    /// Loads the data set.
    ///
    /// # Errors
    ///
    /// If the file is not found and cannot be downloaded, or is damaged, `maxlen` leaves no wire, or
    /// `test_split` is not a fraction from 0 to 1.
    pub fn load(&self) -> Result<Loaded<LabeledSequences>> {
        if !(0.0..=1.0).contains(&self.test_split) {
            return Err(DataError::invalid("test_split", "a fraction from 0 to 1")
                .got(self.test_split)
                .into());
        }
        let search = self.lookup.search();
        let found = search.require(&INFO, &FILES)?;
        let path = &found.paths[0];
        let archive = Archive::open(path)?;
        let (ranks, labels) = (archive.sequences("x")?, archive.labels("y")?);
        check_labels(path, "x", ranks.len(), "y", &labels, LABEL_NAMES.len())?;
        let order = MersenneTwister::new(self.seed).permutation(ranks.len());
        let ids = self.tokens.shift(&ranks.subset(&order)?)?;
        let labels = order.iter().map(|&index| labels[index]).collect();
        let (ids, labels) = self.tokens.remove_long(ids, labels)?;
        let ids = self.tokens.replace(&ids, self.tokens.limit(ids.max()));
        let all = LabeledSequences::new(ids, labels)?;
        // Rounded as in Keras.
        let at = (all.len() as f64 * (1.0 - self.test_split)) as usize;
        let (train, test) = (all.take(at), all.skip(at));
        let source = Source {
            info: &INFO,
            place: Place::Folder(found.folder),
            train: train.len(),
            test: test.len(),
        };
        Ok(Loaded { train, test, source })
    }

    /// Loads the ranks of the words from `reuters_word_index.json`, in the same folders.
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

#[cfg(test)]
mod tests;
