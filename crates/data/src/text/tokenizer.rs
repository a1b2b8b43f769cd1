//! Words numbered by frequency: [`Tokenizer`].

use std::collections::BTreeMap;

use deckle_tensor::{DType, Tensor};

use super::words::TextToWords;
use crate::{Error, Result, Sequences, sequences::zeros};

/// Numbers the words of texts: 1 for the most frequent, 0 for none.
///
/// Words of equal frequency keep the order in which they came.
///
/// # Examples
///
/// ```
/// use deckle_data::{MatrixMode, Tokenizer};
///
/// let mut tokenizer = Tokenizer::new().num_words(3);
/// tokenizer.fit_on_texts(["the cat sat", "The mat."])?;
/// assert_eq!(tokenizer.index("cat"), Some(2));
/// let sequences = tokenizer.texts_to_sequences(["the cat on the mat"])?;
/// assert_eq!(sequences.get(0), Some(&[1, 2, 1][..]));
/// let counts = tokenizer.texts_to_matrix(["the cat on the mat"], MatrixMode::Count)?;
/// assert_eq!(counts.to_vec::<f32>()?, [0.0, 2.0, 1.0]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.preprocessing.text.Tokenizer` of Keras 2. Matrices are `F32`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokenizer {
    num_words: Option<u32>,
    words: TextToWords,
    char_level: bool,
    oov_token: Option<String>,
    /// Of each word: how often, in how many texts, and the number of the first that had it.
    counts: BTreeMap<String, Count>,
    document_count: u64,
    word_index: BTreeMap<String, u32>,
    /// The word of each index; index 0 has none, nor has one that another word took over.
    index_word: Vec<Option<String>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    all: u64,
    documents: u64,
    /// The last text that had it.
    last: u64,
    /// When it first came.
    order: usize,
}

/// What the elements of [`Tokenizer::texts_to_matrix`] say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatrixMode {
    /// 1 for each word that occurs.
    #[default]
    Binary,
    /// How often it occurs.
    Count,
    /// How often it occurs, divided by the text's length.
    Freq,
    /// `(1 + ln count) · ln(1 + texts / (1 + texts with the word))`.
    TfIdf,
}

impl Default for Tokenizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Tokenizer {
    /// All words, in lower case and without punctuation.
    #[must_use]
    pub fn new() -> Self {
        Self {
            num_words: None,
            words: TextToWords::new(),
            char_level: false,
            oov_token: None,
            counts: BTreeMap::new(),
            document_count: 0,
            word_index: BTreeMap::new(),
            index_word: Vec::new(),
        }
    }

    /// Sets the first index that is left out of sequences, so that `num_words - 1` words stay.
    #[must_use]
    pub fn num_words(mut self, num_words: impl Into<Option<u32>>) -> Self {
        // Python's 0 is no limit.
        self.num_words = num_words.into().filter(|&num_words| num_words > 0);
        self
    }

    /// Sets how texts are cut into words.
    #[must_use]
    pub fn words(mut self, words: TextToWords) -> Self {
        self.words = words;
        self
    }

    /// Sets whether each character is a word; `false` by default.
    #[must_use]
    pub const fn char_level(mut self, char_level: bool) -> Self {
        self.char_level = char_level;
        self
    }

    /// Sets the word, of index 1, that stands for those left out; they are skipped by default.
    #[must_use]
    pub fn oov_token(mut self, token: impl Into<String>) -> Self {
        self.oov_token = Some(token.into());
        self
    }

    /// Counts the words of texts, besides those counted before, and numbers them anew.
    ///
    /// # Errors
    ///
    /// If texts are cut at an empty text.
    pub fn fit_on_texts<S: AsRef<str>>(
        &mut self,
        texts: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        let mut counts = std::mem::take(&mut self.counts);
        let mut failed = Ok(());
        for text in texts {
            self.document_count += 1;
            let document = self.document_count;
            failed = self.for_each(text.as_ref(), |word| {
                let order = counts.len();
                let count = match counts.get_mut(word) {
                    Some(count) => count,
                    None => counts
                        .entry(word.to_owned())
                        .or_insert(Count { order, ..Count::default() }),
                };
                count.all += 1;
                if count.last != document {
                    count.documents += 1;
                    count.last = document;
                }
            });
            if failed.is_err() {
                break;
            }
        }
        self.counts = counts;
        self.number();
        failed
    }

    fn number(&mut self) {
        let mut words: Vec<(&String, &Count)> = self.counts.iter().collect();
        words.sort_by_key(|(_, count)| (std::cmp::Reverse(count.all), count.order));
        let words = words.into_iter().map(|(word, _)| word);
        self.word_index.clear();
        self.index_word = vec![None];
        for word in self.oov_token.iter().chain(words) {
            let index = self.index_word.len() as u32;
            // As in Keras, the OOV token's own count takes its place over.
            if let Some(before) = self.word_index.insert(word.clone(), index) {
                self.index_word[before as usize] = None;
            }
            self.index_word.push(Some(word.clone()));
        }
    }

    fn for_each(&self, text: &str, mut each: impl FnMut(&str)) -> Result<()> {
        if !self.char_level {
            return self.words.for_each(text, each);
        }
        let mut buffer = [0; 4];
        for character in self.words.cased(text).chars() {
            each(character.encode_utf8(&mut buffer));
        }
        Ok(())
    }

    /// The index of a word.
    #[must_use]
    pub fn index(&self, word: &str) -> Option<u32> {
        self.word_index.get(word).copied()
    }

    /// The word of an index.
    #[must_use]
    pub fn word(&self, index: u32) -> Option<&str> {
        self.index_word.get(index as usize)?.as_deref()
    }

    /// Every word and its index, the first index first.
    pub fn word_index(&self) -> impl Iterator<Item = (&str, u32)> {
        let words = self.index_word.iter().enumerate();
        words.filter_map(|(index, word)| Some((word.as_deref()?, index as u32)))
    }

    /// The number of texts that were counted.
    #[must_use]
    pub const fn document_count(&self) -> u64 {
        self.document_count
    }

    /// The indices of the words of each text.
    ///
    /// # Errors
    ///
    /// If texts are cut at an empty text.
    pub fn texts_to_sequences<S: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = S>,
    ) -> Result<Sequences> {
        let mut sequences = Sequences::new();
        let mut ids = Vec::new();
        for text in texts {
            ids.clear();
            self.for_each(text.as_ref(), |word| {
                let index = self.index(word).filter(|&index| !self.is_left_out(index));
                ids.extend(index.or_else(|| self.oov_index()));
            })?;
            sequences.push(ids.iter().copied());
        }
        Ok(sequences)
    }

    fn is_left_out(&self, index: u32) -> bool {
        self.num_words.is_some_and(|num_words| index >= num_words)
    }

    fn oov_index(&self) -> Option<u32> {
        self.index(self.oov_token.as_ref()?)
    }

    /// The words of each sequence, joined by spaces.
    #[must_use]
    pub fn sequences_to_texts(&self, sequences: &Sequences) -> Vec<String> {
        let word = |&index: &u32| {
            let known = self.word(index).filter(|_| !self.is_left_out(index));
            known.or_else(|| self.word(self.oov_index()?))
        };
        let text =
            |ids: &[u32]| ids.iter().filter_map(word).collect::<Vec<_>>().join(" ");
        sequences.iter().map(text).collect()
    }

    /// A row for each text with a column for each index: `(texts, num_words)` of `F32`, or as
    /// many columns as there are words, and one.
    ///
    /// # Errors
    ///
    /// As for [`Tokenizer::sequences_to_matrix`].
    pub fn texts_to_matrix<S: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = S>,
        mode: MatrixMode,
    ) -> Result<Tensor> {
        self.sequences_to_matrix(&self.texts_to_sequences(texts)?, mode)
    }

    /// A row for each sequence with a column for each index; ids beyond the columns are not
    /// counted.
    ///
    /// # Errors
    ///
    /// If neither `num_words` is set nor texts were counted, or the result does not fit into
    /// memory.
    pub fn sequences_to_matrix(
        &self,
        sequences: &Sequences,
        mode: MatrixMode,
    ) -> Result<Tensor> {
        let op = "sequences_to_matrix";
        let columns = match self.num_words {
            Some(num_words) => num_words as usize,
            None if !self.word_index.is_empty() => self.word_index.len() + 1,
            None => {
                return Err(Error::invalid(op, "words to count, or num_words")
                    .got("neither")
                    .help("call fit_on_texts first"));
            }
        };
        if mode == MatrixMode::TfIdf && self.document_count == 0 {
            return Err(Error::invalid(op, "counted texts, for TfIdf")
                .got("none")
                .help("call fit_on_texts first"));
        }
        let mut matrix = zeros(op, DType::F32, sequences.len(), columns)?;
        let rows = matrix.make_mut::<f32>().chunks_exact_mut(columns.max(1));
        for (row, ids) in rows.zip(sequences.iter()) {
            for &id in ids {
                if let Some(count) = row.get_mut(id as usize) {
                    *count += 1.0;
                }
            }
            for (index, value) in
                row.iter_mut().enumerate().filter(|(_, count)| **count > 0.0)
            {
                let count = f64::from(*value);
                *value = match mode {
                    MatrixMode::Binary => 1.0,
                    MatrixMode::Count => count,
                    MatrixMode::Freq => count / ids.len() as f64,
                    MatrixMode::TfIdf => (1.0 + count.ln()) * self.idf(index),
                } as f32;
            }
        }
        Ok(matrix)
    }

    fn idf(&self, index: usize) -> f64 {
        let word = self.index_word.get(index).and_then(Option::as_ref);
        let documents =
            word.and_then(|word| self.counts.get(word)).map_or(0, |c| c.documents);
        (self.document_count as f64 / (1.0 + documents as f64)).ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_count_is_an_error() {
        let tokenizer = Tokenizer::new();
        assert!(tokenizer.texts_to_matrix(["a"], MatrixMode::Binary).is_err());
        let tokenizer = tokenizer.num_words(4);
        assert!(tokenizer.texts_to_matrix(["a"], MatrixMode::TfIdf).is_err());
        let none = tokenizer.texts_to_matrix([""; 0], MatrixMode::Binary).unwrap();
        assert_eq!(none.shape(), [0, 4]);
        assert_eq!(tokenizer.word(0), None);
        let mut broken = Tokenizer::new().words(TextToWords::new().split(""));
        assert!(broken.fit_on_texts(["a"]).is_err());
    }
}
