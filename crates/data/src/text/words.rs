//! From a text to its words: [`TextToWords`].

use crate::{Error, Result, preprocessing::md5};

/// What [`TextToWords`] leaves out by default.
pub(crate) const FILTERS: &str = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n";

/// Cuts a text into words: lower case, without punctuation, at each space.
///
/// # Examples
///
/// ```
/// use deckle_data::TextToWords;
///
/// let words = TextToWords::new().apply("It's a Dog's life!")?;
/// assert_eq!(words, ["it's", "a", "dog's", "life"]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `text_to_word_sequence` of Keras 2, with `filters`, `lower` and `split`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextToWords {
    filters: String,
    lower: bool,
    split: String,
}

impl Default for TextToWords {
    fn default() -> Self {
        Self::new()
    }
}

impl TextToWords {
    /// Lower case, without punctuation, at each space.
    #[must_use]
    pub fn new() -> Self {
        Self { filters: FILTERS.into(), lower: true, split: " ".into() }
    }

    /// Sets the characters that separate words as `split` does; punctuation, tab and newline by
    /// default.
    #[must_use]
    pub fn filters(mut self, filters: impl Into<String>) -> Self {
        self.filters = filters.into();
        self
    }

    /// Sets whether all becomes lower case; `true` by default.
    #[must_use]
    pub const fn lower(mut self, lower: bool) -> Self {
        self.lower = lower;
        self
    }

    /// Sets what separates words; a space by default.
    #[must_use]
    pub fn split(mut self, split: impl Into<String>) -> Self {
        self.split = split.into();
        self
    }

    /// The words of a text.
    ///
    /// # Errors
    ///
    /// If `split` is empty.
    pub fn apply(&self, text: &str) -> Result<Vec<String>> {
        let mut words = Vec::new();
        self.for_each(text, |word| words.push(word.to_owned()))?;
        Ok(words)
    }

    pub(crate) fn for_each(&self, text: &str, mut each: impl FnMut(&str)) -> Result<()> {
        if self.split.is_empty() {
            return Err(Error::invalid(
                "text_to_word_sequence",
                "a text that separates words",
            )
            .got("an empty split")
            .help("Tokenizer::char_level takes every character as a word"));
        }
        let lower = self.cased(text);
        let mut clean = String::with_capacity(lower.len());
        for character in lower.chars() {
            if self.filters.contains(character) {
                clean.push_str(&self.split);
            } else {
                clean.push(character);
            }
        }
        clean.split(&self.split).filter(|word| !word.is_empty()).for_each(&mut each);
        Ok(())
    }

    /// The text in lower case, if that is wanted.
    pub(crate) fn cased<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        if self.lower { text.to_lowercase().into() } else { text.into() }
    }
}

/// The words of a text as hashes from 1 to `n - 1`; two words may share one.
///
/// The hash is MD5, so it is the same everywhere.
///
/// # Errors
///
/// If `n` is below 2, or `words` has an empty `split`.
///
/// # Examples
///
/// ```
/// use deckle_data::{TextToWords, hashing_trick};
///
/// let hashes = hashing_trick("the cat the", 50, &TextToWords::new())?;
/// assert_eq!(hashes[0], hashes[2]);
/// assert!(hashes.iter().all(|&hash| (1..50).contains(&hash)));
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `hashing_trick(text, n, hash_function="md5")` of Keras 2. Its default there, and that of
/// `one_hot`, is Python's `hash`, which differs from run to run.
pub fn hashing_trick(text: &str, n: u32, words: &TextToWords) -> Result<Vec<u32>> {
    if n < 2 {
        return Err(Error::invalid("hashing_trick", "n of at least 2").got(n));
    }
    let mut hashes = Vec::new();
    let buckets = u128::from(n - 1);
    words.for_each(text, |word| {
        hashes.push((md5(word.as_bytes()) % buckets) as u32 + 1);
    })?;
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_separates_nothing_is_an_error() {
        assert!(TextToWords::new().split("").apply("a").is_err());
        assert!(hashing_trick("a", 1, &TextToWords::new()).is_err());
        assert!(hashing_trick("", 2, &TextToWords::new()).unwrap().is_empty());
    }
}
