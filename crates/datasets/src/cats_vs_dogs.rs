//! Cats and dogs: 2002 photographs of 96 × 96 pixels, in a zip archive.
//!
//! ```no_run
//! use deckle_data::Dataset;
//! use deckle_datasets::cats_vs_dogs::{CLASS_NAMES, CatsVsDogs};
//!
//! let pets = CatsVsDogs::new().load()?;
//! assert_eq!(pets.train.class_names(), CLASS_NAMES);
//! assert_eq!(pets.train.example().inputs[0].spec.shape, [96, 96, 3]);
//! # Ok::<(), deckle_datasets::Error>(())
//! ```

use std::path::{Path, PathBuf};

use deckle_data::{
    ColorMode, ImageDirectory, Images, LabelMode, image_dataset_from_directory,
};

use crate::{
    Info, Result,
    search::{Files, Search},
};

/// Source, licence and citation.
pub const INFO: Info = Info {
    name: "Cats vs. dogs",
    folder: "cats_vs_dogs",
    contents: "2002 photographs of cats and dogs: 1200 to train on, 400 to validate with, 402 to \
               test on, 96 × 96 pixels",
    source: "a part of Kaggle's Dogs vs. Cats, cats_vs_dogs_96px.zip",
    downloads: &[],
    licence: "may not be passed on",
    citation: "J. Elson, J. R. Douceur, J. Howell and J. Saul, Asirra: a CAPTCHA that exploits \
               interest-aligned manual image categorization, ACM CCS 2007",
};

/// The classes' names, in the order of the labels.
pub const CLASS_NAMES: [&str; 2] = ["cats", "dogs"];

const FILES: Files = Files::whole(&[&["cats_vs_dogs_96px.zip"]]);

/// The three parts of the data set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pets {
    /// The part to train on.
    pub train: Images,
    /// The part to validate with.
    pub validation: Images,
    /// The part to test on.
    pub test: Images,
}

/// Loads photographs of cats (0) and dogs (1): read and decoded when they are asked for.
///
/// The archive `cats_vs_dogs_96px.zip`, with folders `train`, `validation` and `test` of `cats`
/// and `dogs`, is looked for in the given folder; without one, in the subfolder `cats_vs_dogs` of
/// the folder that the environment variable `DECKLE_DATA_DIR` names, in that folder itself, and
/// in the subfolder `deckle/cats_vs_dogs` of the user's cache.
///
/// # Examples
///
/// ```
/// use deckle_datasets::cats_vs_dogs::CatsVsDogs;
///
/// let error = CatsVsDogs::new().folder("no/such/folder").load().unwrap_err();
/// assert!(error.to_string().contains("cats_vs_dogs_96px.zip"));
/// ```
///
/// # References
///
/// [`INFO`] has source, licence and citation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatsVsDogs {
    folder: Option<PathBuf>,
    image_size: Option<[usize; 2]>,
    label_mode: LabelMode,
    color_mode: ColorMode,
}

impl Default for CatsVsDogs {
    fn default() -> Self {
        Self::new()
    }
}

impl CatsVsDogs {
    /// The data set, wherever it is found.
    #[must_use]
    pub const fn new() -> Self {
        let (label_mode, color_mode) = (LabelMode::Binary, ColorMode::Rgb);
        Self { folder: None, image_size: None, label_mode, color_mode }
    }

    /// Sets the only folder to look in.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_path_buf());
        self
    }

    /// Sets the height and the width that images get; their own, 96, by default.
    #[must_use]
    pub const fn image_size(mut self, height: usize, width: usize) -> Self {
        self.image_size = Some([height, width]);
        self
    }

    /// Sets the form of the targets; 0 and 1 as `F32` `(1,)` by default.
    #[must_use]
    pub const fn label_mode(mut self, label_mode: LabelMode) -> Self {
        self.label_mode = label_mode;
        self
    }

    /// Sets the channels that images get; red, green and blue by default.
    #[must_use]
    pub const fn color_mode(mut self, color_mode: ColorMode) -> Self {
        self.color_mode = color_mode;
        self
    }

    /// Looks for the archive and lists its images.
    ///
    /// # Errors
    ///
    /// If the archive is not found or damaged, or has not the folders.
    pub fn load(&self) -> Result<Pets> {
        let search = Search::new(self.folder.as_deref());
        let found = search.require(&INFO, &FILES)?;
        let part = |name: &str| -> Result<Images> {
            Ok(self.directory(&found.paths[0].join(name)).load()?)
        };
        let (train, validation) = (part("train")?, part("validation")?);
        Ok(Pets { train, validation, test: part("test")? })
    }

    fn directory(&self, path: &Path) -> ImageDirectory {
        let directory = image_dataset_from_directory(path)
            .class_names(CLASS_NAMES)
            .label_mode(self.label_mode)
            .color_mode(self.color_mode)
            .shuffle(false);
        match self.image_size {
            Some([height, width]) => directory.image_size(height, width),
            None => directory.original_size(),
        }
    }
}

#[cfg(test)]
mod tests {
    use deckle_data::{Batch, Dataset, check_dataset};

    use super::*;
    use crate::scratch::real_data;

    #[test]
    fn real_files_are_read() {
        if let Some(folder) = real_data("cats_vs_dogs") {
            let pets = CatsVsDogs::new().folder(&folder).load().unwrap();
            let lens = [&pets.train, &pets.validation, &pets.test].map(Dataset::len);
            assert_eq!(lens, [1200, 400, 402]);
            check_dataset(&pets.validation).unwrap();
            let mut batch = Batch::new();
            pets.train.read_batch(&[0, 1199], &mut batch).unwrap();
            assert_eq!(batch.inputs[0].shape(), [2, 96, 96, 3]);
            assert_eq!(batch.targets[0].to_vec::<f32>().unwrap(), [0.0, 1.0]);
            let small =
                CatsVsDogs::new().folder(folder).image_size(20, 30).load().unwrap();
            small.test.read_batch(&[5], &mut batch).unwrap();
            assert_eq!(batch.inputs[0].shape(), [1, 20, 30, 3]);
        }
    }
}
