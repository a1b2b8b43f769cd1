//! Where a data set's files are looked for: [`Search`].

use std::{
    env,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;

use crate::{Error, Info, Result};

/// The environment variable that names a folder of data sets.
pub(crate) const DATA_DIR: &str = "DECKLE_DATA_DIR";

/// The folders in which data sets are looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// Given by the user; then there is no other.
    pub(crate) explicit: Option<PathBuf>,
    /// A folder with a subfolder for each data set, or with the files themselves.
    pub(crate) data_dir: Option<PathBuf>,
    /// As `data_dir`, in the user's cache.
    pub(crate) cache: Option<PathBuf>,
}

/// The files of a data set that were found, in the order in which they were asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    /// Which of the alternatives.
    pub(crate) alternative: usize,
    pub(crate) folder: PathBuf,
    pub(crate) paths: Vec<PathBuf>,
}

impl Search {
    /// The explicit folder or, without one, those of the environment.
    pub(crate) fn new(explicit: Option<&Path>) -> Self {
        let data_dir = env::var_os(DATA_DIR).filter(|dir| !dir.is_empty());
        let cache = etcetera::choose_base_strategy().ok();
        Self {
            explicit: explicit.map(Path::to_path_buf),
            data_dir: data_dir.map(PathBuf::from),
            cache: cache.map(|strategy| strategy.cache_dir().join("deckle")),
        }
    }

    /// The folders in the order of the search.
    pub(crate) fn folders(&self, info: &Info) -> Vec<PathBuf> {
        if let Some(folder) = &self.explicit {
            return vec![folder.clone()];
        }
        let mut folders = Vec::new();
        if let Some(dir) = &self.data_dir {
            folders.extend([dir.join(info.folder), dir.clone()]);
        }
        folders.extend(self.cache.as_ref().map(|cache| cache.join(info.folder)));
        folders
    }

    /// The first folder that has all files of one of the alternatives.
    ///
    /// A file whose name ends in `.gz` may also be there without.
    ///
    /// # Errors
    ///
    /// If a folder has some files of an alternative, but not all.
    pub(crate) fn find(
        &self,
        info: &Info,
        alternatives: &[&[&str]],
    ) -> Result<Option<Found>> {
        for folder in self.folders(info) {
            let mut incomplete = None;
            for (alternative, &names) in alternatives.iter().enumerate() {
                let paths: Vec<Option<PathBuf>> =
                    names.iter().map(|name| existing(&folder, name)).collect();
                let missing = paths.iter().position(Option::is_none);
                let Some(missing) = missing else {
                    let paths = paths.into_iter().flatten().collect();
                    return Ok(Some(Found { alternative, folder, paths }));
                };
                if let Some(present) = paths.into_iter().flatten().next() {
                    incomplete = Some((names[missing], present));
                }
            }
            if let Some((missing, present)) = incomplete {
                return Err(Error::file(
                    folder.join(missing).display(),
                    format_args!("is missing beside {}", present.display()),
                ));
            }
        }
        Ok(None)
    }

    /// As [`Search::find`], for data sets without a sample.
    pub(crate) fn require(&self, info: &Info, alternatives: &[&[&str]]) -> Result<Found> {
        match self.find(info, alternatives)? {
            Some(found) => Ok(found),
            None => Err(self.not_found(info, alternatives)),
        }
    }

    pub(crate) fn not_found(&self, info: &Info, alternatives: &[&[&str]]) -> Error {
        Error::NotFound {
            name: info.name,
            expected: files_text(alternatives),
            searched: self.folders(info),
            help: format!("{}; source: {}", self.place_text(info), info.source),
        }
    }

    /// Where to put the files, as a sentence.
    pub(crate) fn place_text(&self, info: &Info) -> String {
        if let Some(folder) = &self.explicit {
            return format!("put the files into {}", folder.display());
        }
        match &self.cache {
            Some(cache) => format!(
                "put the files into {}, or set {DATA_DIR} to a folder that has them in `{}`",
                cache.join(info.folder).display(),
                info.folder
            ),
            None => {
                format!(
                    "set {DATA_DIR} to a folder that has the files in `{}`",
                    info.folder
                )
            }
        }
    }
}

/// The files that would do, as a sentence.
pub(crate) fn files_text(alternatives: &[&[&str]]) -> String {
    let all = |names: &[&str]| match names {
        [first @ .., last] if !first.is_empty() => {
            format!("{} and {last}", first.join(", "))
        }
        names => names.join(", "),
    };
    alternatives.iter().map(|names| all(names)).collect::<Vec<_>>().join("; or ")
}

fn existing(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = name.strip_suffix(".gz");
    [Some(name), plain]
        .into_iter()
        .flatten()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{mnist::INFO, scratch::Scratch};

    const FILES: [&[&str]; 2] = [&["a.npz"], &["b.gz", "c.gz"]];

    #[track_caller]
    fn check(search: &Search, folder: &Path, names: &[&str]) {
        let found = search.find(&INFO, &FILES).unwrap().unwrap();
        assert_eq!(found.folder, folder);
        let paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
        assert_eq!(found.paths, paths);
    }

    #[test]
    fn folders_are_searched_in_order() {
        let scratch = Scratch::new();
        let folder = |name: &str| scratch.path().join(name);
        let mut search = Search {
            explicit: None,
            data_dir: Some(folder("data")),
            cache: Some(folder("cache")),
        };
        assert_eq!(search.find(&INFO, &FILES).unwrap(), None);

        scratch.write("cache/mnist/a.npz", b"");
        check(&search, &folder("cache/mnist"), &["a.npz"]);
        scratch.write("data/b", b"");
        scratch.write("data/c.gz", b"");
        check(&search, &folder("data"), &["b", "c.gz"]);
        scratch.write("data/mnist/a.npz", b"");
        check(&search, &folder("data/mnist"), &["a.npz"]);

        search.explicit = Some(folder("cache"));
        assert_eq!(search.find(&INFO, &FILES).unwrap(), None);
        search.explicit = Some(folder("data"));
        check(&search, &folder("data"), &["b", "c.gz"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let scratch = Scratch::new();
        let there = scratch.write("b.gz", b"");
        let search =
            Search { explicit: Some(scratch.path().into()), ..Search::default() };
        assert_eq!(
            search.find(&INFO, &FILES).unwrap_err().to_string(),
            format!(
                "{}: is missing beside {}",
                scratch.path().join("c.gz").display(),
                there.display()
            )
        );
        let search = Search {
            explicit: None,
            data_dir: Some("data".into()),
            cache: Some("cache".into()),
        };
        assert_eq!(
            search.require(&INFO, &FILES).unwrap_err().to_string(),
            "MNIST: no file of this data set was found\n  \
             expected: a.npz; or b.gz and c.gz\n  \
             searched: data/mnist\n  searched: data\n  searched: cache/mnist\n      \
             help: put the files into cache/mnist, or set DECKLE_DATA_DIR to a folder that has \
             them in `mnist`; source: http://yann.lecun.com/exdb/mnist/ (four IDX files), or \
             mnist.npz of Keras"
        );
        let none = Search::default();
        assert_eq!(
            none.require(&INFO, &FILES).unwrap_err().to_string().lines().last(),
            Some(
                "      help: set DECKLE_DATA_DIR to a folder that has the files in `mnist`; \
                 source: http://yann.lecun.com/exdb/mnist/ (four IDX files), or mnist.npz of Keras"
            )
        );
    }
}
