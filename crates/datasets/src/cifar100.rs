//! CIFAR-100: 60,000 photographs of 32 × 32 pixels, of 100 classes in 20 groups.
//!
//! ```no_run
//! use deckle_datasets::cifar100;
//!
//! let (train, test) = cifar100::load()?;
//! assert_eq!(train.x().shape(), [50_000, 32, 32, 3]);
//! # let _ = test;
//! # Ok::<(), deckle_datasets::Error>(())
//! ```

use deckle_data::Arrays;

use crate::{
    Info, Loaded, Remote, Result,
    cifar::{self, Labels},
    lookup::{Lookup, lookup_setters},
    search::Files,
};

/// Source, licence and citation.
pub const INFO: Info = Info {
    name: "CIFAR-100",
    folder: "cifar100",
    contents: "50,000 photographs to train on and 10,000 to test on, 32 × 32 pixels, 100 classes",
    source: "https://www.cs.toronto.edu/~kriz/cifar.html (binary version)",
    downloads: &[Remote::new(
        "cifar-100-binary.tar.gz",
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        "TensorFlow Datasets, url_checksums/cifar100.txt of its commit 333639b3",
        &["https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"],
    )],
    licence: "not stated",
    citation: "A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
};

/// The files of the binary version, in the folder that its archive holds, or without it; or the
/// archive.
pub(crate) const FILES: Files = Files::whole(&[
    &["train.bin", "test.bin"],
    &["cifar-100-binary/train.bin", "cifar-100-binary/test.bin"],
    &["cifar-100-binary.tar.gz"],
]);

/// Which labels of CIFAR-100 are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelMode {
    /// The 100 classes.
    #[default]
    Fine,
    /// The 20 groups.
    Coarse,
}

/// Loads CIFAR-100 with its 100 classes from where it is found.
///
/// # Errors
///
/// As for [`Cifar100::load`].
pub fn load() -> Result<(Arrays, Arrays)> {
    Cifar100::new().load().map(Loaded::into_parts)
}

/// Loads CIFAR-100: images `U8` `(n, 32, 32, 3)` and labels `U8` `(n,)`.
///
/// The files are those of the binary version, unpacked: `train.bin` and `test.bin`, or the
/// folder `cifar-100-binary` that has them; or `cifar-100-binary.tar.gz` as it is, which is
/// downloaded (169 MB) if there is nothing else. They are looked for as [`Cifar10`] looks for its
/// files, in the subfolder `cifar100`.
///
/// # Examples
///
/// ```
/// use deckle_datasets::cifar100::{Cifar100, LabelMode};
///
/// let cifar = Cifar100::new().label_mode(LabelMode::Coarse).folder("no/such/folder");
/// assert!(cifar.load().unwrap_err().to_string().contains("train.bin"));
/// ```
///
/// # Keras
///
/// `keras.datasets.cifar100.load_data(label_mode="fine")`, where labels are `(n, 1)`.
///
/// # References
///
/// [`INFO`] has source, licence and citation.
///
/// [`Cifar10`]: crate::cifar10::Cifar10
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cifar100 {
    lookup: Lookup,
    label_mode: LabelMode,
}

impl Cifar100 {
    /// The data set, wherever it is found.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    lookup_setters!(lookup);

    /// Sets which labels are loaded; [`LabelMode::Fine`] by default.
    #[must_use]
    pub const fn label_mode(mut self, label_mode: LabelMode) -> Self {
        self.label_mode = label_mode;
        self
    }

    /// Loads the data set.
    ///
    /// # Errors
    ///
    /// If its files are not found and cannot be downloaded, or not all are there, or they are
    /// damaged.
    pub fn load(&self) -> Result<Loaded<Arrays>> {
        let (at, classes) = match self.label_mode {
            LabelMode::Coarse => (0, 20),
            LabelMode::Fine => (1, 100),
        };
        let search = self.lookup.search();
        let found = search.require(&INFO, &FILES)?;
        cifar::load(&INFO, found, FILES.whole[0], Labels { count: 2, at, classes })
    }
}
