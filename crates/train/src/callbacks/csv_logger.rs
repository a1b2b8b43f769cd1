//! The epochs' values as a table in a file: [`CSVLogger`].

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::path_template::python_float;
use crate::{Callback, Context, Error, Logs, Result, State};

/// Writes a line for each epoch to a CSV file.
///
/// The columns are `epoch`, counted from 0, and the names of the first epoch's values in
/// alphabetical order; if none is of validation, columns for those follow. What an epoch does
/// not have is `NA`. Training that is resumed goes on after the last epoch of its checkpoint.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Compile, Fit, Trainable, callbacks::CSVLogger};
///
/// # let path = std::env::temp_dir().join(format!("deckle-csv-{}.csv", std::process::id()));
/// let x = Tensor::zeros(DType::F32, [8, 2]);
/// let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
/// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
/// let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
/// trainer.fit(&data, Fit::new().epochs(2).verbose(0).callback(CSVLogger::new(&path)))?;
/// let text = std::fs::read_to_string(&path).unwrap();
/// assert_eq!(text, "epoch,loss,val_loss\r\n0,0.0,NA\r\n1,0.0,NA\r\n");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `keras.callbacks.CSVLogger`, with the same files.
#[derive(Debug)]
pub struct CSVLogger {
    path: PathBuf,
    separator: String,
    append: bool,
    file: Option<File>,
    has_header: bool,
    keys: Option<Vec<String>>,
}

/// What a checkpoint keeps: the columns, and how long the file was.
#[derive(Serialize, Deserialize)]
struct Written {
    keys: Option<Vec<String>>,
    len: u64,
}

impl CSVLogger {
    /// Writes a new file, whatever was there.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_path_buf(),
            separator: ",".to_owned(),
            append: false,
            file: None,
            has_header: false,
            keys: None,
        }
    }

    /// Sets what stands between columns; a comma by default.
    #[must_use]
    pub fn separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = separator.into();
        self
    }

    /// Sets whether lines are added to a file that is there; false by default.
    #[must_use]
    pub fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    fn fail(&self, error: io::Error) -> Error {
        deckle_tensor::Error::io(self.path.display(), error).into()
    }

    fn open(&mut self, keep: bool) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.create(true);
        let options =
            if keep { options.append(true) } else { options.write(true).truncate(true) };
        self.file = Some(options.open(&self.path)?);
        let mut line = String::new();
        if keep {
            BufReader::new(File::open(&self.path)?).read_line(&mut line)?;
        }
        self.has_header = !line.is_empty();
        Ok(())
    }

    /// A field as Python's `csv` writes it: quoted if it has to be.
    fn field(&self, text: &str) -> String {
        let special = |c: char| matches!(c, '"' | '\r' | '\n');
        if text.contains(special) || text.contains(&self.separator) {
            return format!("\"{}\"", text.replace('"', "\"\""));
        }
        text.to_owned()
    }

    fn line(&mut self, fields: &[String]) -> Result<()> {
        let fields: Vec<_> = fields.iter().map(|field| self.field(field)).collect();
        let line = fields.join(&self.separator) + "\r\n";
        let Some(file) = &mut self.file else { return Ok(()) };
        // One write for a line, so that a process that is killed leaves whole lines.
        let written = file.write_all(line.as_bytes()).and_then(|()| file.flush());
        written.map_err(|error| self.fail(error))
    }
}

impl Callback for CSVLogger {
    fn name(&self) -> &'static str {
        "CSVLogger"
    }

    fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        if self.separator.chars().count() != 1 {
            return Err(Error::invalid("separator", "one character")
                .got(format_args!("{:?}", self.separator)));
        }
        self.keys = None;
        let keep = self.append || context.is_resumed();
        self.open(keep).map_err(|error| self.fail(error))
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        _: &mut Context<'_>,
    ) -> Result<()> {
        let keys = match self.keys.take() {
            Some(keys) => keys,
            None => {
                let mut keys: Vec<_> =
                    logs.iter().map(|(name, _)| name.to_owned()).collect();
                keys.sort();
                if !keys.iter().any(|key| key.starts_with("val_")) {
                    let validation: Vec<_> =
                        keys.iter().map(|key| format!("val_{key}")).collect();
                    keys.extend(validation);
                }
                keys
            }
        };
        if !self.has_header {
            let mut header = vec!["epoch".to_owned()];
            header.extend(keys.iter().cloned());
            self.line(&header)?;
            self.has_header = true;
        }
        let mut fields = vec![epoch.to_string()];
        let field =
            |key: &String| logs.get(key).map_or_else(|| "NA".to_owned(), python_float);
        fields.extend(keys.iter().map(field));
        self.keys = Some(keys);
        self.line(&fields)
    }

    fn on_train_end(&mut self, _: &mut Context<'_>) -> Result<()> {
        self.file = None;
        Ok(())
    }

    fn state(&self) -> Result<State> {
        let len = fs::metadata(&self.path).map_err(|error| self.fail(error))?.len();
        State::of(&Written { keys: self.keys.clone(), len })
    }

    fn restore(&mut self, state: &State, _: &mut Context<'_>) -> Result<()> {
        let written: Written = state.value()?;
        self.keys = written.keys;
        // Lines of epochs after the checkpoint will be written again.
        let shorten = |path: &Path| -> io::Result<()> {
            let file = OpenOptions::new().write(true).open(path)?;
            if file.metadata()?.len() > written.len {
                file.set_len(written.len)?;
            }
            Ok(())
        };
        shorten(&self.path).map_err(|error| self.fail(error))?;
        self.open(true).map_err(|error| self.fail(error))
    }
}
