//! Words and their ranks: [`WordIndex`].

use std::{collections::BTreeMap, fmt, fs, path::Path};

use crate::{Error, Result};

/// The words of a data set by the rank of their frequency, from 1 for the most frequent.
///
/// # Examples
///
/// ```
/// use deckle_datasets::WordIndex;
///
/// let index = WordIndex::from_iter([("the", 1), ("film", 2), ("good", 3)]);
/// assert_eq!(index.rank("film"), Some(2));
/// assert_eq!(index.word(3), Some("good"));
/// // Ids are ranks + 3; 0 to 2 are padding, start and unknown word.
/// assert_eq!(index.decode(&[1, 4, 5, 2, 6]), "? the film ? good");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WordIndex {
    ranks: BTreeMap<String, u32>,
    words: BTreeMap<u32, String>,
    index_from: u32,
}

impl WordIndex {
    /// Reads a JSON file that gives every word its rank.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is no JSON object of numbers.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display();
        let text = fs::read(path)
            .map_err(|error| Error::Io { file: name.to_string(), error })?;
        let ranks: BTreeMap<String, u32> =
            serde_json::from_slice(&text).map_err(|error| {
                Error::file(
                    name,
                    format_args!("is no JSON object of words' ranks: {error}"),
                )
            })?;
        Ok(ranks.into_iter().collect())
    }

    /// Sets what ids add to ranks; 3 by default, as for the loaders.
    #[must_use]
    pub const fn index_from(mut self, index_from: u32) -> Self {
        self.index_from = index_from;
        self
    }

    /// The number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranks.len()
    }

    /// Whether there is no word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }

    /// The rank of a word.
    #[must_use]
    pub fn rank(&self, word: &str) -> Option<u32> {
        self.ranks.get(word).copied()
    }

    /// The word of that rank.
    #[must_use]
    pub fn word(&self, rank: u32) -> Option<&str> {
        self.words.get(&rank).map(String::as_str)
    }

    /// The words of a sequence of ids, with `?` for those that stand for no word.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut text = String::new();
        for (at, id) in ids.iter().enumerate() {
            if at > 0 {
                text.push(' ');
            }
            let rank = id.checked_sub(self.index_from);
            text.push_str(rank.and_then(|rank| self.word(rank)).unwrap_or("?"));
        }
        text
    }
}

impl<W: Into<String>> FromIterator<(W, u32)> for WordIndex {
    fn from_iter<I: IntoIterator<Item = (W, u32)>>(words: I) -> Self {
        let ranks: BTreeMap<String, u32> =
            words.into_iter().map(|(word, rank)| (word.into(), rank)).collect();
        let words = ranks.iter().map(|(word, &rank)| (rank, word.clone())).collect();
        Self { ranks, words, index_from: 3 }
    }
}

impl fmt::Debug for WordIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WordIndex({} words)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn files_are_read_or_named() {
        let scratch = Scratch::new();
        let path = scratch.write("a.json", br#"{"the": 1, "caf\u00e9": 2}"#);
        let index = WordIndex::read(&path).unwrap().index_from(0);
        assert_eq!(index.decode(&[2, 1, 3]), "café the ?");
        let path = scratch.write("a.json", b"{\"the\": -1}");
        assert_eq!(
            WordIndex::read(&path).unwrap_err().to_string(),
            format!(
                "{}: is no JSON object of words' ranks: invalid value: integer `-1`, expected \
                 u32 at line 1 column 10",
                path.display()
            )
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let scratch = Scratch::new();
            let _ = WordIndex::read(scratch.write("a.json", &bytes));
        }
    }
}
