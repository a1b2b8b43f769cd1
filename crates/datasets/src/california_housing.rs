//! California housing: 20,640 districts of 1990, 8 numbers each, and the median price of a house.
//!
//! ```no_run
//! use deckle_datasets::california_housing;
//!
//! let (train, test) = california_housing::load()?;
//! assert_eq!(train.x().shape(), [16_512, 8]);
//! # let _ = test;
//! # Ok::<(), deckle_datasets::Error>(())
//! ```

use deckle_data::Arrays;

use crate::{
    Info, Loaded, Remote, Result,
    housing::{Housing, housing_setters},
    lookup::Lookup,
    remote::keras_url,
    search::Files,
};

/// Source, licence and citation.
pub const INFO: Info = Info {
    name: "California housing",
    folder: "california_housing",
    contents: "20,640 districts of California, 8 numbers each, and the median price in $",
    source: "california_housing.npz of Keras, \
             https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    downloads: &[Remote::new(
        "california_housing.npz",
        "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f",
        "Keras 3.15.1, keras/src/datasets/california_housing.py",
        &[keras_url!("california_housing.npz")],
    )],
    licence: "public",
    citation: "R. K. Pace and R. Barry, Sparse spatial autoregressions, Statistics and \
               Probability Letters 33, 1997",
};

pub(crate) const FILES: Files = Files::whole(&[&["california_housing.npz"]]);

/// The names of the 8 numbers.
pub const COLUMNS: [&str; 8] = [
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
];

/// Loads California housing with Keras's defaults: 16,512 rows to train on, 4128 to test on.
///
/// # Errors
///
/// As for [`CaliforniaHousing::load`].
pub fn load() -> Result<(Arrays, Arrays)> {
    CaliforniaHousing::new().load().map(Loaded::into_parts)
}

/// Loads California housing: `F32` `(rows, 8)` and prices in $, `F32` `(rows,)`.
///
/// `california_housing.npz` is looked for as [`BostonHousing`] looks for its file, in the
/// subfolder `california_housing`. If it is nowhere, it is downloaded into the user's cache, once,
/// and checked.
///
/// # Examples
///
/// ```no_run
/// use deckle_data::Dataset;
/// use deckle_datasets::california_housing::CaliforniaHousing;
///
/// let small = CaliforniaHousing::new().small().load()?;
/// assert_eq!(small.train.len(), 480);
/// # Ok::<(), deckle_datasets::Error>(())
/// ```
///
/// # Keras
///
/// `keras.datasets.california_housing.load_data`: same defaults, shuffle and split.
///
/// # References
///
/// [`INFO`] has source, licence and citation.
///
/// [`BostonHousing`]: crate::boston_housing::BostonHousing
#[derive(Clone, Debug, PartialEq)]
pub struct CaliforniaHousing(Housing);

impl Default for CaliforniaHousing {
    fn default() -> Self {
        Self::new()
    }
}

impl CaliforniaHousing {
    /// The data set, wherever it is found.
    #[must_use]
    pub const fn new() -> Self {
        Self(Housing {
            info: &INFO,
            files: FILES,
            columns: COLUMNS.len(),
            lookup: Lookup::new(),
            test_split: 0.2,
            seed: 113,
            rows: usize::MAX,
        })
    }

    /// Takes the first 600 rows only: Keras's `version="small"`.
    #[must_use]
    pub const fn small(mut self) -> Self {
        self.0.rows = 600;
        self
    }

    housing_setters!();
}
