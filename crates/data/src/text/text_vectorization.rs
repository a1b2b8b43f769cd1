//! Texts as rows of numbers, by a vocabulary: [`TextVectorization`].

use std::borrow::Cow;

use deckle_tensor::Tensor;

use crate::{
    Error, OutputMode, Result, Sequences, StringLookup,
    preprocessing::{Counts, Rows},
};

/// Texts as rows of numbers: standardized, cut into tokens, joined to n-grams, looked up.
///
/// The vocabulary is given, or learnt by [`TextVectorization::adapt`]: by decreasing count, and
/// of equal counts the largest token first. As `Int`, 0 pads and 1 stands for tokens outside of
/// the vocabulary; in the other modes, column 0 does.
///
/// # Examples
///
/// ```
/// use deckle_data::{OutputMode, TextVectorization};
///
/// let mut vectorize = TextVectorization::new().output_sequence_length(4);
/// vectorize.adapt(["The cat sat.", "The mat!"])?;
/// assert_eq!(vectorize.get_vocabulary(), ["", "[UNK]", "the", "sat", "mat", "cat"]);
/// let x = vectorize.apply(["the cat ran"])?;
/// assert_eq!(x.to_vec::<i64>()?, [2, 5, 1, 0]);
///
/// let mut counts = TextVectorization::new().ngrams(2).output_mode(OutputMode::Count);
/// counts.adapt(["a a b"])?;
/// assert_eq!(counts.get_vocabulary(), ["[UNK]", "a", "b", "a b", "a a"]);
/// assert_eq!(counts.apply(["a b c"])?.to_vec::<f32>()?, [2.0, 1.0, 1.0, 1.0, 0.0]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.TextVectorization`, to the letter: lower case is that of ASCII letters only, and
/// only ASCII punctuation is left out. Rows of ones, counts and weights are `F32`.
#[derive(Clone, Debug)]
pub struct TextVectorization {
    standardize: Standardize,
    split: Split,
    ngrams: Vec<usize>,
    output_sequence_length: Option<usize>,
    lookup: StringLookup,
}

/// What is done to a text before it is cut into tokens.
///
/// # Keras
///
/// The argument `standardize`; [`Standardize::Custom`] is a callable.
#[derive(Clone, Copy, Debug, Default)]
pub enum Standardize {
    /// Nothing.
    None,
    /// ASCII letters become lower case.
    Lower,
    /// ASCII punctuation is left out.
    StripPunctuation,
    /// Both.
    #[default]
    LowerAndStripPunctuation,
    /// What that function does.
    Custom(fn(&str) -> String),
}

/// Where a text is cut into tokens.
///
/// # Keras
///
/// The argument `split`; [`Split::Custom`] is a callable.
#[derive(Clone, Copy, Debug, Default)]
pub enum Split {
    /// Nowhere: the text is a token.
    None,
    /// At ASCII white space.
    #[default]
    Whitespace,
    /// Between all characters (Unicode scalar values).
    Character,
    /// Where that function says.
    Custom(fn(&str) -> Vec<String>),
}

impl Standardize {
    fn apply(self, text: &str) -> Cow<'_, str> {
        let strip = |text: Cow<'_, str>| -> String {
            text.chars().filter(|character| !character.is_ascii_punctuation()).collect()
        };
        match self {
            Self::None => text.into(),
            Self::Lower => text.to_ascii_lowercase().into(),
            Self::StripPunctuation => strip(text.into()).into(),
            Self::LowerAndStripPunctuation => {
                strip(text.to_ascii_lowercase().into()).into()
            }
            Self::Custom(change) => change(text).into(),
        }
    }
}

impl Split {
    fn for_each(self, text: &str, mut each: impl FnMut(&str)) {
        match self {
            Self::None => each(text),
            Self::Whitespace => text
                .split([' ', '\t', '\n', '\x0b', '\x0c', '\r'])
                .filter(|token| !token.is_empty())
                .for_each(each),
            Self::Character => {
                let mut buffer = [0; 4];
                text.chars()
                    .for_each(|character| each(character.encode_utf8(&mut buffer)));
            }
            Self::Custom(cut) => cut(text).iter().for_each(|token| each(token)),
        }
    }
}

impl Default for TextVectorization {
    fn default() -> Self {
        Self::new()
    }
}

impl TextVectorization {
    /// Lower case without punctuation, cut at white space, all words, as `Int`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            standardize: Standardize::default(),
            split: Split::default(),
            ngrams: Vec::new(),
            output_sequence_length: None,
            lookup: StringLookup::new().mask_token(""),
        }
    }

    /// Sets the largest size of the vocabulary, special tokens included; unlimited by default.
    #[must_use]
    pub fn max_tokens(mut self, max_tokens: impl Into<Option<usize>>) -> Self {
        self.lookup = self.lookup.max_tokens(max_tokens);
        self
    }

    /// Sets what is done to a text first; [`Standardize::LowerAndStripPunctuation`] by default.
    #[must_use]
    pub const fn standardize(mut self, standardize: Standardize) -> Self {
        self.standardize = standardize;
        self
    }

    /// Sets where a text is cut; [`Split::Whitespace`] by default.
    #[must_use]
    pub const fn split(mut self, split: Split) -> Self {
        self.split = split;
        self
    }

    /// Sets that tokens are joined to n-grams of 1 to `n` tokens; they are not, by default.
    #[must_use]
    pub fn ngrams(self, n: usize) -> Self {
        self.ngrams_of(1..=n)
    }

    /// Sets the lengths of the n-grams, in the order in which they follow each other.
    #[must_use]
    pub fn ngrams_of(mut self, lens: impl IntoIterator<Item = usize>) -> Self {
        self.ngrams = lens.into_iter().collect();
        self
    }

    /// Sets what texts become; [`OutputMode::Int`] by default.
    #[must_use]
    pub fn output_mode(mut self, output_mode: OutputMode) -> Self {
        self.lookup = self.lookup.output_mode(output_mode);
        self
    }

    /// Sets the length that rows of `Int` are cut or padded to; by default, that of the longest.
    #[must_use]
    pub fn output_sequence_length(mut self, len: impl Into<Option<usize>>) -> Self {
        self.output_sequence_length = len.into();
        self
    }

    /// Sets whether rows have `max_tokens` columns even if the vocabulary is smaller.
    #[must_use]
    pub fn pad_to_max_tokens(mut self, pad: bool) -> Self {
        self.lookup = self.lookup.pad_to_max_tokens(pad);
        self
    }

    /// Sets the vocabulary, with or without special tokens. Set the other settings first.
    ///
    /// # Errors
    ///
    /// As for [`StringLookup::vocabulary`](crate::IndexLookup::vocabulary).
    pub fn vocabulary<V: Into<String>>(
        mut self,
        tokens: impl IntoIterator<Item = V>,
    ) -> Result<Self> {
        self.lookup = self.lookup.vocabulary(tokens)?;
        Ok(self)
    }

    /// Sets the vocabulary and its inverse document frequencies, for [`OutputMode::TfIdf`].
    ///
    /// # Errors
    ///
    /// As for [`StringLookup::weighted_vocabulary`](crate::IndexLookup::weighted_vocabulary).
    pub fn weighted_vocabulary<V: Into<String>>(
        mut self,
        tokens: impl IntoIterator<Item = V>,
        idf_weights: &[f32],
    ) -> Result<Self> {
        self.lookup = self.lookup.weighted_vocabulary(tokens, idf_weights)?;
        Ok(self)
    }

    /// Learns the vocabulary from texts, which come one after the other.
    ///
    /// # Errors
    ///
    /// If `max_tokens` has no room for a token, or an n-gram has no token.
    pub fn adapt<S: AsRef<str>>(
        &mut self,
        texts: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        self.check()?;
        let mut counts = Counts::default();
        for text in texts {
            counts.begin();
            self.for_each_token(text.as_ref(), |token| {
                counts.add(token);
                Ok(())
            })?;
        }
        self.lookup.learn(counts)
    }

    /// The tokens by index, special tokens included.
    #[must_use]
    pub fn get_vocabulary(&self) -> Vec<String> {
        self.lookup.get_vocabulary()
    }

    /// The vocabulary, which also turns indices back to tokens.
    #[must_use]
    pub const fn lookup(&self) -> &StringLookup {
        &self.lookup
    }

    /// The texts as rows: `(texts, length)` of `I64` as `Int`, `(texts, depth)` of `F32` in the
    /// other modes.
    ///
    /// # Errors
    ///
    /// If there is no vocabulary for rows of columns, no inverse document frequencies for
    /// `TfIdf`, or the result does not fit into memory.
    pub fn apply<S: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = S>,
    ) -> Result<Tensor> {
        let rows = self.rows(texts)?;
        match self.lookup.mode() {
            OutputMode::Int => {
                rows.padded("TextVectorization", self.output_sequence_length)
            }
            OutputMode::OneHot => {
                Err(Self::invalid("output mode Int, MultiHot, Count or TfIdf")
                    .got("OneHot"))
            }
            _ => self.lookup.encode_rows(&rows),
        }
    }

    /// The texts as sequences of indices, of their own lengths.
    ///
    /// # Errors
    ///
    /// If the mode is not `Int`.
    ///
    /// # Keras
    ///
    /// `ragged=True`.
    pub fn sequences<S: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = S>,
    ) -> Result<Sequences> {
        if self.lookup.mode() != OutputMode::Int {
            return Err(Self::invalid("output mode Int, for sequences")
                .got(format_args!("{:?}", self.lookup.mode())));
        }
        let longest = self.output_sequence_length.unwrap_or(usize::MAX);
        let mut sequences = Sequences::new();
        for row in self.rows(texts)?.iter() {
            // Indices of a vocabulary in memory; none is negative as `Int`.
            sequences.push(row.iter().take(longest).map(|&index| index as u32));
        }
        Ok(sequences)
    }

    fn rows<S: AsRef<str>>(&self, texts: impl IntoIterator<Item = S>) -> Result<Rows> {
        self.check()?;
        let mut rows = Rows::default();
        for text in texts {
            self.for_each_token(text.as_ref(), |token| {
                rows.numbers.push(self.lookup.index(token, 0)?);
                Ok(())
            })?;
            rows.end_row();
        }
        Ok(rows)
    }

    fn for_each_token(
        &self,
        text: &str,
        mut each: impl FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        let text = self.standardize.apply(text);
        let mut result = Ok(());
        if self.ngrams.is_empty() {
            self.split.for_each(&text, |token| {
                if result.is_ok() {
                    result = each(token);
                }
            });
            return result;
        }
        let mut tokens = Vec::new();
        self.split.for_each(&text, |token| tokens.push(token.to_owned()));
        for &len in &self.ngrams {
            for tokens in tokens.windows(len) {
                each(&tokens.join(" "))?;
            }
        }
        result
    }

    fn check(&self) -> Result<()> {
        match self.ngrams.iter().find(|&&len| len == 0) {
            Some(_) => Err(Self::invalid("n-grams of at least one token").got("0")),
            None => Ok(()),
        }
    }

    fn invalid(expected: &str) -> Error {
        Error::invalid("TextVectorization", expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_your_own_standardize_and_split() {
        let mut vectorize = TextVectorization::new()
            .standardize(Standardize::Custom(str::to_lowercase))
            .split(Split::Custom(|text| text.split('-').map(str::to_owned).collect()));
        vectorize.adapt(["ÄÖ-b-äö"]).unwrap();
        assert_eq!(vectorize.get_vocabulary(), ["", "[UNK]", "äö", "b"]);
        assert_eq!(vectorize.lookup().invert(&[2, 0, 7]), ["äö", "", "[UNK]"]);
    }

    #[test]
    fn sequences_keep_their_lengths() {
        let vectorize = TextVectorization::new().vocabulary(["a", "b"]).unwrap();
        let sequences = vectorize.sequences(["b a c", "", "a"]).unwrap();
        assert_eq!(sequences, Sequences::from_iter([vec![3, 2, 1], vec![], vec![2u32]]));
        assert_eq!(vectorize.apply([""; 0]).unwrap().shape(), [0, 0]);
        assert_eq!(vectorize.apply(["", ""]).unwrap().shape(), [2, 0]);
        let cut = vectorize.clone().output_sequence_length(2);
        assert_eq!(cut.sequences(["b a c"]).unwrap().get(0), Some(&[3, 2][..]));
        assert!(vectorize.output_mode(OutputMode::Count).sequences(["a"]).is_err());
    }

    #[test]
    fn settings_that_make_no_sense_are_errors() {
        let mut zero = TextVectorization::new().ngrams_of([0]);
        assert!(zero.adapt(["a"]).is_err());
        assert!(zero.apply(["a"]).is_err());
        let hot = TextVectorization::new().output_mode(OutputMode::OneHot);
        assert!(hot.apply(["a"]).is_err());
        let hot = TextVectorization::new().output_mode(OutputMode::MultiHot);
        assert_eq!(
            hot.apply(["a"]).unwrap_err().to_string(),
            "`StringLookup`: cannot take this input\n  expected: a vocabulary\n       got: none\n      \
             help: call adapt, or set vocabulary"
        );
    }
}
