//! A table in memory: [`Table`].

use deckle_tensor::Tensor;

use crate::{Arrays, Error, Result};

/// The cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Numbers.
    Float(Vec<f64>),
    /// Whole numbers.
    Int(Vec<i64>),
    /// Texts.
    Text(Vec<String>),
    /// Classes.
    Category {
        /// The class of each row.
        ids: Vec<i64>,
        /// The classes' names.
        classes: Vec<String>,
    },
}

/// Named columns of equally many cells, as [`Csv::read`](crate::Csv::read) gives.
///
/// # Examples
///
/// See [`Csv`](crate::Csv).
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    file: String,
    names: Vec<String>,
    columns: Vec<Column>,
    len: usize,
}

impl Table {
    pub(super) fn new(
        file: String,
        names: Vec<String>,
        columns: Vec<Column>,
        len: usize,
    ) -> Self {
        Self { file, names, columns, len }
    }

    /// The number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The names of the columns, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The column of that name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn column(&self, name: &str) -> Result<&Column> {
        let at = self.names.iter().position(|known| known == name).ok_or_else(|| {
            Error::file(&self.file, format_args!("has no column `{name}`"))
                .expected(format_args!("one of {}", self.names.join(", ")))
        })?;
        Ok(&self.columns[at])
    }

    /// The numbers of a column: of classes, their positions.
    ///
    /// # Errors
    ///
    /// If there is none, or it is one of texts.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>> {
        match self.column(name)? {
            Column::Float(values) => {
                Ok(values.iter().map(|&value| value as f32).collect())
            }
            Column::Int(values) | Column::Category { ids: values, .. } => {
                Ok(values.iter().map(|&value| value as f32).collect())
            }
            Column::Text(_) => Err(self.is_text(name)),
        }
    }

    fn is_text(&self, name: &str) -> Error {
        Error::file(&self.file, format_args!("column `{name}` holds texts"))
            .expected("a column of numbers or classes")
            .help("ColumnType::Category makes texts classes")
    }

    /// Columns beside one another: `F32` `(rows, columns)`.
    ///
    /// # Errors
    ///
    /// If there is none of that name, or it is one of texts.
    pub fn matrix<S: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Tensor> {
        let columns: Vec<_> = names
            .into_iter()
            .map(|name| self.floats(name.as_ref()))
            .collect::<Result<_>>()?;
        let mut values = Vec::with_capacity(self.len * columns.len());
        for row in 0..self.len {
            values.extend(columns.iter().map(|column| column[row]));
        }
        Ok(Tensor::new(values, [self.len, columns.len()])?)
    }

    /// One column: `F32` for numbers, `I64` for whole numbers and classes, `(rows,)`.
    ///
    /// # Errors
    ///
    /// If there is none of that name, or it is one of texts.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        match self.column(name)? {
            Column::Int(values) | Column::Category { ids: values, .. } => {
                Ok(Tensor::new(values.clone(), [self.len])?)
            }
            _ => Ok(Tensor::new(self.floats(name)?, [self.len])?),
        }
    }

    /// Examples whose input is a row of the named columns, and whose target is a column.
    ///
    /// # Errors
    ///
    /// If there is none of that name, or it is one of texts.
    pub fn arrays<S: AsRef<str>>(
        &self,
        inputs: impl IntoIterator<Item = S>,
        target: &str,
    ) -> Result<Arrays> {
        Arrays::new(self.matrix(inputs)?, self.tensor(target)?)
    }
}
