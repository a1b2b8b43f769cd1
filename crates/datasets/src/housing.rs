//! Tables of numbers with a price for each row, shuffled and split as Keras does.

use std::path::Path;

use deckle_data::{Arrays, Csv, Dataset};
use deckle_tensor::{DType, Tensor, shape_text};

use crate::{
    Error, Info, Loaded, Place, Result, Source,
    lookup::Lookup,
    mersenne_twister::MersenneTwister,
    npz::Archive,
    search::{Files, Search, Which},
};

/// What the loaders of both housing data sets are told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Housing {
    pub(crate) info: &'static Info,
    pub(crate) files: Files,
    pub(crate) columns: usize,
    pub(crate) lookup: Lookup,
    pub(crate) test_split: f64,
    pub(crate) seed: u32,
    /// How many of the first rows are used.
    pub(crate) rows: usize,
}

impl Housing {
    pub(crate) fn load(&self) -> Result<Loaded<Arrays>> {
        self.load_from(&self.lookup.search())
    }

    fn load_from(&self, search: &Search) -> Result<Loaded<Arrays>> {
        if !(0.0..1.0).contains(&self.test_split) {
            return Err(deckle_data::Error::invalid("test_split", "0 <= test_split < 1")
                .got(self.test_split)
                .into());
        }
        let found = search.require(self.info, &self.files)?;
        let (path, columns) = (&found.paths[0], self.columns);
        let (x, y) = match found.which {
            Which::Whole => {
                let archive = Archive::open(path)?;
                (archive.floats("x")?, archive.floats("y")?)
            }
            Which::Other(_) => from_table(path)?,
        };
        match (x.shape(), y.shape()) {
            (&[rows, width], &[prices])
                if rows == prices && width == columns && rows > 0 => {}
            (x, y) => {
                return Err(Error::file(
                    path.display(),
                    format_args!(
                        "holds arrays of shapes {} and {}, expected (rows, {columns}) and (rows,)",
                        shape_text(x),
                        shape_text(y)
                    ),
                ));
            }
        }
        let all = Arrays::new(x, y)?.take(self.rows);
        let all = all.subset(&MersenneTwister::new(self.seed).permutation(all.len()))?;
        // As Python's `int(len * (1 - test_split))`.
        let at = (all.len() as f64 * (1.0 - self.test_split)) as usize;
        let name = self.info.name;
        let (train, test) = (all.take(at), all.skip(at));
        let place = Place::Folder(found.folder);
        let source =
            Source { info: self.info, place, train: train.len(), test: test.len() };
        Ok(Loaded {
            train: train.description(format!("{name}, rows to train on")),
            test: test.description(format!("{name}, rows to test on")),
            source,
        })
    }
}

/// The columns of a table in a file, of which the last is the price.
fn from_table(path: &Path) -> Result<(Tensor, Tensor)> {
    let table = Csv::open(path).read()?;
    let Some((price, inputs)) = table.names().split_last() else {
        return Err(Error::file(path.display(), "has no column"));
    };
    Ok((table.matrix(inputs)?, table.tensor(price)?.cast(DType::F32)))
}

/// The setters that both loaders have.
macro_rules! housing_setters {
    () => {
        crate::lookup::lookup_setters!(0.lookup);

        /// Sets the fraction to test on; 0.2 by default.
        #[must_use]
        pub const fn test_split(mut self, fraction: f64) -> Self {
            self.0.test_split = fraction;
            self
        }

        /// Sets the seed of the shuffle before the split; 113 by default, as in Keras.
        #[must_use]
        pub const fn seed(mut self, seed: u32) -> Self {
            self.0.seed = seed;
            self
        }

        /// Loads the data set.
        ///
        /// # Errors
        ///
        /// If its file is not found and cannot be downloaded, is damaged or holds other shapes, or
        /// `test_split` is not a fraction below 1.
        pub fn load(&self) -> crate::Result<crate::Loaded<deckle_data::Arrays>> {
            self.0.load()
        }
    };
}

pub(crate) use housing_setters;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        boston_housing::BostonHousing,
        california_housing::CaliforniaHousing,
        scratch::{Scratch, npz, real_data},
    };

    fn file(x: &Tensor, y: &Tensor) -> Vec<u8> {
        npz(&[("x", x.to_npy().unwrap()), ("y", y.to_npy().unwrap())])
    }

    #[test]
    fn rows_are_shuffled_as_numpy_does() {
        let scratch = Scratch::new();
        let x = Tensor::arange(0.0f64..130.0).reshape([10, 13]).unwrap();
        scratch.write("boston_housing.npz", &file(&x, &Tensor::arange(0.0f64..10.0)));
        let boston = BostonHousing::new().folder(scratch.path());
        let loaded = boston.clone().load().unwrap();
        let mut prices = loaded.train.y().unwrap().to_vec::<f32>().unwrap();
        prices.extend(loaded.test.y().unwrap().to_vec::<f32>().unwrap());
        // numpy.random.RandomState(113).shuffle(numpy.arange(10.0))
        assert_eq!(prices, SHUFFLED);
        assert_eq!(
            loaded.train.x().slice((0, 0..1)).unwrap().to_vec::<f32>().unwrap(),
            [13.0 * SHUFFLED[0]]
        );
        assert_eq!((loaded.train.len(), loaded.test.len()), (8, 2));
        assert_eq!(boston.clone().test_split(0.0).load().unwrap().test.len(), 0);
        assert!(boston.clone().test_split(1.0).load().is_err());
        assert!(boston.test_split(f64::NAN).load().is_err());
    }

    const SHUFFLED: [f32; 10] = [9.0, 3.0, 6.0, 1.0, 0.0, 7.0, 4.0, 8.0, 2.0, 5.0];

    #[test]
    fn other_shapes_are_errors() {
        let scratch = Scratch::new();
        let check = |x: &[usize], y: &[usize], expected: &str| {
            let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
            scratch.write("california_housing.npz", &file(&zeros(x), &zeros(y)));
            let error =
                CaliforniaHousing::new().folder(scratch.path()).load().unwrap_err();
            let text = error.to_string();
            assert!(text.ends_with(expected), "{text}");
        };
        let expected =
            "holds arrays of shapes (3, 9) and (3,), expected (rows, 8) and (rows,)";
        check(&[3, 9], &[3], expected);
        check(&[3, 8], &[2], "(3, 8) and (2,), expected (rows, 8) and (rows,)");
        check(&[0, 8], &[0], "(0, 8) and (0,), expected (rows, 8) and (rows,)");
        let integers = Tensor::zeros(DType::I64, [3, 8]);
        scratch.write("california_housing.npz", &file(&integers, &integers));
        let error = CaliforniaHousing::new().folder(scratch.path()).load().unwrap_err();
        assert!(
            error.to_string().ends_with("holds int64, expected floating-point numbers")
        );
    }

    #[test]
    fn a_table_has_the_rows_too() {
        let scratch = Scratch::new();
        let row = "0.5,18,2,0,1,6,65,4,1,296,15,396,5,";
        let text = format!("a,b,c,d,e,f,g,h,i,j,k,l,m,price\n{row}24.5\n{row}21\n");
        scratch.write("boston_house_prices.csv", text.as_bytes());
        let boston = BostonHousing::new().folder(scratch.path()).test_split(0.0);
        let loaded = boston.load().unwrap();
        assert_eq!(loaded.train.x().shape(), [2, 13]);
        assert_eq!(loaded.train.y().unwrap().to_vec::<f32>().unwrap(), [24.5, 21.0]);
        assert!(loaded.source.is_whole());
        scratch.write("boston_house_prices.csv", b"a,price\n1,2\n");
        let error = boston.load().unwrap_err().to_string();
        let expected = "boston_house_prices.csv: holds arrays of shapes (1, 1) and (1,), expected \
                        (rows, 13) and (rows,)";
        assert!(error.ends_with(expected), "{error}");
        scratch.write("boston_house_prices.csv", format!("{text}x,1").as_bytes());
        assert!(boston.load().is_err());
    }

    #[test]
    fn both_forms_are_the_same() {
        let folders = (real_data("boston_housing"), real_data("embeddable/tabular"));
        let (Some(npz), Some(table)) = folders else { return };
        let load = |folder| BostonHousing::new().folder(folder).load().unwrap();
        let (npz, table) = (load(npz), load(table));
        assert_eq!(npz.train.x(), table.train.x());
        assert_eq!(npz.test.y().unwrap(), table.test.y().unwrap());
    }

    #[test]
    fn real_files_are_read() {
        if let Some(folder) = real_data("boston_housing") {
            let boston = BostonHousing::new().folder(folder).load().unwrap();
            assert_eq!(boston.train.x().shape(), [404, 13]);
            assert_eq!(boston.test.x().shape(), [102, 13]);
            // The first row of Keras's training part.
            let row = boston.train.x().at(0).unwrap().to_vec::<f32>().unwrap();
            assert_eq!(row[..4], [1.23247, 0.0, 8.14, 0.0]);
            let prices = boston.train.y().unwrap().to_vec::<f32>().unwrap();
            assert_eq!(prices[..1], [15.2]);
        }
        if let Some(folder) = real_data("california_housing") {
            let all = CaliforniaHousing::new().folder(&folder).load().unwrap();
            assert_eq!((all.train.len(), all.test.len()), (16_512, 4128));
            let small = CaliforniaHousing::new().folder(folder).small().load().unwrap();
            assert_eq!((small.train.len(), small.test.len()), (480, 120));
        }
    }
}
