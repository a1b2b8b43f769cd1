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

use deckle_data::{Arrays, Batch, Dataset, image_dataset_from_directory};
use deckle_tensor::Tensor;

use crate::{
    Info, Loaded, Place, Remote, Result, Source,
    cifar::{self, Labels},
    lookup::{Lookup, lookup_setters},
    search::{Files, Found, Other, Which},
};

/// Source, licence and citation.
pub const INFO: Info = Info {
    name: "CIFAR-10",
    folder: "cifar10",
    contents: "50,000 photographs to train on and 10,000 to test on, 32 × 32 pixels, 10 classes",
    source: "https://www.cs.toronto.edu/~kriz/cifar.html (binary version)",
    downloads: &[Remote::new(
        "cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        "TensorFlow Datasets, url_checksums/cifar10.txt of its commit 333639b3",
        &["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
    )],
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

/// The files of the binary version, in the folder that its archive holds, or without it; or the
/// archive.
///
/// Besides, an archive of a part of the photographs as JPEG files.
pub(crate) const FILES: Files = Files {
    whole: &[
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
        &["cifar-10-binary.tar.gz"],
    ],
    others: &[Other { folder: "cifar10", names: &[JPEG] }],
};

const JPEG: &str = "cifar10_jpeg_10k.zip";

/// Loads CIFAR-10 from where it is found: `DECKLE_DATA_DIR`, the cache or the network.
///
/// # Errors
///
/// As for [`Cifar10::load`].
pub fn load() -> Result<(Arrays, Arrays)> {
    Cifar10::new().load().map(Loaded::into_told_parts)
}

/// Loads CIFAR-10: images `U8` `(n, 32, 32, 3)` and labels `U8` `(n,)`.
///
/// The files are those of the binary version, unpacked: `data_batch_1.bin` to
/// `data_batch_5.bin` and `test_batch.bin`, or the folder `cifar-10-batches-bin` that has them; or
/// `cifar-10-binary.tar.gz` as it is, which is downloaded (170 MB) if there is nothing else.
/// They are looked for in the given folder; without one, in the subfolder `cifar10` of the
/// folder that the environment variable `DECKLE_DATA_DIR` names, in that folder itself, and in
/// the subfolder `deckle/cifar10` of the user's cache.
///
/// In their place there may be a part of the data set as JPEG files, 8000 photographs to train on
/// and 2000 to test on: `cifar10_jpeg_10k.zip`. JPEG changes photographs a little, and so may
/// what is learnt from them. [`Loaded::source`] says how many were read.
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
    lookup: Lookup,
}

impl Cifar10 {
    /// The data set, wherever it is found.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    lookup_setters!(lookup);

    /// Loads the data set.
    ///
    /// # Errors
    ///
    /// If its files are not found and cannot be downloaded, or not all are there, or they are
    /// damaged.
    pub fn load(&self) -> Result<Loaded<Arrays>> {
        let search = self.lookup.search();
        let found = search.require(&INFO, &FILES)?;
        match found.which {
            Which::Other(_) => load_jpeg(found),
            Which::Whole => {
                let labels = Labels { count: 1, at: 0, classes: 10 };
                cifar::load(&INFO, found, FILES.whole[0], labels)
            }
        }
    }
}

/// The photographs of an archive of JPEG files: folders `train` and `test`, and in each one for
/// each class.
fn load_jpeg(found: Found) -> Result<Loaded<Arrays>> {
    let part = |name: &str, description: &str| -> Result<Arrays> {
        let images = image_dataset_from_directory(found.paths[0].join(name))
            .class_names(CLASS_NAMES)
            .image_size(32, 32)
            .load()?;
        let mut pixels = Vec::new();
        let mut batch = Batch::new();
        let all: Vec<_> = (0..images.len()).collect();
        for indices in all.chunks(100) {
            images.read_batch(indices, &mut batch)?;
            // Whole numbers, as none gets another size.
            pixels.extend(
                batch.inputs[0].to_vec::<f32>()?.iter().map(|&value| value as u8),
            );
        }
        let labels: Vec<u8> = images.labels().map(|label| label as u8).collect();
        let x = Tensor::new(pixels, [images.len(), 32, 32, 3])?;
        let y = Tensor::new(labels, [images.len()])?;
        Ok(Arrays::new(x, y)?.description(description))
    };
    let train =
        part("train", "CIFAR-10, a part of the photographs to train on, as JPEG")?;
    let test = part("test", "CIFAR-10, a part of the photographs to test on, as JPEG")?;
    let part = "a part of the photographs, as JPEG";
    let place = Place::Part { part, folder: found.folder };
    let source = Source { info: &INFO, place, train: train.len(), test: test.len() };
    Ok(Loaded { train, test, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::real_data;

    #[test]
    fn real_jpeg_files_are_read() {
        if let Some(folder) = real_data("cifar10") {
            let loaded = Cifar10::new().folder(folder).load().unwrap();
            if !loaded.train.to_string().contains("JPEG") {
                return;
            }
            assert_eq!((loaded.source.train, loaded.source.test), (8000, 2000));
            assert!(!loaded.source.is_whole());
            let text = loaded.source.to_string();
            let expected = "CIFAR-10: a part of the photographs, as JPEG, 8,000 examples to train \
                            on, 2,000 to test on, from ";
            assert!(text.starts_with(expected), "{text}");
            assert_eq!(loaded.train.x().shape(), [8000, 32, 32, 3]);
            let labels = loaded.train.y().unwrap().to_vec::<u8>().unwrap();
            for class in 0..10 {
                assert_eq!(labels.iter().filter(|&&label| label == class).count(), 800);
            }
        }
    }
}
