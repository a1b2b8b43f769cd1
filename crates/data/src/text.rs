//! Text as sequences of numbers, with Keras's names and numbers.

mod text_vectorization;
mod tokenizer;
mod words;

pub use text_vectorization::{Split, Standardize, TextVectorization};
pub use tokenizer::{MatrixMode, Tokenizer};
pub use words::{TextToWords, hashing_trick};
