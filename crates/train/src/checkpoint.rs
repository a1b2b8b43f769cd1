//! Files from which training goes on exactly: [`Checkpoint`].
//!
//! A file is `DECKLECP`, a version (u32), the length of a header (u64) and its CRC-32 (u32), the
//! header in postcard's format, the tensors' elements one after the other, and their CRC-32
//! (u32); numbers are little-endian.

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
};

use deckle_autograd::Variable;
use deckle_tensor::{AtomicFile, DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{
    Error, History, Result, State, Trainer,
    run::{Callbacks, Run},
};

const MAGIC: &[u8; 8] = b"DECKLECP";
/// The version of the format; another one is another format.
const VERSION: u32 = 2;
/// The bytes before the header.
const START: usize = 8 + 4 + 8 + 4;

/// Where training goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) epoch: usize,
    /// The number of batches of the epoch that were trained on.
    pub(crate) batch: usize,
    /// The pass over the data that is being read, and the number of its batches that were.
    pub(crate) pass: Option<u64>,
    pub(crate) read: usize,
    /// The number of passes that are done, which keys the next shuffle.
    pub(crate) passes: u64,
}

/// All that decides how training goes on.
pub(crate) struct Checkpoint {
    file: PathBuf,
    header: Header,
    /// The trainer's, then the callbacks'.
    tensors: Vec<Tensor>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    /// Who has written it.
    program: String,
    /// What has computed it, on which the last bits depend.
    arithmetic: String,
    /// What has to be the same to go on.
    settings: Vec<(String, String)>,
    position: Position,
    stop: bool,
    is_averaged: bool,
    history: History,
    /// Names, values, and the number of tensors of each callback that remembers something.
    callbacks: Vec<(String, Vec<u8>, usize)>,
    /// Names, element types and shapes.
    tensors: Vec<(String, String, Vec<usize>)>,
}

impl Checkpoint {
    /// What there is now.
    pub(crate) fn of(
        trainer: &Trainer,
        run: &Run,
        settings: &[(String, String)],
        callbacks: &Callbacks<'_>,
        position: Position,
    ) -> Result<Self> {
        let mut tensors = Vec::new();
        let mut heads = Vec::new();
        let mut add = |name: &str, tensor: Tensor| {
            let dtype = tensor.dtype().name().to_owned();
            heads.push((name.to_owned(), dtype, tensor.shape().to_vec()));
            tensors.push(tensor);
        };
        for variable in trainer.all_variables() {
            add(variable.name(), variable.value()?);
        }
        let mut states = Vec::new();
        for callback in &callbacks.0 {
            let state =
                callback.state().map_err(|error| error.in_callback(callback.name()))?;
            if !state.is_empty() {
                let name = callback.name().to_owned();
                states.push((name.clone(), state.bytes, state.tensors.len()));
                state.tensors.into_iter().for_each(|tensor| add(&name, tensor));
            }
        }
        let header = Header {
            program: concat!("deckle ", env!("CARGO_PKG_VERSION")).to_owned(),
            arithmetic: arithmetic(trainer),
            settings: all_settings(trainer, settings),
            position,
            stop: run.stop,
            is_averaged: trainer.is_averaged(),
            history: run.history.clone(),
            callbacks: states,
            tensors: heads,
        };
        Ok(Self { file: PathBuf::new(), header, tensors })
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let header = postcard::to_stdvec(&self.header).map_err(|error| {
            Error::invalid("the checkpoint cannot be written", "plain values").got(error)
        })?;
        let mut file = AtomicFile::create(path)?;
        let mut write = || -> std::io::Result<()> {
            file.write_all(MAGIC)?;
            file.write_all(&VERSION.to_le_bytes())?;
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&crc32fast::hash(&header).to_le_bytes())?;
            file.write_all(&header)?;
            let mut sum = crc32fast::Hasher::new();
            for tensor in &self.tensors {
                let contiguous = tensor.contiguous();
                let bytes = contiguous.as_bytes().unwrap_or_default();
                sum.update(bytes);
                file.write_all(bytes)?;
            }
            file.write_all(&sum.finalize().to_le_bytes())
        };
        write().map_err(|error| file.error(error))?;
        Ok(file.commit()?)
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)
            .map_err(|error| deckle_tensor::Error::io(path.display(), error))?;
        Self::parse(&bytes, path).map_err(|problem| {
            let (expected, got) = match problem {
                Problem::Other(got) => ("a checkpoint of training".to_owned(), got),
                Problem::Version(version) => (
                    format!("version {VERSION} of the format"),
                    format!("version {version}"),
                ),
                Problem::Damaged(got) => ("a whole checkpoint".to_owned(), got),
            };
            Error::invalid(
                format_args!("{}: training cannot go on from here", path.display()),
                expected,
            )
            .got(got)
            .help("remove the file to begin anew")
        })
    }

    fn parse(bytes: &[u8], path: &Path) -> std::result::Result<Self, Problem> {
        let damaged = |text: &str| Problem::Damaged(text.to_owned());
        if !bytes.starts_with(MAGIC) {
            return Err(match MAGIC.starts_with(bytes) {
                true => damaged("a file that is cut off"),
                false => Problem::Other("another kind of file".to_owned()),
            });
        }
        let cut = || damaged("a file that is cut off");
        let start = bytes.get(..START).ok_or_else(cut)?;
        let number = |at: usize, len: usize| {
            let bytes = start[at..at + len].iter().rev();
            bytes.fold(0u64, |sum, &byte| (sum << 8) | u64::from(byte))
        };
        if number(8, 4) != u64::from(VERSION) {
            return Err(Problem::Version(number(8, 4)));
        }
        let len = usize::try_from(number(12, 8)).unwrap_or(usize::MAX);
        let end = START.checked_add(len).ok_or_else(cut)?;
        let header = bytes.get(START..end).ok_or_else(cut)?;
        if u64::from(crc32fast::hash(header)) != number(20, 4) {
            return Err(damaged("a header with a wrong checksum"));
        }
        let (header, rest): (Header, _) =
            postcard::take_from_bytes(header).map_err(|error| {
                damaged(&format!("a header that cannot be read: {error}"))
            })?;
        if !rest.is_empty() {
            return Err(damaged("a header that is too long"));
        }
        let body = &bytes[end..];
        let (data, sum) = body.split_last_chunk::<4>().ok_or_else(cut)?;
        let mut tensors = Vec::new();
        let mut rest = data;
        for (name, dtype, shape) in &header.tensors {
            let dtype: DType = dtype
                .parse()
                .map_err(|_| damaged("an element type that does not exist"))?;
            let size =
                shape.iter().try_fold(dtype.size(), |size, &len| size.checked_mul(len));
            let (own, others) =
                size.and_then(|size| rest.split_at_checked(size)).ok_or_else(cut)?;
            rest = others;
            let tensor = Tensor::from_bytes(dtype, shape, own)
                .map_err(|_| damaged(&format!("values of `{name}` that are none")))?;
            tensors.push(tensor);
        }
        if !rest.is_empty() {
            return Err(damaged("bytes after the end"));
        }
        if crc32fast::hash(data) != u32::from_le_bytes(*sum) {
            return Err(damaged("values with a wrong checksum"));
        }
        let own: Option<usize> = header
            .callbacks
            .iter()
            .try_fold(0usize, |sum, (.., count)| sum.checked_add(*count));
        if own.is_none_or(|own| own > tensors.len()) {
            return Err(damaged("a header that contradicts itself"));
        }
        Ok(Self { file: path.to_path_buf(), header, tensors })
    }

    /// Puts everything back but the callbacks' states; nothing, if one thing does not fit.
    pub(crate) fn restore(
        &self,
        trainer: &mut Trainer,
        run: &mut Run,
        settings: &[(String, String)],
        callbacks: &Callbacks<'_>,
    ) -> Result<Position> {
        let header = &self.header;
        let error = |expected: &dyn fmt::Display, got: &dyn fmt::Display| {
            Error::invalid(
                format_args!("{}: training cannot go on from here", self.file.display()),
                expected,
            )
            .got(got)
            .help("call fit as before the interruption, or remove the file to begin anew")
        };
        let now = all_settings(trainer, settings);
        let check = |(name, before): &(String, String)| -> Result<()> {
            let value = now.iter().find(|(known, _)| known == name);
            let value = value.map_or("none", |(_, value)| value.as_str());
            if value == before {
                return Ok(());
            }
            Err(error(
                &format_args!("{name}: {before}"),
                &format_args!("{name}: {value}"),
            ))
        };
        // First what explains most: with another optimizer, there are other variables.
        for setting in header.settings.iter().filter(|(name, _)| name == OPTIMIZER) {
            check(setting)?;
        }
        let variables = trainer.all_variables();
        let count = self.own_tensors();
        for (variable, (name, dtype, shape)) in
            variables.iter().zip(&header.tensors[..count])
        {
            let spec = variable.spec();
            let is_same = variable.name() == name
                && spec.dtype.name() == dtype
                && spec.shape[..] == shape[..];
            if !is_same {
                return Err(error(
                    &format_args!("a model with `{name}`: {dtype} {shape:?}"),
                    &format_args!("`{}`: {spec}", variable.name()),
                ));
            }
        }
        if variables.len() != count {
            return Err(error(
                &format_args!("a model with {count} variables"),
                &variables.len(),
            ));
        }
        header.settings.iter().try_for_each(check)?;
        for (name, ..) in &header.callbacks {
            let of_name = |known: &str| known == name;
            let before =
                header.callbacks.iter().filter(|(name, ..)| of_name(name)).count();
            let given = callbacks.0.iter().filter(|c| of_name(c.name())).count();
            if given < before {
                return Err(error(&format_args!("{before} callbacks `{name}`"), &given));
            }
        }
        for (variable, value) in variables.iter().zip(&self.tensors) {
            variable.set(value)?;
        }
        trainer.passes = header.position.passes;
        trainer.set_averaged(header.is_averaged);
        run.stop = header.stop;
        run.history = header.history.clone();
        run.epoch = header.position.epoch;
        let arithmetic = arithmetic(trainer);
        if arithmetic != header.arithmetic {
            run.messages.push(format!(
                "{}: computed by {}, and now by {arithmetic}: the last bits may differ",
                self.file.display(),
                header.arithmetic
            ));
        }
        Ok(header.position)
    }

    /// The number of tensors that are the trainer's.
    fn own_tensors(&self) -> usize {
        let of_callbacks: usize = self.header.callbacks.iter().map(|(.., n)| n).sum();
        self.tensors.len() - of_callbacks
    }

    /// What the callbacks remember.
    pub(crate) fn states(&self) -> States {
        let mut tensors = self.tensors[self.own_tensors()..].iter().cloned();
        let states = self.header.callbacks.iter().map(|(name, bytes, count)| {
            let tensors = tensors.by_ref().take(*count).collect();
            (name.clone(), State { bytes: bytes.clone(), tensors })
        });
        States(states.collect())
    }
}

/// What callbacks remember, by name and in order.
pub(crate) struct States(Vec<(String, State)>);

impl States {
    /// The next state of a callback of that name.
    pub(crate) fn take(&mut self, name: &str) -> Option<State> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }
}

/// What is wrong with a file.
enum Problem {
    Other(String),
    Version(u64),
    Damaged(String),
}

/// What decides on the last bits.
fn arithmetic(trainer: &Trainer) -> String {
    let device = trainer.model().group().device();
    let backend = format!("{:?}", device.backend());
    // The number of threads changes nothing.
    match backend.split_once(" threads, ") {
        Some((_, instructions)) => {
            format!("{} with {}", device.name(), instructions.trim_end_matches(')'))
        }
        None => backend,
    }
}

/// The setting that says what the optimizer is.
const OPTIMIZER: &str = "optimizer";

/// The settings of a run, and what the trainer was compiled with.
fn all_settings(
    trainer: &Trainer,
    settings: &[(String, String)],
) -> Vec<(String, String)> {
    let mut all = vec![
        ("model".to_owned(), trainer.fingerprint()),
        (OPTIMIZER.to_owned(), optimizer(trainer)),
        ("losses and metrics".to_owned(), trainer.measured()),
    ];
    all.extend(settings.iter().cloned());
    all
}

/// The optimizer's settings but for a learning rate that training may change.
fn optimizer(trainer: &Trainer) -> String {
    let mut object = trainer.optimizer().optimizer().to_keras();
    for path in ["/config", "/config/inner_optimizer/config"] {
        if let Some(config) = object.pointer_mut(path).and_then(|c| c.as_object_mut())
            && config.get("learning_rate").is_some_and(serde_json::Value::is_number)
        {
            config.remove("learning_rate");
        }
    }
    object.to_string()
}

/// Fails where a checkpoint could not be written, and removes what a process that was killed
/// while it wrote one has left behind.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    // Dropped without a commit, it leaves nothing.
    drop(AtomicFile::create(path)?);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(entries) = std::fs::read_dir(folder.unwrap_or(Path::new("."))) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let other = entry.file_name();
        let other = other.to_string_lossy();
        let number = other
            .strip_prefix(&format!(".{name}."))
            .and_then(|rest| rest.strip_suffix(".tmp"));
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '-');
        if number.is_some_and(is_number) {
            // A file that is not ours to remove does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Each variable once.
pub(crate) fn unique(variables: impl Iterator<Item = Variable>) -> Vec<Variable> {
    let mut seen = std::collections::BTreeSet::new();
    variables.filter(|variable| seen.insert(variable.key())).collect()
}
