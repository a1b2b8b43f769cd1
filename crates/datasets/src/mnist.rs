//! MNIST: 70,000 handwritten digits of 28 × 28 pixels.
//!
//! ```no_run
//! use deckle_datasets::mnist;
//! use deckle_tensor::DType;
//!
//! let (train, test) = mnist::load()?;
//! assert_eq!(train.x().shape(), [60_000, 28, 28]);
//! assert_eq!(train.y()?.dtype(), DType::U8);
//! # let _ = test;
//! # Ok::<(), deckle_datasets::Error>(())
//! ```

use deckle_data::{Arrays, Dataset};

use crate::{
    Error, Info, Loaded, Place, Remote, Result, Source,
    gzip::Bytes,
    idx,
    labeled_images::{self, Namesake, checked},
    lookup::{Lookup, lookup_setters},
    search::{Files, Found, Other, Search, Which},
};

/// Who publishes the files' sums, too.
const SUMS: &str = "TensorFlow Datasets, url_checksums/mnist.txt of its commit 31f1255e";

/// Source, licence and citation.
pub const INFO: Info = Info {
    name: "MNIST",
    folder: "mnist",
    contents: "60,000 handwritten digits to train on and 10,000 to test on, 28 × 28 pixels",
    source: "http://yann.lecun.com/exdb/mnist/ (four IDX files), or mnist.npz of Keras",
    downloads: &[
        Remote::new(
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            SUMS,
            &[
                "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
            ],
        ),
        Remote::new(
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            SUMS,
            &[
                "https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
            ],
        ),
        Remote::new(
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            SUMS,
            &[
                "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-images-idx3-ubyte.gz",
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
            ],
        ),
        Remote::new(
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            SUMS,
            &[
                "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz",
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
            ],
        ),
    ],
    licence: "CC BY-SA 3.0",
    citation: "Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to \
               document recognition, Proceedings of the IEEE 86(11), 1998",
};

/// Fashion-MNIST, whose files have MNIST's names.
const FASHION: Namesake =
    Namesake { name: "Fashion-MNIST", labels: [9, 0, 0, 3, 0, 2, 7, 2, 5, 5] };

/// How many of the 10,000 digits are to train on.
const SAMPLE_TRAIN: usize = 8000;

/// The files that hold the data set: images and labels to train on, then to test on; and those of
/// the digits that are embedded.
pub(crate) const FILES: Files = Files {
    whole: &[
        &[
            "train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
        ],
        &["mnist.npz"],
    ],
    others: &[Other { folder: "mnist10k", names: &["images.idx.gz", "labels.idx.gz"] }],
};

/// Loads MNIST from where it is found: `DECKLE_DATA_DIR`, the cache, the network, or the embedded
/// sample.
///
/// [`Mnist::load`] also says which of these it was. Each part prints it too; what is not the whole
/// data set is told on standard error.
///
/// # Errors
///
/// As for [`Mnist::load`].
pub fn load() -> Result<(Arrays, Arrays)> {
    Mnist::new().load().map(Loaded::into_told_parts)
}

/// Loads MNIST: images `U8` `(n, 28, 28)` and labels `U8` `(n,)`.
///
/// The files are the four IDX files of the data set, with or without `.gz`, or `mnist.npz` of
/// Keras. They are looked for in the given folder; without one, in the subfolder `mnist` of the
/// folder that the environment variable `DECKLE_DATA_DIR` names, in that folder itself, and in
/// the subfolder `deckle/mnist` of the user's cache, and where Keras keeps what it downloads.
///
/// If they are in none of these, they are downloaded into the cache (11.6 MB, once) and checked.
/// [`Mnist::offline`] or `DECKLE_OFFLINE=1` forbids it.
///
/// Who has no network is not stopped: there are 10,000 digits, of `embeddable/mnist10k` in
/// `DECKLE_DATA_DIR` (which is preferred to a download) or embedded in the program; 8000 to train on
/// and 2000 to test on. They are the first 10,000 of the *training* digits in another order, so an
/// accuracy on these 2000 is not an accuracy on MNIST's test set. [`Loaded::source`] tells, and why
/// the whole set could not be downloaded.
///
/// # Examples
///
/// ```
/// use deckle_datasets::mnist::Mnist;
///
/// let mnist = Mnist::new().embedded().load()?;
/// assert_eq!(mnist.train.x().shape(), [8000, 28, 28]);
/// assert_eq!(mnist.test.y()?.to_vec::<u8>()?[..5], [9, 5, 6, 8, 7]);
/// # Ok::<(), deckle_datasets::Error>(())
/// ```
///
/// # Keras
///
/// `keras.datasets.mnist.load_data()`.
///
/// # References
///
/// [`INFO`] has source, licence and citation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mnist {
    lookup: Lookup,
    embedded: bool,
}

impl Mnist {
    /// The data set, wherever it is found.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    lookup_setters!(lookup);

    /// Takes the embedded digits, without looking for files.
    #[must_use]
    pub const fn embedded(mut self) -> Self {
        self.embedded = true;
        self
    }

    /// Loads the data set.
    ///
    /// # Errors
    ///
    /// If files were found, but not all, or they are damaged or do not belong together; if there
    /// are none in the folder that was given.
    pub fn load(&self) -> Result<Loaded<Arrays>> {
        self.load_from(&self.lookup.search())
    }

    fn load_from(&self, search: &Search) -> Result<Loaded<Arrays>> {
        if self.embedded {
            return embedded(String::new());
        }
        choose(search, search.obtain(&INFO, &FILES))
    }
}

/// The files, or the embedded digits if there are none: who has no network is not stopped.
fn choose(search: &Search, obtained: Result<Option<Found>>) -> Result<Loaded<Arrays>> {
    let not_found = |problems: &[String]| search.not_found(&INFO, &FILES, problems);
    match obtained {
        Ok(Some(found)) => from_files(&found),
        Ok(None) if search.explicit.is_some() => Err(not_found(&[])),
        Ok(None) => embedded(not_found(&[]).to_string()),
        Err(Error::Download { problems, .. }) => {
            embedded(not_found(&problems).to_string())
        }
        Err(error) => Err(error),
    }
}

fn from_files(found: &Found) -> Result<Loaded<Arrays>> {
    let folder = found.folder.clone();
    if found.which != Which::Whole {
        let part = "a part of the training set, none of MNIST's test set";
        return sample(&labeled_images::read_one(found)?, Place::Part { part, folder });
    }
    let (train, test) = labeled_images::read(found, &FASHION)?;
    loaded(train, test, "digits", Place::Folder(folder))
}

fn embedded(why: String) -> Result<Loaded<Arrays>> {
    let images = "MNIST's embedded images";
    let labels = "MNIST's embedded labels";
    let x = idx::parse(Bytes::embedded(deckle_mnist_sample::IMAGES, images))?;
    let y = idx::parse(Bytes::embedded(deckle_mnist_sample::LABELS, labels))?;
    let all = checked(&images, x, &labels, y)?;
    sample(&all, Place::Embedded { sample: "10,000 embedded digits", why })
}

/// Digits of the training set only, cut into a part to train on and one to test on.
fn sample(all: &Arrays, place: Place) -> Result<Loaded<Arrays>> {
    let digits = match place {
        Place::Embedded { .. } => "embedded digits",
        _ => "digits of the training set",
    };
    loaded(all.take(SAMPLE_TRAIN), all.skip(SAMPLE_TRAIN), digits, place)
}

fn loaded(
    train: Arrays,
    test: Arrays,
    digits: &str,
    place: Place,
) -> Result<Loaded<Arrays>> {
    let source = Source { info: &INFO, place, train: train.len(), test: test.len() };
    Ok(Loaded {
        train: train.description(format!("MNIST, {digits} to train on")),
        test: test.description(format!("MNIST, {digits} to test on")),
        source,
    })
}

#[cfg(test)]
mod tests;
