//! Files by class, in a folder or a zip archive: what `image_dataset_from_directory` and
//! `text_dataset_from_directory` have in common.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use deckle_tensor::{DType, Spec};

use crate::{Batch, Error, Example, Order, Result};

mod archive;
mod list;

use archive::Archive;
pub use archive::read_zip_member;
use list::{Found, List};

/// Where the classes of files come from.
///
/// # Keras
///
/// `labels` of `keras.utils.image_dataset_from_directory`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Labels {
    /// From the subfolders' names, in the order of the alphabet.
    #[default]
    Inferred,
    /// There are none; all files below the folder are read.
    None,
    /// One for each file, in the order of the files' paths.
    Given(Vec<i32>),
}

/// The form of the targets that say an example's class.
///
/// # Keras
///
/// `label_mode` of `keras.utils.image_dataset_from_directory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LabelMode {
    /// Its number: `I32` `()`.
    #[default]
    Int,
    /// 0 or 1, for two classes: `F32` `(1,)`.
    Binary,
    /// A one in its place, zeros elsewhere: `F32` `(classes,)`.
    Categorical,
    /// No target.
    None,
}

/// Which of the two parts that `validation_split` makes.
///
/// # Keras
///
/// `subset` of `keras.utils.image_dataset_from_directory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectorySubset {
    /// All but the last files.
    Training,
    /// The last files, as many as `validation_split` says.
    Validation,
}

/// The settings that all folders of files have.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) directory: PathBuf,
    pub(crate) labels: Labels,
    pub(crate) label_mode: LabelMode,
    pub(crate) class_names: Option<Vec<String>>,
    pub(crate) batch_size: usize,
    pub(crate) shuffle: bool,
    pub(crate) seed: u64,
    pub(crate) validation_split: Option<f64>,
    pub(crate) subset: Option<DirectorySubset>,
    pub(crate) follow_links: bool,
}

/// The setters of [`Options`], for a builder that has them as `options`.
macro_rules! directory_setters {
    () => {
        /// Sets where the classes come from: the subfolders' names by default.
        #[must_use]
        pub fn labels(mut self, labels: $crate::Labels) -> Self {
            self.options.labels = labels;
            self
        }

        /// Sets the form of the targets; numbers by default.
        #[must_use]
        pub const fn label_mode(mut self, label_mode: $crate::LabelMode) -> Self {
            self.options.label_mode = label_mode;
            self
        }

        /// Sets which subfolders are classes, and their order; all in the order of the alphabet
        /// by default.
        #[must_use]
        pub fn class_names<S: Into<String>>(
            mut self,
            names: impl IntoIterator<Item = S>,
        ) -> Self {
            self.options.class_names = Some(names.into_iter().map(Into::into).collect());
            self
        }

        /// Sets the number of examples of a batch of `loader`; 32 by default.
        #[must_use]
        pub const fn batch_size(mut self, batch_size: usize) -> Self {
            self.options.batch_size = batch_size;
            self
        }

        /// Sets whether files are shuffled, before they are split and for each pass of `loader`;
        /// true by default. Otherwise they are in the order of classes and names.
        #[must_use]
        pub const fn shuffle(mut self, shuffle: bool) -> Self {
            self.options.shuffle = shuffle;
            self
        }

        /// Sets the seed of the shuffles; 0 by default.
        #[must_use]
        pub const fn seed(mut self, seed: u64) -> Self {
            self.options.seed = seed;
            self
        }

        /// Sets the part of the files, between 0 and 1, that is for validation.
        #[must_use]
        pub const fn validation_split(mut self, fraction: f64) -> Self {
            self.options.validation_split = Some(fraction);
            self
        }

        /// Sets which of the two parts is loaded.
        #[must_use]
        pub const fn subset(mut self, subset: $crate::DirectorySubset) -> Self {
            self.options.subset = Some(subset);
            self
        }

        /// Sets whether links to folders are followed; false by default.
        #[must_use]
        pub const fn follow_links(mut self, follow_links: bool) -> Self {
            self.options.follow_links = follow_links;
            self
        }
    };
}

pub(crate) use directory_setters;

impl Options {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_path_buf(),
            labels: Labels::Inferred,
            label_mode: LabelMode::Int,
            class_names: None,
            batch_size: 32,
            shuffle: true,
            seed: 0,
            validation_split: None,
            subset: None,
            follow_links: false,
        }
    }

    /// The files of the subset that is asked for.
    pub(crate) fn load(&self, kind: &Kind) -> Result<Files> {
        let all = self.list(kind)?;
        match (self.validation_split, self.subset) {
            (None, None) => Ok(all),
            (Some(fraction), Some(subset)) => {
                let (training, validation) = all.split(fraction)?;
                Ok(match subset {
                    DirectorySubset::Training => training,
                    DirectorySubset::Validation => validation,
                })
            }
            _ => Err(Error::invalid(
                kind.function,
                "both or neither of validation_split and subset",
            )
            .help("load_both gives both subsets")),
        }
    }

    /// The files to train on and those to validate with.
    pub(crate) fn load_both(&self, kind: &Kind) -> Result<(Files, Files)> {
        let fraction = self.validation_split.ok_or_else(|| {
            Error::invalid(kind.function, "a validation_split for two subsets")
        })?;
        self.list(kind)?.split(fraction)
    }

    fn list(&self, kind: &Kind) -> Result<Files> {
        let has_labels =
            self.labels != Labels::None && self.label_mode != LabelMode::None;
        let list = List { kind, follow_links: self.follow_links };
        let Found { root, mut entries, classes } = match &self.labels {
            Labels::Inferred if has_labels => {
                list.by_class(&self.directory, self.class_names.as_deref())?
            }
            _ if self.class_names.is_some() => {
                return Err(Error::invalid(
                    kind.function,
                    "class_names only with inferred labels",
                ));
            }
            _ => list.all(&self.directory)?,
        };
        let mut class_names = classes;
        if let (Labels::Given(labels), true) = (&self.labels, has_labels) {
            class_names = give(&self.directory, &mut entries, labels)?;
        }
        if self.label_mode == LabelMode::Binary && has_labels && class_names.len() != 2 {
            return Err(Error::invalid(kind.function, "two classes for binary labels")
                .got(format_args!("{}: {}", class_names.len(), class_names.join(", ")))
                .help("LabelMode::Categorical or LabelMode::Int"));
        }
        if self.shuffle {
            let mut order = Order::new(0..entries.len());
            order.shuffle(self.seed, 0);
            entries =
                order.indices().iter().map(|&index| entries[index].clone()).collect();
        }
        let mode = if has_labels { self.label_mode } else { LabelMode::None };
        Ok(Files {
            root,
            entries: entries.into(),
            class_names: class_names.into(),
            label_mode: mode,
            directory: self.directory.display().to_string(),
        })
    }

    /// The seed of the shuffles of each pass.
    pub(crate) fn shuffle_seed(&self) -> Option<u64> {
        self.shuffle.then_some(self.seed)
    }
}

/// Gives each file its label, and says the classes' names: their numbers in order.
fn give(directory: &Path, entries: &mut [Entry], labels: &[i32]) -> Result<Vec<String>> {
    if labels.len() != entries.len() {
        return Err(Error::file(directory.display(), "does not fit the labels")
            .expected(format_args!("{} files, one for each label", labels.len()))
            .got(format_args!("{} files", entries.len())));
    }
    let mut known = labels.to_vec();
    known.sort_unstable();
    known.dedup();
    for (entry, &label) in entries.iter_mut().zip(labels) {
        let classes = known.len();
        if !usize::try_from(label).is_ok_and(|label| label < classes) {
            return Err(Error::file(&entry.name, "has a label that is not a class")
                .expected(format_args!("0 <= label < {classes}, for {classes} classes"))
                .got(label));
        }
        entry.label = label;
    }
    Ok(known.iter().map(ToString::to_string).collect())
}

/// What kind of files is looked for.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The function that looks.
    pub(crate) function: &'static str,
    /// What they are, many of them.
    pub(crate) plural: &'static str,
    /// How their names end, in lower case.
    pub(crate) endings: &'static [&'static str],
}

/// A file of a class.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The path, for messages.
    pub(crate) name: String,
    pub(crate) label: i32,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Disk(PathBuf),
    Member(archive::Member),
}

/// Where files lie.
#[derive(Clone, Debug)]
enum Root {
    Folder,
    Zip(Arc<Archive>),
}

/// Files, their classes, and how to read them.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    root: Root,
    pub(crate) entries: Arc<[Entry]>,
    pub(crate) class_names: Arc<[String]>,
    pub(crate) label_mode: LabelMode,
    directory: String,
}

impl Files {
    /// All but the last files, and these: as many as the fraction says.
    fn split(self, fraction: f64) -> Result<(Self, Self)> {
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(Error::invalid("validation_split", "a number between 0 and 1")
                .got(fraction));
        }
        let count = self.entries.len();
        let validation = (fraction * count as f64) as usize;
        if validation == 0 || validation == count {
            return Err(Error::file(&self.directory, "is too small to be split")
                .expected("a file for each subset")
                .got(format_args!("{count} files, of which {validation} to validate")));
        }
        let (first, last) = self.entries.split_at(count - validation);
        let of = |entries: &[Entry]| Self { entries: entries.into(), ..self.clone() };
        Ok((of(first), of(last)))
    }

    /// The bytes of a file, into the memory of `into`.
    pub(crate) fn read(&self, index: usize, into: &mut Vec<u8>) -> Result<()> {
        into.clear();
        let entry = &self.entries[index];
        let read = match (&entry.place, &self.root) {
            (Place::Disk(path), _) => {
                fs::File::open(path).and_then(|mut file| file.read_to_end(into)).map(drop)
            }
            (Place::Member(member), Root::Zip(archive)) => archive.read(member, into),
            (Place::Member(_), Root::Folder) => Err(io::ErrorKind::NotFound.into()),
        };
        read.map_err(|error| Error::file(&entry.name, "cannot be read").got(error))
    }

    /// The example with that input and the target that the form of labels has.
    pub(crate) fn example(&self, input: Spec) -> Example {
        let example = Example::new().input("x0", input);
        let classes = self.class_names.len();
        match self.label_mode {
            LabelMode::Int => example.target("y0", Spec::scalar(DType::I32)),
            LabelMode::Binary => example.target("y0", Spec::new(DType::F32, [1])),
            LabelMode::Categorical => {
                example.target("y0", Spec::new(DType::F32, [classes]))
            }
            LabelMode::None => example,
        }
    }

    /// Writes the labels of the files.
    pub(crate) fn write_labels(&self, indices: &[usize], into: &mut Batch) {
        let labels = indices.iter().map(|&index| self.entries[index].label);
        match self.label_mode {
            LabelMode::Int => {
                let all = into.targets[0].make_mut::<i32>().iter_mut();
                all.zip(labels).for_each(|(to, label)| *to = label);
            }
            LabelMode::Binary => {
                let all = into.targets[0].make_mut::<f32>().iter_mut();
                all.zip(labels).for_each(|(to, label)| *to = label as f32);
            }
            LabelMode::Categorical => {
                let all = into.targets[0].make_mut::<f32>();
                all.fill(0.0);
                let rows = all.chunks_mut(self.class_names.len());
                rows.zip(labels).for_each(|(row, label)| row[label as usize] = 1.0);
            }
            LabelMode::None => {}
        }
    }

    /// What Keras prints of it.
    pub(crate) fn text(&self) -> String {
        let count = self.entries.len();
        match self.label_mode {
            LabelMode::None => format!("Found {count} files."),
            _ => {
                let classes = self.class_names.len();
                format!("Found {count} files belonging to {classes} classes.")
            }
        }
    }
}
