//! Tables in files of comma-separated values: [`Csv`], [`Table`].

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use ::csv::{Reader, ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;

use crate::{Error, Result};

mod lines;
mod stream;
mod table;
#[cfg(test)]
mod tests;

use lines::Lines;
pub use stream::CsvStream;
pub use table::{Column, Table};

/// What the cells of a column are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Numbers.
    Float,
    /// Whole numbers.
    Int,
    /// Texts.
    Text,
    /// Texts that are classes: those that are named, or all in the order of the alphabet.
    Category(Option<Vec<String>>),
}

/// What becomes of cells that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Missing {
    /// They are an error that names the cell.
    #[default]
    Error,
    /// They become that number, in columns of numbers.
    Fill(f64),
    /// They become NaN, in columns of floating-point numbers.
    NaN,
    /// Their row is left out.
    DropRow,
}

/// A file of comma-separated values, and how it is to be read.
///
/// Files whose names end in `.gz` are decompressed. A column without a type is one of whole
/// numbers, of numbers or of texts, whatever all its cells are.
///
/// # Examples
///
/// ```
/// use deckle_data::{ColumnType, Csv, Missing};
///
/// let path = std::env::temp_dir().join(format!("deckle-doc-{}.csv", std::process::id()));
/// std::fs::write(&path, "kind,size,price\nb,1.5,3\na,NA,4\nb,2.5,5\n").unwrap();
/// let table = Csv::open(&path)
///     .column("kind", ColumnType::Category(None))
///     .missing(Missing::DropRow)
///     .read()?;
/// assert_eq!(table.len(), 2);
/// let data = table.arrays(["kind", "size"], "price")?;
/// assert_eq!(data.x().to_vec::<f32>()?, [0.0, 1.5, 0.0, 2.5]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), deckle_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Csv {
    /// The file, or its name if its bytes are in memory.
    path: PathBuf,
    bytes: Option<&'static [u8]>,
    has_header: bool,
    delimiter: u8,
    quote: u8,
    skip_rows: usize,
    names: Option<Vec<String>>,
    types: BTreeMap<String, ColumnType>,
    missing: Missing,
    missing_of: BTreeMap<String, Missing>,
    missing_tokens: Vec<String>,
}

impl Csv {
    /// The file at that path, with a header, commas and quotation marks.
    #[must_use]
    pub fn open(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_path_buf(),
            bytes: None,
            has_header: true,
            delimiter: b',',
            quote: b'"',
            skip_rows: 0,
            names: None,
            types: BTreeMap::new(),
            missing: Missing::Error,
            missing_of: BTreeMap::new(),
            missing_tokens: ["", "NA", "N/A", "NaN", "nan", "null"]
                .map(str::to_owned)
                .into(),
        }
    }

    /// A file inside the program, which is called by that name.
    #[must_use]
    pub fn embedded(name: &str, bytes: &'static [u8]) -> Self {
        Self { bytes: Some(bytes), ..Self::open(name) }
    }

    /// Sets whether the first row names the columns; true by default. Otherwise they are `c0`,
    /// `c1`, ...
    #[must_use]
    pub const fn has_header(mut self, has_header: bool) -> Self {
        self.has_header = has_header;
        self
    }

    /// Sets what is between cells; a comma by default.
    #[must_use]
    pub const fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Sets what is around cells that hold a delimiter; `"` by default.
    #[must_use]
    pub const fn quote(mut self, quote: u8) -> Self {
        self.quote = quote;
        self
    }

    /// Sets how many rows at the beginning are left out, before the header; 0 by default.
    #[must_use]
    pub const fn skip_rows(mut self, skip_rows: usize) -> Self {
        self.skip_rows = skip_rows;
        self
    }

    /// Sets the names of all columns, in place of those of the file.
    #[must_use]
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the type of a column.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>, kind: ColumnType) -> Self {
        self.types.insert(name.into(), kind);
        self
    }

    /// Sets what becomes of cells that are missing; an error by default.
    #[must_use]
    pub const fn missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// Sets what becomes of cells of one column that are missing.
    #[must_use]
    pub fn missing_in(mut self, name: impl Into<String>, missing: Missing) -> Self {
        self.missing_of.insert(name.into(), missing);
        self
    }

    /// Sets what a missing cell holds: nothing, `NA`, `N/A`, `NaN`, `nan` or `null` by default.
    #[must_use]
    pub fn missing_tokens<S: Into<String>>(
        mut self,
        tokens: impl IntoIterator<Item = S>,
    ) -> Self {
        self.missing_tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    /// Reads the whole table.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a row has another number of cells, a cell is missing or is not
    /// what its column holds; names file, line and column.
    pub fn read(&self) -> Result<Table> {
        let mut rows = self.rows()?;
        let mut cells = vec![Vec::new(); rows.names.len()];
        let mut lines = Vec::new();
        while rows.next(self)? {
            lines.push(rows.line);
            for (column, cell) in cells.iter_mut().zip(rows.cells(self)) {
                column.push(cell.map(str::to_owned));
            }
        }
        let names = rows.names.clone();
        let columns = names
            .iter()
            .zip(cells)
            .map(|(name, cells)| self.make(name, &cells, &lines))
            .collect::<Result<_>>()?;
        Ok(Table::new(self.path.display().to_string(), names, columns, lines.len()))
    }

    /// Batches of `batch_size` rows, read one after the other: for tables that are larger than
    /// memory.
    ///
    /// Columns without a type are of floating-point numbers; classes have to be named.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, a column is missing or one of texts, or `batch_size` is 0.
    pub fn stream<S: Into<String>>(
        &self,
        inputs: impl IntoIterator<Item = S>,
        target: &str,
        batch_size: usize,
    ) -> Result<CsvStream> {
        let inputs: Vec<String> = inputs.into_iter().map(Into::into).collect();
        CsvStream::new(self.clone(), &inputs, target, batch_size)
    }

    fn missing_for(&self, name: &str) -> Missing {
        self.missing_of.get(name).copied().unwrap_or(self.missing)
    }

    fn cell_error(&self, line: u64, name: &str, problem: &str) -> Error {
        let place = format!("{}, line {line}, column `{name}`", self.path.display());
        Error::file(place, problem)
    }

    /// The rows from the first on.
    fn rows(&self) -> Result<Rows> {
        let failed = |error: &dyn fmt::Display| {
            Error::file(self.path.display(), "cannot be read").got(error)
        };
        let file: Box<dyn Read + Send> = match self.bytes {
            Some(bytes) => Box::new(bytes),
            None => {
                let file = File::open(&self.path).map_err(|error| failed(&error))?;
                Box::new(file)
            }
        };
        let source: Box<dyn Read + Send> =
            if self.path.extension().is_some_and(|extension| extension == "gz") {
                Box::new(MultiGzDecoder::new(file))
            } else {
                file
            };
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .delimiter(self.delimiter)
            .quote(self.quote)
            .flexible(true)
            .from_reader(Lines::new(source));
        let mut record = StringRecord::new();
        let next = |reader: &mut Reader<_>, record: &mut StringRecord| {
            reader.read_record(record).map_err(|error| failed(&error))
        };
        for _ in 0..self.skip_rows {
            next(&mut reader, &mut record)?;
        }
        let mut is_ready = next(&mut reader, &mut record)?;
        let mut names: Vec<String> = match self.has_header {
            true => record.iter().map(|name| name.trim().to_owned()).collect(),
            false => (0..record.len()).map(|at| format!("c{at}")).collect(),
        };
        if !is_ready {
            return Err(Error::file(self.path.display(), "the table is empty"));
        }
        // What a spreadsheet may write before the first name.
        if let Some(first) = names.first_mut().filter(|_| self.has_header) {
            *first = first.trim_start_matches('\u{feff}').to_owned();
        }
        if let Some(given) = &self.names {
            if given.len() != names.len() {
                return Err(Error::file(self.path.display(), "does not fit the names")
                    .expected(format_args!("{} columns, one for each name", given.len()))
                    .got(format_args!("{} columns", names.len())));
            }
            names.clone_from(given);
        }
        if let Some(unknown) = self
            .types
            .keys()
            .chain(self.missing_of.keys())
            .find(|name| !names.contains(name))
        {
            return Err(self.no_column(unknown, &names));
        }
        if self.has_header {
            is_ready = false;
        }
        Ok(Rows { reader, record, names, is_ready, line: 0 })
    }

    fn no_column(&self, name: &str, names: &[String]) -> Error {
        Error::file(self.path.display(), format_args!("has no column `{name}`"))
            .expected(format_args!("one of {}", names.join(", ")))
    }

    /// Whether the cell is missing.
    fn is_missing(&self, cell: &str) -> bool {
        self.missing_tokens.iter().any(|token| token == cell)
    }

    /// A number from a cell, or what a missing one becomes.
    fn number(&self, cell: Option<&str>, name: &str, line: u64) -> Result<f64> {
        let Some(cell) = cell else {
            return match self.missing_for(name) {
                Missing::Fill(value) => Ok(value),
                Missing::NaN => Ok(f64::NAN),
                Missing::Error | Missing::DropRow => Err(self.is_gone(name, line)),
            };
        };
        cell.parse().map_err(|_| {
            self.cell_error(line, name, "the cell is no number")
                .expected("a number")
                .got(format_args!("`{cell}`"))
        })
    }

    fn is_gone(&self, name: &str, line: u64) -> Error {
        self.cell_error(line, name, "the cell is missing")
            .help("Csv::missing or missing_in: Fill, NaN or DropRow")
    }

    fn whole(&self, cell: Option<&str>, name: &str, line: u64) -> Result<i64> {
        let failed = |got: &dyn fmt::Display| {
            self.cell_error(line, name, "the cell is no whole number")
                .expected("a whole number")
                .got(format_args!("`{got}`"))
        };
        match cell {
            Some(cell) => cell.parse().map_err(|_| failed(&cell)),
            None => match self.missing_for(name) {
                Missing::Fill(value) if value.fract() == 0.0 => Ok(value as i64),
                Missing::Fill(value) => Err(failed(&value)),
                Missing::NaN => Err(failed(&"NaN")),
                Missing::Error | Missing::DropRow => Err(self.is_gone(name, line)),
            },
        }
    }

    fn class(
        &self,
        cell: Option<&str>,
        classes: &[String],
        name: &str,
        line: u64,
    ) -> Result<i64> {
        let cell = cell.ok_or_else(|| self.is_gone(name, line))?;
        match classes.iter().position(|class| class == cell) {
            Some(class) => Ok(class as i64),
            None => Err(self
                .cell_error(line, name, "the cell is no class")
                .expected(classes.join(", "))
                .got(format_args!("`{cell}`"))),
        }
    }

    /// The column that cells make.
    fn make(
        &self,
        name: &str,
        cells: &[Option<String>],
        lines: &[u64],
    ) -> Result<Column> {
        let all = || cells.iter().map(Option::as_deref).zip(lines.iter().copied());
        let kind = self.types.get(name).cloned().unwrap_or_else(|| {
            let known = || cells.iter().flatten();
            let gives_nan = cells.iter().any(Option::is_none)
                && !matches!(self.missing_for(name), Missing::Fill(value) if value.fract() == 0.0);
            if known().next().is_none() || !known().all(|cell| cell.parse::<f64>().is_ok()) {
                ColumnType::Text
            } else if !gives_nan && known().all(|cell| cell.parse::<i64>().is_ok()) {
                ColumnType::Int
            } else {
                ColumnType::Float
            }
        });
        Ok(match kind {
            ColumnType::Float => Column::Float(
                all()
                    .map(|(cell, line)| self.number(cell, name, line))
                    .collect::<Result<_>>()?,
            ),
            ColumnType::Int => Column::Int(
                all()
                    .map(|(cell, line)| self.whole(cell, name, line))
                    .collect::<Result<_>>()?,
            ),
            ColumnType::Text => Column::Text(
                all()
                    .map(|(cell, line)| match cell {
                        Some(cell) => Ok(cell.to_owned()),
                        None => match self.missing_for(name) {
                            Missing::Error => Err(self.is_gone(name, line)),
                            _ => Ok(String::new()),
                        },
                    })
                    .collect::<Result<_>>()?,
            ),
            ColumnType::Category(classes) => {
                let classes = classes.unwrap_or_else(|| {
                    let mut found: Vec<String> =
                        cells.iter().flatten().cloned().collect();
                    found.sort_unstable();
                    found.dedup();
                    found
                });
                let ids = all()
                    .map(|(cell, line)| self.class(cell, &classes, name, line))
                    .collect::<Result<_>>()?;
                Column::Category { ids, classes }
            }
        })
    }
}

/// The rows of a file, one after the other, without those that are left out.
struct Rows {
    reader: Reader<Lines>,
    record: StringRecord,
    names: Vec<String>,
    /// Whether the record is a row that was not given yet.
    is_ready: bool,
    line: u64,
}

impl Rows {
    /// Goes to the next row, or says that there is none.
    fn next(&mut self, csv: &Csv) -> Result<bool> {
        loop {
            if !std::mem::take(&mut self.is_ready) {
                let read = self.reader.read_record(&mut self.record);
                let path = csv.path.display();
                if !read
                    .map_err(|error| Error::file(path, "cannot be read").got(error))?
                {
                    return Ok(false);
                }
            }
            // Where it begins: the reader is behind it.
            let breaks =
                self.record.iter().flat_map(str::bytes).filter(|&byte| byte == b'\n');
            let breaks = breaks.count() as u64 + 1;
            self.line = self.reader.position().line().saturating_sub(breaks);
            if self.record.len() != self.names.len() {
                let path = csv.path.display();
                let place = format!("{path}, line {}", self.line);
                return Err(Error::file(place, "the row has another number of cells")
                    .expected(format_args!("{} cells", self.names.len()))
                    .got(format_args!("{} cells", self.record.len())));
            }
            let is_left_out =
                self.names.iter().zip(self.cells(csv)).any(|(name, cell)| {
                    cell.is_none() && csv.missing_for(name) == Missing::DropRow
                });
            if !is_left_out {
                return Ok(true);
            }
        }
    }

    /// The cells of the row, in order; nothing for those that are missing.
    fn cells<'a>(&'a self, csv: &'a Csv) -> impl Iterator<Item = Option<&'a str>> {
        let trimmed = self.record.iter().map(str::trim);
        trimmed.map(|cell| (!csv.is_missing(cell)).then_some(cell))
    }
}
