//! Preprocessing of tokens, numbers and tables, with Keras's names and numbers.

mod category_encoding;
mod discretization;
mod encode;
mod hash;
mod hashing;
mod index_lookup;
mod normalization;
mod token;

pub use category_encoding::CategoryEncoding;
pub use discretization::Discretization;
pub use encode::OutputMode;
pub use hashing::{HashInput, HashedCrossing, Hashing};
pub use index_lookup::{IndexLookup, IntegerLookup, StringLookup};
pub use normalization::Normalization;
pub use token::{OovMethod, Token};

pub(crate) use encode::Rows;
pub(crate) use hash::md5;
pub(crate) use index_lookup::Counts;
