//! Fashion-MNIST: 70,000 articles of clothing of 28 × 28 pixels.
//!
//! ```no_run
//! use deckle_datasets::fashion_mnist::{self, CLASS_NAMES};
//!
//! let (train, test) = fashion_mnist::load()?;
//! assert_eq!(train.x().shape()[1..], [28, 28]);
//! assert_eq!(CLASS_NAMES[9], "ankle boot");
//! # let _ = test;
//! # Ok::<(), deckle_datasets::Error>(())
//! ```

use deckle_data::{Arrays, Dataset};

use crate::{
    Info, Loaded, Place, Remote, Result, Source,
    labeled_images::{self, Namesake},
    lookup::{Lookup, lookup_setters},
    remote::keras_url,
    search::{Files, Other, Search, Which},
};

/// Who publishes the files' sums, too.
const SUMS: &str = "Keras, keras/src/datasets/fashion_mnist.py of its commit 75565fb8";

/// Source, licence and citation.
pub const INFO: Info = Info {
    name: "Fashion-MNIST",
    folder: "fashion_mnist",
    contents: "60,000 articles of clothing to train on and 10,000 to test on, 28 × 28 pixels",
    source: "https://github.com/zalandoresearch/fashion-mnist (four IDX files)",
    downloads: &[
        Remote::new(
            "train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            SUMS,
            &[
                keras_url!("train-images-idx3-ubyte.gz"),
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
            ],
        ),
        Remote::new(
            "train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            SUMS,
            &[
                keras_url!("train-labels-idx1-ubyte.gz"),
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
            ],
        ),
        Remote::new(
            "t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            SUMS,
            &[
                keras_url!("t10k-images-idx3-ubyte.gz"),
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz",
            ],
        ),
        Remote::new(
            "t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            SUMS,
            &[
                keras_url!("t10k-labels-idx1-ubyte.gz"),
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
            ],
        ),
    ],
    licence: "MIT",
    citation: "H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a novel image dataset for \
               benchmarking machine learning algorithms, arXiv:1708.07747, 2017",
};

/// The classes' names, in the order of the labels.
pub const CLASS_NAMES: [&str; 10] = [
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

/// The files that hold the data set: images and labels to train on, then to test on; and those of
/// a part of it.
pub(crate) const FILES: Files = Files {
    whole: &[&[
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ]],
    others: &[Other {
        folder: "fashion",
        names: &[
            "train10k-images.idx.gz",
            "train10k-labels.idx.gz",
            "test2k-images.idx.gz",
            "test2k-labels.idx.gz",
        ],
    }],
};

/// MNIST, whose files have the same names.
const MNIST: Namesake =
    Namesake { name: "MNIST", labels: [5, 0, 4, 1, 9, 2, 1, 3, 1, 4] };

/// Loads Fashion-MNIST from where it is found: `DECKLE_DATA_DIR`, the cache or the network.
///
/// # Errors
///
/// As for [`FashionMnist::load`].
pub fn load() -> Result<(Arrays, Arrays)> {
    FashionMnist::new().load().map(Loaded::into_told_parts)
}

/// Loads Fashion-MNIST: images `U8` `(n, 28, 28)` and labels `U8` `(n,)`.
///
/// The files are the four IDX files of the data set, with or without `.gz`, looked for in the
/// given folder; without one, in the subfolder `fashion_mnist` of the folder that the
/// environment variable `DECKLE_DATA_DIR` names, in that folder itself, and in the subfolder
/// `deckle/fashion_mnist` of the user's cache, and where Keras keeps what it downloads. They have
/// MNIST's names, but MNIST is not taken for it.
///
/// If they are in none of these, they are downloaded into the cache (30.9 MB, once) and checked.
///
/// Instead of them, there may be a part of the data set, 10,000 images to train on and 2000 of
/// the test set (`train10k-images.idx.gz`, ...), there or in `embeddable/fashion` of that folder;
/// [`Loaded::source`] says so, and how many were read. Then nothing is downloaded.
///
/// # Examples
///
/// ```
/// use deckle_datasets::fashion_mnist::FashionMnist;
///
/// let error = FashionMnist::new().folder("no/such/folder").load().unwrap_err();
/// assert!(error.to_string().contains("train-images-idx3-ubyte.gz"));
/// ```
///
/// # Keras
///
/// `keras.datasets.fashion_mnist.load_data()`.
///
/// # References
///
/// [`INFO`] has source, licence and citation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FashionMnist {
    lookup: Lookup,
}

impl FashionMnist {
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
    /// damaged or do not belong together.
    pub fn load(&self) -> Result<Loaded<Arrays>> {
        load_from(&self.lookup.search())
    }
}

fn load_from(search: &Search) -> Result<Loaded<Arrays>> {
    let found = search.require(&INFO, &FILES)?;
    let (train, test) = labeled_images::read(&found, &MNIST)?;
    let folder = found.folder;
    let (part, place) = match found.which {
        Which::Whole => ("images", Place::Folder(folder)),
        Which::Other(_) => {
            let part = "a part of the images";
            (part, Place::Part { part, folder })
        }
    };
    let source = Source { info: &INFO, place, train: train.len(), test: test.len() };
    Ok(Loaded {
        train: train.description(format!("Fashion-MNIST, {part} to train on")),
        test: test.description(format!("Fashion-MNIST, {part} to test on")),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scratch::{Scratch, idx_file, real_data};

    #[test]
    fn a_part_is_called_a_part() {
        let scratch = Scratch::new();
        for (name, shape) in
            FILES.others[0].names.iter().zip([&[4, 28, 28][..], &[4], &[2, 28, 28], &[2]])
        {
            scratch.write(name.trim_end_matches(".gz"), &idx_file(shape));
        }
        let loaded = FashionMnist::new().folder(scratch.path()).load().unwrap();
        assert_eq!((loaded.source.train, loaded.source.test), (4, 2));
        assert_eq!(
            loaded.train.to_string(),
            "Fashion-MNIST, a part of the images to train on: 4 examples of `x0`: uint8 (28, 28), \
             `y0`: uint8 ()"
        );
        assert!(!loaded.source.is_whole());
        assert_eq!(
            loaded.source.to_string(),
            format!(
                "Fashion-MNIST: a part of the images, 4 examples to train on, 2 to test on, from \
                 {}",
                scratch.path().display()
            )
        );
        // Some files of the whole are an error, whatever else is there.
        scratch.write("train-images-idx3-ubyte", &idx_file(&[1, 28, 28]));
        let error = FashionMnist::new().folder(scratch.path()).load().unwrap_err();
        let missing = "train-labels-idx1-ubyte.gz: is missing beside ";
        assert!(error.to_string().contains(missing), "{error}");
    }

    #[test]
    fn mnist_is_not_taken_for_it() {
        let scratch = Scratch::new();
        scratch.write("t10k-images-idx3-ubyte", &idx_file(&[1, 28, 28]));
        scratch.write("t10k-labels-idx1-ubyte", &idx_file(&[1]));
        let labels = |labels: [u8; 10]| {
            let head = [0, 0, 8, 1, 0, 0, 0, 10];
            scratch.write("train-images-idx3-ubyte", &idx_file(&[10, 28, 28]));
            scratch.write("train-labels-idx1-ubyte", &[&head[..], &labels].concat())
        };
        let path = labels(MNIST.labels);
        let load = || FashionMnist::new().folder(scratch.path()).load();
        let expected = |name: &str| {
            format!(
                "{}: holds the labels of {name}, whose files have the same names: keep them in \
                 folders of their own",
                path.display()
            )
        };
        let digits = || crate::mnist::Mnist::new().folder(scratch.path()).load();
        assert_eq!(load().unwrap_err().to_string(), expected("MNIST"));
        assert!(digits().is_ok());
        // The first ten of Fashion-MNIST.
        labels([9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
        assert!(load().is_ok());
        assert_eq!(digits().unwrap_err().to_string(), expected("Fashion-MNIST"));

        if let Some(folder) = real_data("mnist") {
            assert!(FashionMnist::new().folder(folder).load().is_err());
        }
    }

    #[test]
    fn real_files_are_read() {
        if let Some(folder) = real_data("embeddable/fashion") {
            let loaded = FashionMnist::new().folder(&folder).load().unwrap();
            // Found from above, too.
            let data_dir = folder.ancestors().nth(2).map(Path::to_path_buf);
            let search = Search { data_dir, ..Search::default() };
            let from_above = load_from(&search).unwrap();
            if !from_above.source.is_whole() {
                assert_eq!(from_above.source, loaded.source);
            }
            assert_eq!((loaded.train.len(), loaded.test.len()), (10_000, 2000));
            let labels = loaded.train.y().unwrap().to_vec::<u8>().unwrap();
            for class in 0..10 {
                assert_eq!(labels.iter().filter(|&&label| label == class).count(), 1000);
            }
        }
    }
}
