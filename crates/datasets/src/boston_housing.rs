//! Boston housing: 506 suburbs of 1978, 13 numbers each, and the median price of a house.
//!
//! ```no_run
//! use deckle_datasets::boston_housing;
//!
//! let (train, test) = boston_housing::load()?;
//! assert_eq!(train.x().shape(), [404, 13]);
//! # let _ = test;
//! # Ok::<(), deckle_datasets::Error>(())
//! ```
//!
//! One of the numbers, `B`, is a function of the share of Black people in a suburb; the data set
//! is kept for comparison with textbooks, not as a model of prices. [`california_housing`] is the
//! successor that Keras recommends.
//!
//! [`california_housing`]: crate::california_housing

use deckle_data::Arrays;

use crate::{
    Info, Loaded, Remote, Result,
    housing::{Housing, housing_setters},
    lookup::Lookup,
    remote::keras_url,
    search::{Files, Other},
};

/// Source, licence and citation.
pub const INFO: Info = Info {
    name: "Boston housing",
    folder: "boston_housing",
    contents: "506 suburbs of Boston, 13 numbers each, and the median price in $1000",
    source: "boston_housing.npz of Keras, \
             https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    downloads: &[Remote::new(
        "boston_housing.npz",
        "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
        "Keras 3.15.1, keras/src/datasets/boston_housing.py",
        &[keras_url!("boston_housing.npz")],
    )],
    licence: "PDDL",
    citation: "D. Harrison and D. L. Rubinfeld, Hedonic housing prices and the demand for clean \
               air, Journal of Environmental Economics and Management 5, 1978",
};

/// The names of the 13 numbers.
pub const COLUMNS: [&str; 13] = [
    "CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO",
    "B", "LSTAT",
];

/// Keras's file, or a table with the same rows in the same order.
pub(crate) const FILES: Files = Files {
    whole: &[&["boston_housing.npz"]],
    others: &[Other { folder: "tabular", names: &["boston_house_prices.csv"] }],
};

/// Loads Boston housing with Keras's defaults: 404 rows to train on, 102 to test on.
///
/// # Errors
///
/// As for [`BostonHousing::load`].
pub fn load() -> Result<(Arrays, Arrays)> {
    BostonHousing::new().load().map(Loaded::into_parts)
}

/// Loads Boston housing: `F32` `(rows, 13)` and prices in $1000, `F32` `(rows,)`.
///
/// `boston_housing.npz` is looked for in the given folder; without one, in the subfolder
/// `boston_housing` of the folder that the environment variable `DECKLE_DATA_DIR` names, in that
/// folder itself, in the subfolder `deckle/boston_housing` of the user's cache, and where Keras
/// keeps what it downloads. In its place there may be `boston_house_prices.csv`, the same as a
/// table, also in `embeddable/tabular`. If neither is anywhere, the first is downloaded into the
/// cache, once, and checked.
///
/// # Examples
///
/// ```no_run
/// use deckle_data::Dataset;
/// use deckle_datasets::boston_housing::BostonHousing;
///
/// let boston = BostonHousing::new().test_split(0.0).load()?;
/// assert_eq!(boston.train.len(), 506);
/// # Ok::<(), deckle_datasets::Error>(())
/// ```
///
/// # Keras
///
/// `keras.datasets.boston_housing.load_data`: same defaults, shuffle and split, as `F32` instead
/// of `float64`.
///
/// # References
///
/// [`INFO`] has source, licence and citation.
#[derive(Clone, Debug, PartialEq)]
pub struct BostonHousing(Housing);

impl Default for BostonHousing {
    fn default() -> Self {
        Self::new()
    }
}

impl BostonHousing {
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

    housing_setters!();
}
