//! Texts in files by class: [`text_dataset_from_directory`].

use std::{fmt, path::Path};

use deckle_tensor::{DType, Spec};

use crate::{
    Batch, Dataset, Error, Example, Result,
    adapt::Pool,
    directory::{Files, Kind, Options, directory_setters},
};

const TEXTS: Kind =
    Kind { function: "text_dataset_from_directory", plural: "texts", endings: &[".txt"] };

/// The texts of a folder with a subfolder for each class, or of a zip archive of one.
///
/// The settings are those of the [`TextDirectory`] that this gives; [`TextDirectory::load`] looks
/// for the files, which have to be UTF-8 and end in `.txt`.
///
/// # Examples
///
/// ```no_run
/// use deckle_data::{Loader, text_dataset_from_directory};
///
/// let (train, _validation) = text_dataset_from_directory("aclImdb/train")
///     .class_names(["neg", "pos"])
///     .validation_split(0.2)
///     .seed(1337)
///     .load_both()?;
/// println!("{train}");
/// // The lengths of words, as an example of numbers that are made of a text.
/// let data = train.vectorize(100, |text| {
///     Ok(text.split_whitespace().map(|word| word.len() as i64).collect())
/// });
/// let batches = Loader::new(data, 32)?.shuffle(1337).prefetch(2, 2)?;
/// # let _ = batches;
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.utils.text_dataset_from_directory`: same names, defaults, order of files without
/// shuffle, and sizes of the subsets; the shuffle's order is another.
#[must_use]
pub fn text_dataset_from_directory(directory: impl AsRef<Path>) -> TextDirectory {
    TextDirectory { options: Options::new(directory.as_ref()), max_length: None }
}

/// A folder of texts, and how they are to be read: [`text_dataset_from_directory`].
#[derive(Clone, Debug)]
pub struct TextDirectory {
    options: Options,
    max_length: Option<usize>,
}

impl TextDirectory {
    directory_setters!();

    /// Sets the most bytes that are kept of a text, at a character's end; all by default.
    #[must_use]
    pub const fn max_length(mut self, max_length: usize) -> Self {
        self.max_length = Some(max_length);
        self
    }

    /// Looks for the texts, all or those of the subset.
    ///
    /// # Errors
    ///
    /// If the folder is missing or has no class, a class has no text, or a setting makes no
    /// sense.
    pub fn load(&self) -> Result<Texts> {
        let files = self.options.load(&TEXTS)?;
        Ok(Texts { files, max_length: self.max_length })
    }

    /// Looks for the texts, those to train on and those to validate with.
    ///
    /// # Errors
    ///
    /// As [`TextDirectory::load`], or if `validation_split` is not set.
    pub fn load_both(&self) -> Result<(Texts, Texts)> {
        let (training, validation) = self.options.load_both(&TEXTS)?;
        let of = |files| Texts { files, max_length: self.max_length };
        Ok((of(training), of(validation)))
    }
}

/// Texts that are read from the disk when they are asked for.
///
/// # Examples
///
/// See [`text_dataset_from_directory`].
#[derive(Clone, Debug)]
pub struct Texts {
    files: Files,
    max_length: Option<usize>,
}

impl Texts {
    /// The number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.entries.len()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.entries.is_empty()
    }

    /// The names of the classes, in the order of the labels; none if there are no labels.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.files.class_names
    }

    /// The paths of the texts, in order.
    #[must_use]
    pub fn file_paths(&self) -> impl ExactSizeIterator<Item = &str> {
        self.files.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The class of each text, in order; all 0 if there are no labels.
    #[must_use]
    pub fn labels(&self) -> impl ExactSizeIterator<Item = i32> {
        self.files.entries.iter().map(|entry| entry.label)
    }

    /// The text at that index.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be read or is not UTF-8.
    pub fn read(&self, index: usize) -> Result<String> {
        let mut bytes = Vec::new();
        self.read_into(index, &mut bytes).map(str::to_owned)
    }

    /// All texts, read one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Result<String>> {
        (0..self.len()).map(|index| self.read(index))
    }

    fn read_into<'a>(&self, index: usize, bytes: &'a mut Vec<u8>) -> Result<&'a str> {
        let len = self.len();
        if index >= len {
            return Err(Error::Index { index, len });
        }
        self.files.read(index, bytes)?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Error::file(&self.files.entries[index].name, "cannot be read as a text")
                .expected("UTF-8")
                .got(error)
        })?;
        let end =
            self.max_length.map_or(text.len(), |most| text.floor_char_boundary(most));
        Ok(&text[..end])
    }

    /// Examples of `width` numbers that a function makes of a text: those that are too many are
    /// left out, those that are missing are 0.
    ///
    /// The function has to give the same for the same text.
    pub fn vectorize<F>(self, width: usize, numbers: F) -> VectorizedTexts<F>
    where
        F: Fn(&str) -> Result<Vec<i64>> + Send + Sync,
    {
        let example = self.files.example(Spec::new(DType::I64, [width]));
        VectorizedTexts { texts: self, width, numbers, example, pool: Pool::default() }
    }
}

impl fmt::Display for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.files.text())
    }
}

/// Texts that become numbers when they are read: [`Texts::vectorize`].
///
/// An example is `I64` `(width,)` and, unless there are no labels, the text's class.
#[derive(Clone)]
pub struct VectorizedTexts<F> {
    texts: Texts,
    width: usize,
    numbers: F,
    example: Example,
    pool: Pool<Vec<u8>>,
}

impl<F> Dataset for VectorizedTexts<F>
where
    F: Fn(&str) -> Result<Vec<i64>> + Send + Sync,
{
    fn len(&self) -> usize {
        self.texts.len()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        into.prepare(&self.example, indices.len());
        let all = into.inputs[0].make_mut::<i64>();
        all.fill(0);
        self.pool.with(|bytes| {
            for (at, &index) in indices.iter().enumerate() {
                let numbers = (self.numbers)(self.texts.read_into(index, bytes)?)?;
                let count = numbers.len().min(self.width);
                all[at * self.width..][..count].copy_from_slice(&numbers[..count]);
            }
            Ok::<_, Error>(())
        })?;
        self.texts.files.write_labels(indices, into);
        Ok(())
    }
}

impl<F> fmt::Debug for VectorizedTexts<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorizedTexts")
            .field("texts", &self.texts.len())
            .field("example", &self.example)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::check_dataset;

    #[test]
    fn texts_of_a_folder_become_examples() {
        let scratch = tempfile::TempDir::new().unwrap();
        let folder = scratch.path().join("texts");
        for (name, text) in
            [("neg/1.txt", "äb c"), ("neg/2.txt", ""), ("pos/x/3.txt", "dd ee f gg")]
        {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let directory = text_dataset_from_directory(&folder).shuffle(false);
        let texts = directory.load().unwrap();
        assert_eq!(texts.to_string(), "Found 3 files belonging to 2 classes.");
        assert_eq!(texts.class_names(), ["neg", "pos"]);
        let all: Vec<_> = texts.iter().map(Result::unwrap).collect();
        assert_eq!(all, ["äb c", "", "dd ee f gg"]);
        assert_eq!(directory.clone().max_length(1).load().unwrap().read(0).unwrap(), "");
        assert!(texts.read(3).is_err());
        let words =
            |text: &str| Ok(text.split(' ').map(|word| word.len() as i64).collect());
        let data = texts.vectorize(3, words);
        check_dataset(&data).unwrap();
        let mut batch = Batch::new();
        data.read_batch(&[0, 2], &mut batch).unwrap();
        assert_eq!(batch.inputs[0].to_vec::<i64>().unwrap(), [3, 1, 0, 2, 2, 1]);
        assert_eq!(batch.targets[0].to_vec::<i32>().unwrap(), [0, 1]);

        fs::write(folder.join("neg/2.txt"), b"\xff").unwrap();
        let error = directory.load().unwrap().read(1).unwrap_err().to_string();
        assert!(error.contains("2.txt: cannot be read as a text\n  expected: UTF-8"));
        fs::remove_dir_all(&folder).unwrap();
        let error = directory.load().unwrap_err().to_string();
        assert!(error.contains("a folder of texts, or a zip archive of one"), "{error}");
    }
}
