//! Files that can be downloaded, and their checksums: [`Remote`].

/// A file of a data set that can be downloaded.
///
/// # Examples
///
/// ```
/// use deckle_datasets::mnist;
///
/// let labels = mnist::INFO.downloads[3];
/// assert_eq!(labels.name, "t10k-labels-idx1-ubyte.gz");
/// assert!(labels.sha256.starts_with("f7ae60f9"));
/// assert!(labels.origin.starts_with("TensorFlow Datasets, "));
/// assert!(labels.urls.iter().all(|url| url.starts_with("https://")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remote {
    /// The file's name.
    pub name: &'static str,
    /// Its SHA-256 sum, in lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// Who else publishes this sum, and where, as `Keras 3.15.1, keras/src/datasets/imdb.py`.
    pub origin: &'static str,
    /// Where it can be had, in the order in which servers are asked.
    pub urls: &'static [&'static str],
}

impl Remote {
    pub(crate) const fn new(
        name: &'static str,
        sha256: &'static str,
        origin: &'static str,
        urls: &'static [&'static str],
    ) -> Self {
        Self { name, sha256, origin, urls }
    }
}

/// The address of a file in Keras's folder of data sets.
macro_rules! keras_url {
    ($name:literal) => {
        concat!("https://storage.googleapis.com/tensorflow/tf-keras-datasets/", $name)
    };
}

pub(crate) use keras_url;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::{
        ALL, boston_housing, california_housing, cifar10, cifar100, fashion_mnist, imdb,
        mnist, reuters,
        search::{Network, Search},
        texts,
    };

    #[test]
    fn what_can_be_downloaded_is_what_is_looked_for() {
        let search = Search {
            cache: Some("cache".into()),
            network: Network::Allowed,
            ..Search::default()
        };
        let mut count = 0;
        for (info, files) in [
            (mnist::INFO, mnist::FILES),
            (fashion_mnist::INFO, fashion_mnist::FILES),
            (cifar10::INFO, cifar10::FILES),
            (cifar100::INFO, cifar100::FILES),
            (imdb::INFO, imdb::FILES),
            (reuters::INFO, reuters::FILES),
            (boston_housing::INFO, boston_housing::FILES),
            (california_housing::INFO, california_housing::FILES),
            (texts::BOOKS, texts::SHAKESPEARE),
        ] {
            let (_, remotes) = search.download_of(&info, &files).unwrap();
            assert_eq!(remotes, info.downloads, "{}", info.name);
            count += remotes.len();
        }
        let all = ALL.iter().map(|info| info.downloads.len());
        assert_eq!(count, all.sum::<usize>());
    }

    #[test]
    fn every_file_has_a_name_a_sum_its_origin_and_an_address() {
        let mut sums = BTreeSet::new();
        for info in ALL {
            for file in info.downloads {
                let digits = file.sha256.bytes().all(|digit| {
                    digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit)
                });
                assert!(digits && file.sha256.len() == 64, "{}", file.name);
                assert!(sums.insert(file.sha256), "{} has another's sum", file.name);
                // A publisher, and where to look.
                let origin = file.origin.split_once(", ");
                let names =
                    |(who, place): (&str, &str)| !who.is_empty() && place.contains('.');
                assert!(origin.is_some_and(names), "{} has no origin", file.name);
                assert!(!file.urls.is_empty() && !file.name.contains('/'));
                for url in file.urls {
                    // The sum is what is trusted, so that http will do where there is no https.
                    assert!(url.starts_with("https://") || url.starts_with("http://"));
                }
            }
        }
        assert_eq!(sums.len(), 15);
    }
}
