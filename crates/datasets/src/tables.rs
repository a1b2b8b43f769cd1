//! Small tables, inside the program: iris, wine, breast cancer, digits, penguins, cars, red wine's
//! quality, New York's weather; and Jena's climate from a file.
//!
//! What is inside the program is looked for nowhere else.
//!
//! ```
//! use deckle_data::Dataset;
//! use deckle_datasets::tables;
//!
//! let iris = tables::iris()?;
//! assert_eq!((iris.len(), iris.x().shape()), (150, &[150, 4][..]));
//! # Ok::<(), deckle_datasets::Error>(())
//! ```

use std::path::Path;

use deckle_data::{Arrays, ColumnType, Csv, Missing, Table};
use deckle_table_sample as sample;

use crate::{
    Info, Result,
    search::{Files, Other, Search},
};

/// The classes of [`iris`], in the order of the labels.
pub const IRIS_CLASSES: [&str; 3] = ["setosa", "versicolor", "virginica"];

/// The columns of [`iris`]'s inputs, in cm.
pub const IRIS_COLUMNS: [&str; 4] =
    ["sepal_length", "sepal_width", "petal_length", "petal_width"];

/// The classes of [`breast_cancer`], in the order of the labels.
pub const BREAST_CANCER_CLASSES: [&str; 2] = ["malignant", "benign"];

/// Columns of numbers and, last, the class: a file of scikit-learn's, whose first line counts rows
/// and columns if `has_counts`.
fn classes(
    name: &str,
    bytes: &'static [u8],
    has_counts: bool,
    inputs: &[String],
) -> Result<Arrays> {
    let names = inputs.iter().cloned().chain(["class".to_owned()]);
    let table = Csv::embedded(name, bytes)
        .has_header(false)
        .skip_rows(usize::from(has_counts))
        .names(names)
        .column("class", ColumnType::Int)
        .read()?;
    Ok(table.arrays(inputs, "class")?.description(name.trim_end_matches(".gz")))
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("c{at}")).collect()
}

/// 150 flowers: four lengths in cm, `F32` `(4,)`, and the kind, `I64`, of [`IRIS_CLASSES`].
///
/// # Errors
///
/// None, as the file is inside the program; the type is that of all loaders.
///
/// # Keras
///
/// `sklearn.datasets.load_iris`.
pub fn iris() -> Result<Arrays> {
    classes("iris.csv", sample::IRIS, true, &IRIS_COLUMNS.map(str::to_owned))
}

/// 178 wines of three growers: 13 measurements, `F32` `(13,)`, and the grower, `I64`, 0 to 2.
///
/// # Errors
///
/// As [`iris`].
///
/// # Keras
///
/// `sklearn.datasets.load_wine`.
pub fn wine() -> Result<Arrays> {
    classes("wine_data.csv", sample::WINE, true, &numbered(13))
}

/// 569 tumours: 30 measurements, `F32` `(30,)`, and the class, `I64`, of
/// [`BREAST_CANCER_CLASSES`].
///
/// # Errors
///
/// As [`iris`].
///
/// # Keras
///
/// `sklearn.datasets.load_breast_cancer`.
pub fn breast_cancer() -> Result<Arrays> {
    classes("breast_cancer.csv", sample::BREAST_CANCER, true, &numbered(30))
}

/// 1797 digits: pixels from 0 to 16, `F32` `(8, 8)`, and the digit, `I64`, 0 to 9.
///
/// # Errors
///
/// As [`iris`].
///
/// # Keras
///
/// `sklearn.datasets.load_digits`.
pub fn digits() -> Result<Arrays> {
    let flat = classes("digits.csv.gz", sample::DIGITS, false, &numbered(64))?;
    let rows = flat.x().shape()[0];
    let pixels = flat.x().reshape([rows, 8, 8])?;
    Ok(Arrays::new(pixels, flat.y()?.clone())?.description("digits.csv"))
}

/// 344 penguins: `species`, `island` and `sex` as classes, lengths in mm, mass in g, `year`.
///
/// The rows with a missing cell, 11, are left out with [`Missing::DropRow`].
///
/// # Errors
///
/// As [`iris`], or if `missing` makes no sense for a missing cell.
///
/// # Keras
///
/// `palmerpenguins.load_penguins`.
pub fn penguins(missing: Missing) -> Result<Table> {
    let mut csv = Csv::embedded("penguins.csv", sample::PENGUINS).missing(missing);
    for name in ["species", "island", "sex"] {
        csv = csv.column(name, ColumnType::Category(None));
    }
    Ok(csv.read()?)
}

/// 392 cars: `mpg`, miles a gallon, and `cyl`, `displ`, `hp`, `weight`, `accel`, `yr`, `origin`,
/// `name`.
///
/// # Errors
///
/// As [`iris`].
pub fn auto_mpg() -> Result<Table> {
    Ok(Csv::embedded("auto-mpg.csv", sample::AUTO_MPG).read()?)
}

/// 1599 red wines: eleven measurements and `quality`, 3 to 8.
///
/// # Errors
///
/// As [`iris`].
pub fn wine_quality_red() -> Result<Table> {
    Ok(Csv::embedded("winequality-red.csv.gz", sample::WINE_QUALITY_RED).read()?)
}

/// The weather of each hour of 2013 at New York's airports EWR, JFK and LGA: 26,115 rows of
/// `origin`, `year`, `month`, `day`, `hour`, `temp` and `dewp` (°F), `humid` (%), `wind_dir`,
/// `wind_speed` and `wind_gust` (mph), `precip` (inches), `pressure` (hPa), `visib` (miles).
///
/// Missing numbers are NaN.
///
/// # Errors
///
/// As [`iris`].
///
/// # References
///
/// H. Wickham, nycflights13; CC0.
pub fn nyc_weather() -> Result<Table> {
    let mut csv = Csv::embedded("nyc_weather_2013.csv.gz", sample::NYC_WEATHER)
        .missing(Missing::NaN)
        .column("origin", ColumnType::Category(None))
        .column("time_hour", ColumnType::Text);
    for name in ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip"]
    {
        csv = csv.column(name, ColumnType::Float);
    }
    Ok(csv
        .column("pressure", ColumnType::Float)
        .column("visib", ColumnType::Float)
        .read()?)
}

/// Source, licence and citation of [`jena_climate`].
pub const JENA: Info = Info {
    name: "Jena climate",
    folder: "jena_climate",
    contents: "the weather of every ten minutes at Jena, 14 columns or more",
    source: "https://www.bgc-jena.mpg.de/wetter/ (or jena_climate_2009_2016.csv of Keras)",
    downloads: &[],
    licence: "not stated",
    citation: "Max Planck Institute for Biogeochemistry, Jena",
};

const JENA_FILES: Files = Files {
    whole: &[&["jena_climate_2009_2016.csv"]],
    others: &[Other {
        folder: "jena_climate",
        names: &["jena_2024-06_2024-10_19132rows_21cols.csv.gz"],
    }],
};

/// Jena's weather: a column of dates and times, and columns of numbers, of which `T (degC)` is the
/// temperature. Missing numbers are NaN.
///
/// `jena_climate_2009_2016.csv`, or a part of 2024, is looked for in the given folder; without
/// one, where all data sets are looked for.
///
/// # Errors
///
/// If no file is found, or it is damaged.
pub fn jena_climate(folder: Option<&Path>) -> Result<Table> {
    let found = Search::new(folder).require(&JENA, &JENA_FILES)?;
    Ok(Csv::open(&found.paths[0]).missing(Missing::NaN).read()?)
}

#[cfg(test)]
mod tests {
    use deckle_data::{Column, Dataset, check_dataset};

    use super::*;
    use crate::scratch::real_data;

    #[test]
    fn tables_of_classes_have_their_rows_and_classes() {
        for (data, rows, width, counts) in [
            (iris(), 150, &[4][..], &[50, 50, 50][..]),
            (wine(), 178, &[13], &[59, 71, 48]),
            (breast_cancer(), 569, &[30], &[212, 357]),
            (
                digits(),
                1797,
                &[8, 8],
                &[178, 182, 177, 183, 181, 182, 181, 179, 174, 180],
            ),
        ] {
            let data = data.unwrap();
            check_dataset(&data).unwrap();
            assert_eq!((data.len(), &data.x().shape()[1..]), (rows, width));
            let labels = data.y().unwrap().to_vec::<i64>().unwrap();
            for (class, &count) in counts.iter().enumerate() {
                let of_class = labels.iter().filter(|&&label| label == class as i64);
                assert_eq!(of_class.count(), count, "{class}");
            }
        }
    }

    #[test]
    fn other_tables_have_their_rows() {
        assert_eq!(penguins(Missing::DropRow).unwrap().len(), 333);
        assert!(penguins(Missing::Error).is_err());
        let cars = auto_mpg().unwrap();
        assert_eq!(cars.len(), 392);
        assert_eq!(cars.matrix(["cyl", "hp"]).unwrap().shape(), [392, 2]);
        assert_eq!(wine_quality_red().unwrap().len(), 1599);
        let weather = nyc_weather().unwrap();
        assert_eq!(weather.len(), 26_115);
        let Column::Category { classes, .. } = weather.column("origin").unwrap() else {
            panic!("no classes")
        };
        assert_eq!(classes[..], ["EWR", "JFK", "LGA"]);
        let temperature = weather.floats("temp").unwrap();
        assert!((temperature[0] - 39.02).abs() < 1e-4);
        assert!(temperature.iter().any(|value| value.is_nan()));
    }

    #[test]
    fn the_program_holds_the_files_for_embedding() {
        let folders = (real_data("embeddable/tabular"), real_data("embeddable/weather"));
        let (Some(tables), Some(weather)) = folders else { return };
        for (file, embedded) in [
            (tables.join("iris.csv"), sample::IRIS),
            (tables.join("wine_data.csv"), sample::WINE),
            (tables.join("breast_cancer.csv"), sample::BREAST_CANCER),
            (tables.join("digits.csv.gz"), sample::DIGITS),
            (tables.join("penguins.csv"), sample::PENGUINS),
            (tables.join("auto-mpg.csv"), sample::AUTO_MPG),
            (tables.join("winequality-red.csv.gz"), sample::WINE_QUALITY_RED),
            (weather.join("nyc_weather_2013.csv.gz"), sample::NYC_WEATHER),
        ] {
            assert!(std::fs::read(&file).unwrap() == embedded, "{}", file.display());
        }
    }

    #[test]
    fn jenas_climate_is_read() {
        if let Some(folder) = real_data("jena_climate") {
            let table = jena_climate(Some(&folder)).unwrap();
            assert!(table.len() >= 19_000);
            let temperature = table.floats("T (degC)").unwrap();
            assert!((temperature[0] - 18.76).abs() < 1e-4);
        }
        let error =
            jena_climate(Some(Path::new("no/such/folder"))).unwrap_err().to_string();
        assert!(error.contains("jena_climate_2009_2016.csv"), "{error}");
    }
}
