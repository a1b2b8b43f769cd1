//! Where a data set comes from and how it may be used: [`Info`].

use std::{fmt, path::PathBuf};

use crate::{Remote, search::Search};

/// Source, licence and citation of a data set.
///
/// # Examples
///
/// ```
/// use deckle_datasets::mnist;
///
/// assert_eq!(mnist::INFO.name, "MNIST");
/// assert_eq!(mnist::INFO.licence, "CC BY-SA 3.0");
/// assert!(mnist::INFO.to_string().starts_with("MNIST: 60,000"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The name in sentences.
    pub name: &'static str,
    /// The name of the folder that holds the files.
    pub folder: &'static str,
    /// What it holds.
    pub contents: &'static str,
    /// Where the files can be had.
    pub source: &'static str,
    /// The files that are downloaded where they are not found.
    pub downloads: &'static [Remote],
    /// The terms under which they may be used.
    pub licence: &'static str,
    /// The work to cite.
    pub citation: &'static str,
}

impl Info {
    /// The folders that a loader looks for the files in when it is given none, in this order.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_datasets::mnist;
    ///
    /// let cache = mnist::INFO.folders().pop();
    /// assert!(cache.is_none_or(|folder| folder.ends_with("deckle/mnist")));
    /// ```
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        Search::new(None).folders(self)
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, contents, source, licence, citation, downloads, .. } = self;
        write!(
            f,
            "{name}: {contents}\n  source:   {source}\n  licence:  {licence}\n  \
             citation: {citation}"
        )?;
        for Remote { name, sha256, origin, urls } in *downloads {
            write!(f, "\n  download: {name}, SHA-256 {sha256}")?;
            write!(f, "\n            as in {origin}")?;
            for url in *urls {
                write!(f, "\n            from {url}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{boston_housing, texts};

    #[test]
    fn downloads_are_listed_with_their_sums() {
        let text = boston_housing::INFO.to_string();
        let lines: Vec<_> = text.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "  download: boston_housing.npz, SHA-256 \
                 f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
                "            as in Keras 3.15.1, keras/src/datasets/boston_housing.py",
                "            from https://storage.googleapis.com/tensorflow/tf-keras-datasets/\
                 boston_housing.npz"
            ]
        );
        assert_eq!(texts::GLOVE.to_string().lines().count(), 4);
    }
}
