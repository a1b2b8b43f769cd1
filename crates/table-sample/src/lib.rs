//! Small tables for the first run without a download: files of comma-separated values.
//!
//! The file `LICENSE` beside this package's manifest has their authors and terms; the data is in a
//! package of its own so that its terms stay with it. `deckle_datasets::tables` reads them.
#![forbid(unsafe_code)]

/// Consumption of 392 cars.
///
/// # Examples
///
/// ```
/// assert_eq!(deckle_table_sample::AUTO_MPG.len(), 17444);
/// ```
pub const AUTO_MPG: &[u8] = include_bytes!("../data/auto-mpg.csv");

/// 569 tumours.
///
/// # Examples
///
/// ```
/// assert_eq!(deckle_table_sample::BREAST_CANCER.len(), 119913);
/// ```
pub const BREAST_CANCER: &[u8] = include_bytes!("../data/breast_cancer.csv");

/// 1797 digits of 8 × 8 pixels.
///
/// # Examples
///
/// ```
/// assert_eq!(deckle_table_sample::DIGITS.len(), 57523);
/// ```
pub const DIGITS: &[u8] = include_bytes!("../data/digits.csv.gz");

/// 150 flowers.
///
/// # Examples
///
/// ```
/// assert_eq!(deckle_table_sample::IRIS.len(), 2734);
/// ```
pub const IRIS: &[u8] = include_bytes!("../data/iris.csv");

/// 344 penguins.
///
/// # Examples
///
/// ```
/// assert_eq!(deckle_table_sample::PENGUINS.len(), 15241);
/// ```
pub const PENGUINS: &[u8] = include_bytes!("../data/penguins.csv");

/// 178 wines.
///
/// # Examples
///
/// ```
/// assert_eq!(deckle_table_sample::WINE.len(), 11157);
/// ```
pub const WINE: &[u8] = include_bytes!("../data/wine_data.csv");

/// 1599 red wines, judged.
///
/// # Examples
///
/// ```
/// assert_eq!(deckle_table_sample::WINE_QUALITY_RED.len(), 23453);
/// ```
pub const WINE_QUALITY_RED: &[u8] = include_bytes!("../data/winequality-red.csv.gz");

/// The weather of each hour of 2013 at three airports.
///
/// # Examples
///
/// ```
/// assert_eq!(deckle_table_sample::NYC_WEATHER.len(), 471447);
/// ```
pub const NYC_WEATHER: &[u8] = include_bytes!("../data/nyc_weather_2013.csv.gz");
