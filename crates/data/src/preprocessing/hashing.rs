//! Tokens as one of a fixed number of bins: [`Hashing`] and [`HashedCrossing`].

use std::borrow::Cow;

use deckle_tensor::Tensor;

use super::{
    OutputMode,
    encode::encode,
    hash::{fingerprint_64, join_fingerprints},
    token::bucket,
};
use crate::{Error, Result};

/// What can be hashed: text or whole numbers.
///
/// # Examples
///
/// ```
/// use deckle_data::HashInput;
///
/// assert_eq!(HashInput::from("a"), HashInput::Text("a".into()));
/// assert_eq!(HashInput::from(3), HashInput::Number(3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashInput<'a> {
    /// Text; its bytes are hashed.
    Text(Cow<'a, str>),
    /// A whole number; its decimal digits are hashed.
    Number(i64),
}

impl<'a> From<&'a str> for HashInput<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a String> for HashInput<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for HashInput<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&i64> for HashInput<'_> {
    fn from(number: &i64) -> Self {
        Self::Number(*number)
    }
}

impl HashInput<'_> {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => number.to_string().into(),
        }
    }
}

/// The hash of tokens, as the number of a bin.
///
/// The hash is `FarmHash`'s `Fingerprint64` or, with a salt, `SipHash`-2-4: the same on every
/// machine, and in Keras.
///
/// # Examples
///
/// ```
/// use deckle_data::Hashing;
///
/// let bins = Hashing::new(3).bins(["A", "B", "C", "D", "E"])?;
/// assert_eq!(bins, [1, 0, 1, 1, 2]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Hashing`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hashing {
    num_bins: usize,
    mask_value: Option<HashInput<'static>>,
    salt: Option<[u64; 2]>,
    output_mode: OutputMode,
}

impl Hashing {
    /// Hashes to bins 0 to `num_bins - 1`.
    #[must_use]
    pub const fn new(num_bins: usize) -> Self {
        Self { num_bins, mask_value: None, salt: None, output_mode: OutputMode::Int }
    }

    /// Sets the token that bin 0 is reserved for; none by default.
    #[must_use]
    pub fn mask_value(mut self, value: impl Into<HashInput<'static>>) -> Self {
        self.mask_value = Some(value.into());
        self
    }

    /// Sets the key of the hash; without it, `FarmHash` is used, which has none.
    #[must_use]
    pub const fn salt(mut self, salt: [u64; 2]) -> Self {
        self.salt = Some(salt);
        self
    }

    /// Sets what bins become; [`OutputMode::Int`] by default, [`OutputMode::TfIdf`] is none.
    #[must_use]
    pub const fn output_mode(mut self, output_mode: OutputMode) -> Self {
        self.output_mode = output_mode;
        self
    }

    /// The bin of each token.
    ///
    /// # Errors
    ///
    /// If there is no bin.
    pub fn bins<'a>(
        &self,
        tokens: impl IntoIterator<Item: Into<HashInput<'a>>>,
    ) -> Result<Vec<i64>> {
        self.check()?;
        Ok(tokens.into_iter().map(|token| self.bin(&token.into())).collect())
    }

    fn bin(&self, token: &HashInput<'_>) -> i64 {
        let reserved = u64::from(self.mask_value.is_some() && self.num_bins > 1);
        if reserved == 1 && self.mask_value.as_ref() == Some(token) {
            return 0;
        }
        (bucket(&token.text(), self.num_bins as u64 - reserved, self.salt) + reserved)
            as i64
    }

    /// Tokens, encoded: `(tokens,)` as `Int`, `(tokens, num_bins)` as `OneHot`; in the other
    /// modes they are one sample, `(num_bins,)`.
    ///
    /// # Errors
    ///
    /// If there is no bin, the mode is `TfIdf`, or the result does not fit into memory.
    pub fn apply<'a>(
        &self,
        tokens: impl IntoIterator<Item: Into<HashInput<'a>>>,
    ) -> Result<Tensor> {
        let bins = self.bins(tokens)?;
        encode("Hashing", &bins, &[bins.len()], self.output_mode, self.num_bins, None)
    }

    /// Samples of equally many tokens: `(samples, tokens)` as `Int`, `(samples, tokens,
    /// num_bins)` as `OneHot`, `(samples, num_bins)` in the other modes.
    ///
    /// # Errors
    ///
    /// As for [`Hashing::apply`]; also if the samples differ in length.
    pub fn apply_rows<'a, R: IntoIterator<Item: Into<HashInput<'a>>>>(
        &self,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Tensor> {
        self.check()?;
        let (mut bins, mut count, mut width) = (Vec::new(), 0, None);
        for row in rows {
            let start = bins.len();
            bins.extend(row.into_iter().map(|token| self.bin(&token.into())));
            let got = bins.len() - start;
            if *width.get_or_insert(got) != got {
                return Err(Error::invalid("Hashing", "samples of equally many tokens")
                    .got(format_args!("{got} in sample {count}")));
            }
            count += 1;
        }
        let shape = [count, width.unwrap_or(0)];
        encode("Hashing", &bins, &shape, self.output_mode, self.num_bins, None)
    }

    fn check(&self) -> Result<()> {
        check_bins("Hashing", self.num_bins, self.output_mode)
    }
}

fn check_bins(op: &'static str, num_bins: usize, output_mode: OutputMode) -> Result<()> {
    if num_bins == 0 {
        return Err(Error::invalid(op, "at least one bin").got("num_bins 0"));
    }
    if output_mode == OutputMode::TfIdf {
        return Err(Error::invalid(op, "an output mode other than TfIdf").got("TfIdf"));
    }
    Ok(())
}

/// The hash of several features together, as the number of a bin.
///
/// # Examples
///
/// ```
/// use deckle_data::HashedCrossing;
///
/// let crossing = HashedCrossing::new(5);
/// let bins = crossing.bins(&[vec!["A".into(), "B".into()], vec![101.into(), 101.into()]])?;
/// assert_eq!(bins, [1, 4]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.HashedCrossing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedCrossing {
    num_bins: usize,
    output_mode: OutputMode,
}

impl HashedCrossing {
    /// Crosses to bins 0 to `num_bins - 1`.
    #[must_use]
    pub const fn new(num_bins: usize) -> Self {
        Self { num_bins, output_mode: OutputMode::Int }
    }

    /// Sets what bins become: [`OutputMode::Int`], the default, or [`OutputMode::OneHot`].
    #[must_use]
    pub const fn output_mode(mut self, output_mode: OutputMode) -> Self {
        self.output_mode = output_mode;
        self
    }

    /// The bin of each sample; `features` has a list of values for each feature.
    ///
    /// # Errors
    ///
    /// If there are fewer than two features, they disagree in length, or there is no bin.
    pub fn bins(&self, features: &[Vec<HashInput<'_>>]) -> Result<Vec<i64>> {
        /// TensorFlow's key of crosses.
        const KEY: u64 = 0x00de_cafc_affe;
        check_bins("HashedCrossing", self.num_bins, self.output_mode)?;
        let [first, _, ..] = features else {
            return Err(Error::invalid("HashedCrossing", "at least two features")
                .got(features.len()));
        };
        if let Some(other) = features.iter().find(|other| other.len() != first.len()) {
            return Err(Error::invalid(
                "HashedCrossing",
                "a value of each feature for each sample",
            )
            .got(format_args!("{} and {} values", first.len(), other.len())));
        }
        let bin = |sample: usize| {
            let fingerprint = |input: &HashInput<'_>| match input {
                HashInput::Text(text) => fingerprint_64(text.as_bytes()),
                HashInput::Number(number) => number.cast_unsigned(),
            };
            let hash = features.iter().fold(KEY, |hash, feature| {
                join_fingerprints(hash, fingerprint(&feature[sample]))
            });
            (hash % self.num_bins as u64) as i64
        };
        Ok((0..first.len()).map(bin).collect())
    }

    /// The samples, encoded: `(samples,)` as `Int`, `(samples, num_bins)` as `OneHot`.
    ///
    /// # Errors
    ///
    /// As for [`HashedCrossing::bins`]; also if the mode is another one.
    pub fn apply(&self, features: &[Vec<HashInput<'_>>]) -> Result<Tensor> {
        if !matches!(self.output_mode, OutputMode::Int | OutputMode::OneHot) {
            return Err(Error::invalid("HashedCrossing", "output mode Int or OneHot")
                .got(format_args!("{:?}", self.output_mode)));
        }
        let bins = self.bins(features)?;
        encode(
            "HashedCrossing",
            &bins,
            &[bins.len()],
            self.output_mode,
            self.num_bins,
            None,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_hashed_is_an_error() {
        assert!(Hashing::new(0).bins(["a"]).is_err());
        assert!(Hashing::new(2).output_mode(OutputMode::TfIdf).apply(["a"]).is_err());
        assert!(Hashing::new(2).apply_rows([vec!["a"], vec![]]).is_err());
        let (one, two) = (vec!["a".into()], vec![1.into(), 2.into()]);
        assert!(HashedCrossing::new(2).bins(std::slice::from_ref(&one)).is_err());
        assert!(HashedCrossing::new(2).bins(&[one.clone(), two]).is_err());
        let counting = HashedCrossing::new(2).output_mode(OutputMode::Count);
        assert!(counting.apply(&[one.clone(), one]).is_err());
        assert_eq!(Hashing::new(2).apply([""; 0]).unwrap().shape(), [0]);
    }
}
