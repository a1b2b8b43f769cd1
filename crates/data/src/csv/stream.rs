//! The rows of a table that is larger than memory: [`CsvStream`].

use std::fmt;

use deckle_tensor::{DType, Spec};

use super::{ColumnType, Csv, Rows};
use crate::{Batch, Error, Example, Result, Stream};

/// Batches of rows, read from the file as they are asked for: [`Csv::stream`].
///
/// # Examples
///
/// ```
/// use deckle_data::{Batch, Csv, Stream};
///
/// let path = std::env::temp_dir().join(format!("deckle-rows-{}.csv", std::process::id()));
/// std::fs::write(&path, "a,b,y\n1,2,3\n4,5,9\n").unwrap();
/// let mut rows = Csv::open(&path).stream(["a", "b"], "y", 2)?;
/// let mut batch = Batch::new();
/// assert!(rows.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<f32>()?, [1.0, 2.0, 4.0, 5.0]);
/// assert_eq!(batch.targets[0].to_vec::<f32>()?, [3.0, 9.0]);
/// assert!(!rows.next_batch(&mut batch)?);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), deckle_data::Error>(())
/// ```
pub struct CsvStream {
    csv: Csv,
    /// Where the inputs and the target are among the columns.
    places: Vec<usize>,
    example: Example,
    batch_size: usize,
    /// The rows that are left of this pass; none before its first batch.
    rows: Option<Rows>,
}

impl CsvStream {
    pub(super) fn new(
        csv: Csv,
        inputs: &[String],
        target: &str,
        batch_size: usize,
    ) -> Result<Self> {
        if batch_size == 0 || inputs.is_empty() {
            return Err(Error::invalid(
                "Csv::stream",
                "an input and a batch_size above 0",
            ));
        }
        let names = csv.rows()?.names;
        let mut places = Vec::new();
        for name in inputs.iter().map(String::as_str).chain([target]) {
            let place = names.iter().position(|known| known == name);
            places.push(place.ok_or_else(|| csv.no_column(name, &names))?);
            if matches!(
                csv.types.get(name),
                Some(ColumnType::Text | ColumnType::Category(None))
            ) {
                return Err(Error::file(
                    csv.path.display(),
                    format_args!("column `{name}` holds texts"),
                )
                .expected("a column of numbers, or of classes that are named")
                .help("ColumnType::Category(Some(classes))"));
            }
        }
        let dtype = match csv.types.get(target) {
            Some(ColumnType::Int | ColumnType::Category(_)) => DType::I64,
            _ => DType::F32,
        };
        let example = Example::new()
            .input("x0", Spec::new(DType::F32, [inputs.len()]))
            .target("y0", Spec::scalar(dtype));
        Ok(Self { csv, places, example, batch_size, rows: None })
    }
}

impl Stream for CsvStream {
    fn name(&self) -> String {
        self.csv.path.display().to_string()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        let Self { csv, places, rows, .. } = self;
        let rows = match rows {
            Some(rows) => rows,
            None => rows.insert(csv.rows()?),
        };
        let width = places.len() - 1;
        let (mut x, mut y) = (Vec::new(), Vec::new());
        while y.len() < self.batch_size && rows.next(csv)? {
            let cells: Vec<_> = rows.cells(csv).collect();
            for &place in &*places {
                let (name, cell) = (&rows.names[place], cells[place]);
                let value = match csv.types.get(name) {
                    Some(ColumnType::Category(Some(classes))) => {
                        csv.class(cell, classes, name, rows.line)? as f64
                    }
                    Some(ColumnType::Int) => csv.whole(cell, name, rows.line)? as f64,
                    _ => csv.number(cell, name, rows.line)?,
                };
                if x.len() < (y.len() + 1) * width {
                    x.push(value as f32);
                } else {
                    y.push(value);
                }
            }
        }
        if y.is_empty() {
            return Ok(false);
        }
        into.prepare(&self.example, y.len());
        into.inputs[0].make_mut::<f32>().copy_from_slice(&x);
        if self.example.targets[0].spec.dtype == DType::I64 {
            let to = into.targets[0].make_mut::<i64>().iter_mut();
            to.zip(y).for_each(|(to, value)| *to = value as i64);
        } else {
            let to = into.targets[0].make_mut::<f32>().iter_mut();
            to.zip(y).for_each(|(to, value)| *to = value as f32);
        }
        Ok(true)
    }

    fn restart(&mut self, _pass: u64) -> Result<bool> {
        self.rows = None;
        Ok(true)
    }
}

impl fmt::Debug for CsvStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvStream")
            .field("csv", &self.csv)
            .field("batch_size", &self.batch_size)
            .finish_non_exhaustive()
    }
}
