//! CIFAR-10: 60,000 photographs of 32 × 32 pixels, of 10 classes.
//!
//! ```no_run
//! use deckle_datasets::cifar10::{self, CLASS_NAMES};
//!
//! let (train, test) = cifar10::load()?;
//! assert_eq!(train.x().shape(), [50_000, 32, 32, 3]);
//! assert_eq!(CLASS_NAMES[3], "cat");
//! # let _ = test;
//! # Ok::<(), deckle_datasets::Error>(())
//! ```

use std::path::{Path, PathBuf};

use deckle_data::Arrays;

use crate::{
    Info, Loaded, Result,
    cifar::{self, Labels},
};

/// Source, licence and citation.
pub const INFO: Info = Info {
    name: "CIFAR-10",
    folder: "cifar10",
    contents: "50,000 photographs to train on and 10,000 to test on, 32 × 32 pixels, 10 classes",
    source: "https://www.cs.toronto.edu/~kriz/cifar.html (binary version)",
    licence: "not stated",
    citation: "A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
};

/// The classes' names, in the order of the labels.
pub const CLASS_NAMES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// The files of the binary version, in the folder that its archive holds, or without it.
const FILES: [&[&str]; 2] = [
    &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
        "test_batch.bin",
    ],
    &[
        "cifar-10-batches-bin/data_batch_1.bin",
        "cifar-10-batches-bin/data_batch_2.bin",
        "cifar-10-batches-bin/data_batch_3.bin",
        "cifar-10-batches-bin/data_batch_4.bin",
        "cifar-10-batches-bin/data_batch_5.bin",
        "cifar-10-batches-bin/test_batch.bin",
    ],
];

/// Loads CIFAR-10 from where it is found: `DECKLE_DATA_DIR` or the cache.
///
/// # Errors
///
/// As for [`Cifar10::load`].
pub fn load() -> Result<(Arrays, Arrays)> {
    Cifar10::new().load().map(Loaded::into_parts)
}

/// Loads CIFAR-10: images `U8` `(n, 32, 32, 3)` and labels `U8` `(n,)`.
///
/// The files are those of the binary version, unpacked: `data_batch_1.bin` to
/// `data_batch_5.bin` and `test_batch.bin`, or the folder `cifar-10-batches-bin` that has them.
/// They are looked for in the given folder; without one, in the subfolder `cifar10` of the
/// folder that the environment variable `DECKLE_DATA_DIR` names, in that folder itself, and in
/// the subfolder `deckle/cifar10` of the user's cache.
///
/// # Examples
///
/// ```
/// use deckle_datasets::cifar10::Cifar10;
///
/// let error = Cifar10::new().folder("no/such/folder").load().unwrap_err();
/// assert!(error.to_string().contains("data_batch_1.bin"));
/// ```
///
/// # Keras
///
/// `keras.datasets.cifar10.load_data()`, where labels are `(n, 1)`.
///
/// # References
///
/// [`INFO`] has source, licence and citation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cifar10 {
    folder: Option<PathBuf>,
}

impl Cifar10 {
    /// The data set, wherever it is found.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the only folder to look in.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_path_buf());
        self
    }

    /// Loads the data set.
    ///
    /// # Errors
    ///
    /// If its files are not found, or not all, or they are damaged.
    pub fn load(&self) -> Result<Loaded<Arrays>> {
        cifar::load(
            &INFO,
            &FILES,
            self.folder.as_deref(),
            Labels { count: 1, at: 0, classes: 10 },
        )
    }
}
