//! From tokens to indices and back: [`StringLookup`] and [`IntegerLookup`].

use std::{borrow::Borrow, collections::BTreeMap};

use deckle_tensor::Tensor;

use super::{OovMethod, OutputMode, Rows, Token, encode::encode, token::bucket};
use crate::{Error, Result};

/// A vocabulary of text: [`IndexLookup`] with the defaults of Keras's `StringLookup`.
pub type StringLookup = IndexLookup<String>;

/// A vocabulary of whole numbers: [`IndexLookup`] with the defaults of Keras's `IntegerLookup`.
pub type IntegerLookup = IndexLookup<i64>;

/// A vocabulary, and the index of each token in it.
///
/// The indices begin with the mask token, if there is one and the output mode is `Int`; then come
/// those for tokens outside of the vocabulary (OOV); then the tokens, as given or, after
/// [`IndexLookup::adapt`], by decreasing count, and of equal counts the largest token first.
///
/// # Examples
///
/// ```
/// use deckle_data::{OutputMode, StringLookup};
///
/// let mut colours = StringLookup::new();
/// colours.adapt([["red"], ["blue"], ["red"]])?;
/// assert_eq!(colours.get_vocabulary(), ["[UNK]", "red", "blue"]);
/// assert_eq!(colours.indices(["blue", "green"])?, [2, 0]);
/// assert_eq!(colours.invert(&[1, 9]), ["red", "[UNK]"]);
///
/// let colours = colours.output_mode(OutputMode::OneHot);
/// assert_eq!(colours.apply(["red"])?.to_vec::<f32>()?, [0.0, 1.0, 0.0]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.StringLookup` and `IntegerLookup`, to the order of ties and the hash of OOV
/// tokens. Rows of ones or counts are `F32`; `invert=True` is the method [`IndexLookup::invert`].
#[derive(Clone, Debug, PartialEq)]
pub struct IndexLookup<T> {
    max_tokens: Option<usize>,
    num_oov_indices: usize,
    mask_token: Option<T>,
    oov_token: T,
    output_mode: OutputMode,
    pad_to_max_tokens: bool,
    oov_method: OovMethod,
    salt: Option<[u64; 2]>,
    /// Without mask and OOV.
    tokens: Vec<T>,
    /// Where each token stands in `tokens`.
    places: BTreeMap<T, usize>,
    idf: Option<Idf>,
}

/// The inverse document frequencies.
#[derive(Clone, Debug, PartialEq)]
struct Idf {
    /// Of the OOV indices.
    oov: Vec<f32>,
    tokens: Vec<f32>,
}

impl<T: Token> Default for IndexLookup<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Token> IndexLookup<T> {
    /// An empty vocabulary: one index for tokens outside of it, none for a mask.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_tokens: None,
            num_oov_indices: 1,
            mask_token: None,
            oov_token: T::oov(),
            output_mode: OutputMode::Int,
            pad_to_max_tokens: false,
            oov_method: OovMethod::Floormod,
            salt: None,
            tokens: Vec::new(),
            places: BTreeMap::new(),
            idf: None,
        }
    }

    /// Sets the largest number of indices, mask and OOV included; unlimited by default.
    #[must_use]
    pub fn max_tokens(mut self, max_tokens: impl Into<Option<usize>>) -> Self {
        self.max_tokens = max_tokens.into();
        self
    }

    /// Sets the number of indices for tokens outside of the vocabulary; 1 by default.
    ///
    /// With 0, such a token is an error; with several, its hash (or remainder) chooses.
    #[must_use]
    pub const fn num_oov_indices(mut self, num_oov_indices: usize) -> Self {
        self.num_oov_indices = num_oov_indices;
        self
    }

    /// Sets the token that stands for no token: index 0, or no column; none by default.
    #[must_use]
    pub fn mask_token(mut self, token: impl Into<T>) -> Self {
        self.mask_token = Some(token.into());
        self
    }

    /// Sets what stands for tokens outside of the vocabulary; `[UNK]` or -1 by default.
    #[must_use]
    pub fn oov_token(mut self, token: impl Into<T>) -> Self {
        self.oov_token = token.into();
        self
    }

    /// Sets what tokens become; [`OutputMode::Int`] by default.
    #[must_use]
    pub const fn output_mode(mut self, output_mode: OutputMode) -> Self {
        self.output_mode = output_mode;
        self
    }

    /// Sets whether rows have `max_tokens` columns even if the vocabulary is smaller.
    #[must_use]
    pub const fn pad_to_max_tokens(mut self, pad: bool) -> Self {
        self.pad_to_max_tokens = pad;
        self
    }

    /// Sets how one of several OOV indices is chosen for a number.
    #[must_use]
    pub const fn oov_method(mut self, method: OovMethod) -> Self {
        self.oov_method = method;
        self
    }

    /// Sets the key of the hash that chooses one of several OOV indices; none by default.
    #[must_use]
    pub const fn salt(mut self, salt: [u64; 2]) -> Self {
        self.salt = Some(salt);
        self
    }

    /// Sets the vocabulary; mask and OOV tokens may stand at its beginning, as they do in
    /// [`IndexLookup::get_vocabulary`]. Set the other settings first.
    ///
    /// # Errors
    ///
    /// If it is empty, has a token twice or the mask token elsewhere, or is larger than
    /// `max_tokens`.
    pub fn vocabulary<V: Into<T>>(
        self,
        tokens: impl IntoIterator<Item = V>,
    ) -> Result<Self> {
        self.set_vocabulary(tokens.into_iter().map(Into::into).collect(), None)
    }

    /// As [`IndexLookup::vocabulary`], with inverse document frequencies for
    /// [`OutputMode::TfIdf`].
    ///
    /// OOV tokens get the mean, if they are not in the vocabulary themselves.
    ///
    /// # Errors
    ///
    /// Also if there are not as many weights as tokens.
    pub fn weighted_vocabulary<V: Into<T>>(
        self,
        tokens: impl IntoIterator<Item = V>,
        idf_weights: &[f32],
    ) -> Result<Self> {
        self.set_vocabulary(
            tokens.into_iter().map(Into::into).collect(),
            Some(idf_weights),
        )
    }

    fn set_vocabulary(mut self, mut tokens: Vec<T>, idf: Option<&[f32]>) -> Result<Self> {
        if tokens.is_empty() {
            return Err(Self::invalid("a vocabulary of at least one token").got("none"));
        }
        if let Some(idf) = idf.filter(|idf| idf.len() != tokens.len()) {
            return Err(Self::invalid("a weight for each token of the vocabulary")
                .got(format_args!("{} weights for {} tokens", idf.len(), tokens.len())));
        }
        let start = self.token_start();
        let is_special = |at: usize, token: &T| {
            let mask = at < self.oov_start();
            Some(token)
                == if mask { self.mask_token.as_ref() } else { Some(&self.oov_token) }
        };
        let special = tokens.len() >= start
            && tokens[..start]
                .iter()
                .enumerate()
                .all(|(at, token)| is_special(at, token));
        if special {
            tokens.drain(..start);
        }
        self.idf = idf.map(|idf| {
            let mean = idf.iter().map(|&w| f64::from(w)).sum::<f64>() / idf.len() as f64;
            let (oov, tokens) =
                if special { idf.split_at(start) } else { (&[][..], idf) };
            let oov = if special { oov.to_vec() } else { vec![mean as f32; start] };
            Idf { oov, tokens: tokens.to_vec() }
        });
        let mut places = BTreeMap::new();
        for (place, token) in tokens.iter().enumerate() {
            if places.insert(token.clone(), place).is_some() {
                return Err(Self::invalid("every token once")
                    .got(format_args!("`{token}` twice")));
            }
        }
        if let Some(mask) =
            self.mask_token.as_ref().filter(|mask| places.contains_key::<T>(*mask))
        {
            return Err(Self::invalid("the mask token at the beginning, or not at all")
                .got(format_args!("`{mask}` among the tokens"))
                .help(
                    "leave out mask and OOV tokens, or put them first: mask, then OOV",
                ));
        }
        let size = start + tokens.len();
        if let Some(max_tokens) = self.max_tokens.filter(|&max_tokens| size > max_tokens)
        {
            return Err(Self::invalid(format_args!(
                "at most {max_tokens} tokens (max_tokens)"
            ))
            .got(format_args!("{size}, mask and OOV included")));
        }
        self.tokens = tokens;
        self.places = places;
        Ok(self)
    }

    /// Learns the vocabulary from documents: lists of tokens.
    ///
    /// What was learnt or set before is forgotten. The documents come one after the other, so
    /// they may be more than fit into memory. Only [`OutputMode::TfIdf`] cares which tokens are
    /// one document's.
    ///
    /// # Errors
    ///
    /// If `max_tokens` has no room for a token.
    pub fn adapt<D: IntoIterator<Item: Borrow<T::Query>>>(
        &mut self,
        documents: impl IntoIterator<Item = D>,
    ) -> Result<()> {
        let mut counts = Counts::default();
        for document in documents {
            counts.begin();
            for token in document {
                counts.add(token.borrow());
            }
        }
        self.learn(counts)
    }

    pub(crate) fn learn(&mut self, counts: Counts<T>) -> Result<()> {
        let start = self.token_start();
        if let Some(max_tokens) = self.max_tokens.filter(|&max| max <= 1 || max < start) {
            return Err(Self::invalid(format_args!(
                "max_tokens of at least {}",
                (start + 1).max(2)
            ))
            .got(max_tokens));
        }
        let Counts { tokens, documents } = counts;
        let mut learnt: Vec<(T, Count)> = tokens
            .into_iter()
            .filter(|(token, _)| {
                *token != self.oov_token && Some(token) != self.mask_token.as_ref()
            })
            .collect();
        // By count, and then by token, both from the largest.
        learnt.sort_by(|(a, x), (b, y)| (y.all, b).cmp(&(x.all, a)));
        if let Some(max_tokens) = self.max_tokens {
            learnt.truncate(max_tokens - start);
        }
        let idf = |count: &Count| {
            (documents as f64 / (1.0 + count.documents as f64)).ln_1p() as f32
        };
        let weights: Vec<f32> = learnt.iter().map(|(_, count)| idf(count)).collect();
        let mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>()
            / weights.len().max(1) as f64;
        self.idf = Some(Idf { oov: vec![mean as f32; start], tokens: weights });
        self.tokens = learnt.into_iter().map(|(token, _)| token).collect();
        self.places = self
            .tokens
            .iter()
            .enumerate()
            .map(|(place, token)| (token.clone(), place))
            .collect();
        Ok(())
    }

    /// The tokens by index, mask and OOV included.
    ///
    /// # Keras
    ///
    /// `get_vocabulary()`; [`IndexLookup::tokens`] is `include_special_tokens=False`.
    #[must_use]
    pub fn get_vocabulary(&self) -> Vec<T> {
        let mask = self.mask_token.iter().take(self.oov_start());
        let oov = std::iter::repeat_n(&self.oov_token, self.num_oov_indices);
        mask.chain(oov).chain(&self.tokens).cloned().collect()
    }

    /// The tokens without mask and OOV, the first index first.
    #[must_use]
    pub fn tokens(&self) -> &[T] {
        &self.tokens
    }

    /// The number of indices, mask and OOV included.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.token_start() + self.tokens.len()
    }

    /// The index of each token.
    ///
    /// # Errors
    ///
    /// If a token is outside of the vocabulary and there is no index for such.
    pub fn indices(
        &self,
        tokens: impl IntoIterator<Item: Borrow<T::Query>>,
    ) -> Result<Vec<i64>> {
        tokens
            .into_iter()
            .enumerate()
            .map(|(position, token)| self.index(token.borrow(), position))
            .collect()
    }

    /// The index of a token; -1 for the mask token, where it has none.
    pub(crate) fn index(&self, token: &T::Query, position: usize) -> Result<i64> {
        if self.mask_token.as_ref().is_some_and(|mask| mask.borrow() == token) {
            return Ok(if self.output_mode == OutputMode::Int { 0 } else { -1 });
        }
        if let Some(&place) = self.places.get(token) {
            return Ok((self.token_start() + place) as i64);
        }
        let oov = match self.num_oov_indices {
            0 => {
                return Err(Self::invalid("tokens of the vocabulary")
                    .got(format_args!("`{}` at position {position}", T::text(token)))
                    .help("num_oov_indices(1) gives tokens outside of the vocabulary an index"));
            }
            1 => 0,
            several => match T::number(token) {
                Some(number) if self.oov_method == OovMethod::Floormod => {
                    number.rem_euclid(several as i64)
                }
                _ => bucket(&T::text(token), several as u64, self.salt) as i64,
            },
        };
        Ok(self.oov_start() as i64 + oov)
    }

    /// The token of each index: the OOV token for one that has none.
    #[must_use]
    pub fn invert(&self, indices: &[i64]) -> Vec<T> {
        let token = |&index: &i64| {
            let index = usize::try_from(index).ok();
            match (index, &self.mask_token) {
                (Some(0), Some(mask)) => mask,
                _ => index
                    .and_then(|index| index.checked_sub(self.token_start()))
                    .and_then(|place| self.tokens.get(place))
                    .unwrap_or(&self.oov_token),
            }
        };
        indices.iter().map(|index| token(index).clone()).collect()
    }

    /// Tokens, encoded: `(tokens,)` as `Int`, `(tokens, depth)` as `OneHot`; in the other modes
    /// they are one sample, `(depth,)`.
    ///
    /// # Errors
    ///
    /// As for [`IndexLookup::indices`]; also if the result would not fit into memory, or there
    /// are no inverse document frequencies for `TfIdf`.
    pub fn apply(
        &self,
        tokens: impl IntoIterator<Item: Borrow<T::Query>>,
    ) -> Result<Tensor> {
        let indices = self.indices(tokens)?;
        self.encode(&indices, &[indices.len()])
    }

    /// Samples of several tokens each: `(samples, tokens)` as `Int`, `(samples, tokens, depth)`
    /// as `OneHot`, `(samples, depth)` in the other modes.
    ///
    /// # Errors
    ///
    /// As for [`IndexLookup::apply`]; also if the samples differ in length and the mode is `Int`
    /// or `OneHot`.
    pub fn apply_rows<R: IntoIterator<Item: Borrow<T::Query>>>(
        &self,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Tensor> {
        let mut all = Rows::default();
        for row in rows {
            let indices = self.indices(row)?;
            all.numbers.extend(indices);
            all.end_row();
        }
        if !matches!(self.output_mode, OutputMode::Int | OutputMode::OneHot) {
            return self.encode_rows(&all);
        }
        let width = all.iter().next().map_or(0, <[i64]>::len);
        if let Some((at, row)) =
            all.iter().enumerate().find(|(_, row)| row.len() != width)
        {
            return Err(Self::invalid("samples of equally many tokens")
                .got(format_args!("{} in sample {at}, {width} in sample 0", row.len()))
                .help("pad the samples, or use OutputMode::MultiHot or Count"));
        }
        self.encode(&all.numbers, &[all.len(), width])
    }

    fn encode(&self, indices: &[i64], shape: &[usize]) -> Result<Tensor> {
        let depth = self.depth()?;
        let encoded = encode(T::CLASS, indices, shape, self.output_mode, depth, None)?;
        self.weighted(encoded, depth)
    }

    /// Rows of indices as rows of `depth` columns, multi-hot, count or tf-idf.
    pub(crate) fn encode_rows(&self, rows: &Rows) -> Result<Tensor> {
        let depth = self.depth()?;
        self.weighted(rows.counted(T::CLASS, self.output_mode, depth)?, depth)
    }

    fn weighted(&self, mut counted: Tensor, depth: usize) -> Result<Tensor> {
        if self.output_mode != OutputMode::TfIdf {
            return Ok(counted);
        }
        let Some(idf) = &self.idf else {
            return Err(Self::invalid(
                "inverse document frequencies, for OutputMode::TfIdf",
            )
            .got("a vocabulary without")
            .help("call adapt, or set weighted_vocabulary"));
        };
        let skip = idf.oov.len().saturating_sub(self.num_oov_indices);
        let weights =
            idf.oov[skip..].iter().chain(&idf.tokens).chain(std::iter::repeat(&0.0));
        let weights: Vec<f32> = weights.take(depth).copied().collect();
        if depth > 0 {
            for row in counted.make_mut::<f32>().chunks_exact_mut(depth) {
                row.iter_mut().zip(&weights).for_each(|(count, weight)| *count *= weight);
            }
        }
        Ok(counted)
    }

    /// The number of columns.
    fn depth(&self) -> Result<usize> {
        if self.output_mode == OutputMode::Int {
            return Ok(0);
        }
        match self.max_tokens {
            Some(max_tokens) if self.pad_to_max_tokens => Ok(max_tokens),
            None if self.pad_to_max_tokens => {
                Err(Self::invalid("max_tokens, for pad_to_max_tokens").got("none"))
            }
            _ if self.tokens.is_empty() => Err(Self::invalid("a vocabulary")
                .got("none")
                .help("call adapt, or set vocabulary")),
            _ => Ok(self.vocabulary_size()),
        }
    }

    pub(crate) const fn mode(&self) -> OutputMode {
        self.output_mode
    }

    fn oov_start(&self) -> usize {
        usize::from(self.mask_token.is_some() && self.output_mode == OutputMode::Int)
    }

    fn token_start(&self) -> usize {
        self.oov_start() + self.num_oov_indices
    }

    fn invalid(expected: impl std::fmt::Display) -> Error {
        Error::invalid(T::CLASS, expected)
    }
}

/// How often tokens occur, while a vocabulary is learnt.
#[derive(Debug)]
pub(crate) struct Counts<T> {
    tokens: BTreeMap<T, Count>,
    documents: u64,
}

#[derive(Debug, Default)]
struct Count {
    all: u64,
    /// In how many documents.
    documents: u64,
    /// The number of the last of these.
    last: u64,
}

impl<T> Default for Counts<T> {
    fn default() -> Self {
        Self { tokens: BTreeMap::new(), documents: 0 }
    }
}

impl<T: Token> Counts<T> {
    /// Begins a document.
    pub(crate) const fn begin(&mut self) {
        self.documents += 1;
    }

    pub(crate) fn add(&mut self, token: &T::Query) {
        let count = match self.tokens.get_mut(token) {
            Some(count) => count,
            None => self.tokens.entry(token.to_owned()).or_default(),
        };
        count.all += 1;
        if count.last != self.documents {
            count.documents += 1;
            count.last = self.documents;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_vocabularies_are_errors() {
        let empty: [&str; 0] = [];
        assert!(StringLookup::new().vocabulary(empty).is_err());
        assert!(StringLookup::new().max_tokens(2).vocabulary(["a", "b"]).is_err());
        assert!(IntegerLookup::new().vocabulary([1, 2]).unwrap().invert(&[]).is_empty());
        let error = StringLookup::new().vocabulary(["a", "b", "a"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`StringLookup`: cannot take this input\n  expected: every token once\n       \
             got: `a` twice"
        );
        let error = StringLookup::new().mask_token("").vocabulary(["a", ""]).unwrap_err();
        assert!(error.to_string().contains("`` among the tokens"), "{error}");
        let weighted = StringLookup::new().weighted_vocabulary(["a"], &[1.0, 2.0]);
        assert!(weighted.is_err());
        assert!(StringLookup::new().max_tokens(1).adapt([["a"]]).is_err());
    }

    #[test]
    fn what_cannot_be_looked_up_is_named() {
        let strict = StringLookup::new().num_oov_indices(0).vocabulary(["a"]).unwrap();
        assert_eq!(
            strict.indices(["a", "ü"]).unwrap_err().to_string(),
            "`StringLookup`: cannot take this input\n  expected: tokens of the vocabulary\n       \
             got: `ü` at position 1\n      \
             help: num_oov_indices(1) gives tokens outside of the vocabulary an index"
        );
        let rows = [vec!["a"], vec!["a", "b"]];
        assert!(StringLookup::new().apply_rows(rows.clone()).is_err());
        let hot = StringLookup::new().output_mode(OutputMode::MultiHot);
        assert!(hot.apply_rows(rows.clone()).is_err());
        let hot = hot.vocabulary(["a"]).unwrap();
        assert_eq!(hot.apply_rows(rows.clone()).unwrap().shape(), [2, 2]);
        assert!(
            hot.clone().output_mode(OutputMode::TfIdf).apply_rows(rows.clone()).is_err()
        );
        assert!(hot.pad_to_max_tokens(true).apply(["a"]).is_err());
    }

    #[test]
    fn nothing_to_learn_is_an_empty_vocabulary() {
        let mut lookup = StringLookup::new();
        lookup.adapt::<[&str; 0]>([]).unwrap();
        assert_eq!(lookup.get_vocabulary(), ["[UNK]"]);
        assert_eq!(lookup.indices(["a"]).unwrap(), [0]);
        assert_eq!(lookup.apply([""; 0]).unwrap().shape(), [0]);
    }
}
