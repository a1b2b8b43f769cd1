//! What a vocabulary can consist of: [`Token`].

use std::{
    borrow::{Borrow, Cow},
    fmt,
};

use super::hash::{fingerprint_64, sip_hash};

/// What a vocabulary consists of: text, or whole numbers.
///
/// [`StringLookup`](crate::StringLookup) and [`IntegerLookup`](crate::IntegerLookup) differ only
/// in this.
pub trait Token:
    Borrow<Self::Query> + Clone + fmt::Debug + fmt::Display + Ord + Send + Sync
{
    /// What is looked up: `str` for `String`.
    type Query: Ord + ToOwned<Owned = Self> + ?Sized;

    /// The name of Keras's class.
    const CLASS: &'static str;

    /// What stands for tokens outside of the vocabulary, by default.
    fn oov() -> Self;

    /// The text that is hashed.
    fn text(query: &Self::Query) -> Cow<'_, str>;

    /// The token as a number, if it is one.
    fn number(query: &Self::Query) -> Option<i64>;
}

impl Token for String {
    type Query = str;

    const CLASS: &'static str = "StringLookup";

    fn oov() -> Self {
        "[UNK]".into()
    }

    fn text(query: &str) -> Cow<'_, str> {
        query.into()
    }

    fn number(_: &str) -> Option<i64> {
        None
    }
}

impl Token for i64 {
    type Query = Self;

    const CLASS: &'static str = "IntegerLookup";

    fn oov() -> Self {
        -1
    }

    fn text(query: &Self) -> Cow<'_, str> {
        query.to_string().into()
    }

    fn number(query: &Self) -> Option<Self> {
        Some(*query)
    }
}

/// How a token outside of the vocabulary gets one of several indices.
///
/// # Keras
///
/// The argument `oov_method` of `IntegerLookup`; strings are always hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OovMethod {
    /// The remainder of the number; text is hashed.
    #[default]
    Floormod,
    /// The hash of the token's text.
    Farmhash,
}

/// The bucket of a text: its `FarmHash` or, with a salt, its `SipHash`.
pub(crate) fn bucket(text: &str, buckets: u64, salt: Option<[u64; 2]>) -> u64 {
    let hash = match salt {
        Some(key) => sip_hash(key, text.as_bytes()),
        None => fingerprint_64(text.as_bytes()),
    };
    hash % buckets.max(1)
}
