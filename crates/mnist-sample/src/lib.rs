//! 10,000 of MNIST's handwritten digits, for the first run without a download.
//!
//! They are the first 10,000 of the 60,000 training digits, in another order (the classes are
//! interleaved). MNIST's test set is not among them: an accuracy on these digits is not an
//! accuracy on MNIST's test set.
//!
//! The images and labels are by Yann LeCun, Corinna Cortes and Christopher J. C. Burges,
//! under the licence CC BY-SA 3.0; the file `LICENSE` beside this package's manifest has the
//! attribution. The data is in a package of its own so that its terms stay with it.
//!
//! `deckle_datasets::mnist` reads both files.
#![forbid(unsafe_code)]

/// The images: a gzip-compressed IDX file of bytes, `(10000, 28, 28)`.
///
/// # Examples
///
/// ```
/// // The magic number of gzip.
/// assert_eq!(deckle_mnist_sample::IMAGES[..2], [0x1f, 0x8b]);
/// ```
pub const IMAGES: &[u8] = include_bytes!("../data/images.idx.gz");

/// The labels, 0 to 9: a gzip-compressed IDX file of bytes, `(10000,)`.
///
/// # Examples
///
/// ```
/// assert_eq!(deckle_mnist_sample::LABELS.len(), 3964);
/// ```
pub const LABELS: &[u8] = include_bytes!("../data/labels.idx.gz");
