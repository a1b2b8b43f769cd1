//! Where a data set's files are looked for: [`Search`].

use std::{
    borrow::Borrow,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;

use crate::{Error, Info, Remote, Result};

/// The environment variable that names a folder of data sets.
pub(crate) const DATA_DIR: &str = "DECKLE_DATA_DIR";

/// The environment variable that forbids downloads.
const OFFLINE: &str = "DECKLE_OFFLINE";

/// The environment variable that names Keras's folder, and what it is called in the user's.
const KERAS_HOME: &str = "KERAS_HOME";
const KERAS: &str = ".keras";

/// Whether files that are nowhere are downloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Network {
    /// The program cannot, or the folder is given.
    #[default]
    Absent,
    /// The program could.
    Forbidden,
    Allowed,
}

/// The folders in which data sets are looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// Given by the user; then there is no other.
    pub(crate) explicit: Option<PathBuf>,
    /// A folder with a subfolder for each data set, or with the files themselves.
    pub(crate) data_dir: Option<PathBuf>,
    /// As `data_dir`, in the user's cache.
    pub(crate) cache: Option<PathBuf>,
    /// What Keras has downloaded, if it has.
    pub(crate) keras: Option<PathBuf>,
    /// Whether what is in none of them is brought into the cache.
    pub(crate) network: Network,
}

/// The files that hold a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Files {
    /// Those of the whole data set, in the data set's folder: any of these lists will do.
    pub(crate) whole: &'static [&'static [&'static str]],
    /// Others, which are used only where no whole data set is.
    pub(crate) others: &'static [Other],
}

impl Files {
    pub(crate) const fn whole(whole: &'static [&'static [&'static str]]) -> Self {
        Self { whole, others: &[] }
    }
}

/// Files that hold a data set in another form, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Other {
    /// Besides the data set's own folder, they are looked for in this one: as it is, and in
    /// the folder `embeddable`.
    pub(crate) folder: &'static str,
    pub(crate) names: &'static [&'static str],
}

/// The folder of data sets that may be passed on, and of parts of others.
const EMBEDDABLE: &str = "embeddable";

/// The files of a data set that were found, in the order in which they were asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) which: Which,
    pub(crate) folder: PathBuf,
    pub(crate) paths: Vec<PathBuf>,
}

/// Which of the [`Files`] were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Whole,
    Other(usize),
}

/// Keras's folder.
fn keras() -> Option<PathBuf> {
    let given = env::var_os(KERAS_HOME).filter(|home| !home.is_empty());
    let own = || etcetera::home_dir().ok().map(|home| home.join(KERAS));
    given.map(PathBuf::from).or_else(own)
}

impl Network {
    /// What the environment says; the tests of this crate ask no server but their own.
    fn new(explicit: Option<&Path>) -> Self {
        let offline = |value: OsString| !value.is_empty() && value != "0";
        if cfg!(test) || !cfg!(feature = "download") || explicit.is_some() {
            Self::Absent
        } else if env::var_os(OFFLINE).is_some_and(offline) {
            Self::Forbidden
        } else {
            Self::Allowed
        }
    }
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
            keras: keras().map(|home| home.join("datasets")).filter(|dir| dir.is_dir()),
            network: Network::new(explicit),
        }
    }

    /// The same, which downloads nothing.
    pub(crate) fn offline(mut self) -> Self {
        if self.network == Network::Allowed {
            self.network = Network::Forbidden;
        }
        self
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
        folders.extend(self.folders_of_keras(info));
        folders
    }

    /// Where Keras puts a data set: most into one folder, some into another one in it.
    fn folders_of_keras(&self, info: &Info) -> Vec<PathBuf> {
        let Some(keras) = self.keras.as_ref().filter(|_| self.explicit.is_none()) else {
            return Vec::new();
        };
        vec![keras.join(info.folder.replace('_', "-")), keras.clone()]
    }

    /// The folders that other files are looked for in.
    fn folders_of(&self, info: &Info, other: &Other) -> Vec<PathBuf> {
        let mut folders = self.folders(info);
        if let (None, Some(dir)) = (&self.explicit, &self.data_dir) {
            folders.extend([
                dir.join(EMBEDDABLE).join(other.folder),
                dir.join(other.folder),
            ]);
        }
        folders
    }

    /// The first folder that has all files of one of the lists; if none has, the first that has
    /// the other files.
    ///
    /// A file whose name ends in `.gz` may also be there without.
    ///
    /// # Errors
    ///
    /// If a folder has some files of a list, but not all; Keras's may.
    pub(crate) fn find(&self, info: &Info, files: &Files) -> Result<Option<Found>> {
        let download = self.download_of(info, files);
        let of_keras = self.folders_of_keras(info);
        for folder in self.folders(info) {
            match complete(&folder, files.whole) {
                Ok(Some(paths)) => {
                    return Ok(Some(Found { which: Which::Whole, folder, paths }));
                }
                Ok(None) => {}
                // What is missing there is downloaded.
                Err(_) if download.as_ref().is_some_and(|(into, _)| *into == folder) => {}
                // Keras brings each file when it is asked for.
                Err(_) if of_keras.contains(&folder) => {}
                Err(error) => return Err(error),
            }
        }
        for (at, other) in files.others.iter().enumerate() {
            for folder in self.folders_of(info, other) {
                if let Some(paths) = complete(&folder, &[other.names])? {
                    return Ok(Some(Found { which: Which::Other(at), folder, paths }));
                }
            }
        }
        Ok(None)
    }

    /// The folder of the cache, and the files that can be downloaded into it: those of the first
    /// list of which all can.
    pub(crate) fn download_of(
        &self,
        info: &Info,
        files: &Files,
    ) -> Option<(PathBuf, Vec<Remote>)> {
        let cache = self.cache.as_ref().filter(|_| self.network == Network::Allowed)?;
        Some((cache.join(info.folder), remotes(info, files)?))
    }

    /// As [`Search::find`]; what is found nowhere is downloaded, if it may be.
    pub(crate) fn obtain(&self, info: &Info, files: &Files) -> Result<Option<Found>> {
        let found = self.find(info, files)?;
        #[cfg(feature = "download")]
        if let (None, Some((folder, remotes))) = (&found, self.download_of(info, files)) {
            crate::download::fetch(info, &remotes, &folder)?;
            return self.find(info, files);
        }
        Ok(found)
    }

    /// As [`Search::obtain`], for data sets without a sample.
    pub(crate) fn require(&self, info: &Info, files: &Files) -> Result<Found> {
        match self.obtain(info, files)? {
            Some(found) => Ok(found),
            None => Err(self.not_found(info, files, &[])),
        }
    }

    /// The error for files that are nowhere, and could not be downloaded for these reasons.
    pub(crate) fn not_found(
        &self,
        info: &Info,
        files: &Files,
        problems: &[String],
    ) -> Error {
        let mut help = self.places(info);
        if self.network == Network::Forbidden && remotes(info, files).is_some() {
            help.push(format!(
                "they would be downloaded, but `offline` or {OFFLINE} forbids it"
            ));
        }
        if !problems.is_empty() {
            help.push("they could not be downloaded:".to_owned());
            help.extend_from_slice(problems);
        }
        help.push(format!("source: {}", info.source));
        Error::NotFound {
            name: info.name,
            expected: files.text(),
            searched: self.folders(info),
            help: help.join("\n"),
        }
    }

    /// Where to put the files, a line for each possibility.
    fn places(&self, info: &Info) -> Vec<String> {
        if let Some(folder) = &self.explicit {
            return vec![format!("put the files into {}", folder.display())];
        }
        let variable = |them| {
            format!("set {DATA_DIR} to a folder that has {them} in `{}`", info.folder)
        };
        match &self.cache {
            Some(cache) => vec![
                format!("put the files into {},", cache.join(info.folder).display()),
                format!("or {}", variable("them")),
            ],
            None => vec![variable("the files")],
        }
    }
}

impl Files {
    /// The files that would do; each list begins a line.
    fn text(&self) -> String {
        let others = self.others.iter().map(|other| other.names);
        let lists = self.whole.iter().copied().chain(others);
        lists.map(|names| broken(&all_of(names))).collect::<Vec<_>>().join("\nor ")
    }
}

/// The files of the first list of which all can be downloaded.
fn remotes(info: &Info, files: &Files) -> Option<Vec<Remote>> {
    let remote = |name: &&str| info.downloads.iter().find(|file| file.name == *name);
    let all = |names: &&[&str]| names.iter().map(|name| remote(name).copied()).collect();
    files.whole.iter().find_map(all)
}

/// How many characters a line of names has at most: with what is before it, it fits a terminal.
const LINE: usize = 66;

/// The same text in lines.
fn broken(text: &str) -> String {
    let (mut lines, mut width) = (String::new(), 0);
    for word in text.split(' ') {
        if width > 0 {
            let fits = width + 1 + word.len() <= LINE;
            lines.push(if fits { ' ' } else { '\n' });
            width = if fits { width + 1 } else { 0 };
        }
        lines += word;
        width += word.len();
    }
    lines
}

/// Names in a sentence, as `a, b and c`.
pub(crate) fn all_of<T: Borrow<str>>(names: &[T]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => {
            format!("{} and {}", first.join(", "), last.borrow())
        }
        names => names.join(", "),
    }
}

/// The files of the first list that the folder has all of.
fn complete(folder: &Path, lists: &[&[&str]]) -> Result<Option<Vec<PathBuf>>> {
    let mut incomplete = None;
    for &names in lists {
        let paths: Vec<Option<PathBuf>> =
            names.iter().map(|name| existing(folder, name)).collect();
        let Some(missing) = paths.iter().position(Option::is_none) else {
            return Ok(Some(paths.into_iter().flatten().collect()));
        };
        if let Some(present) = paths.into_iter().flatten().next() {
            incomplete = Some((names[missing], present));
        }
    }
    match incomplete {
        Some((missing, present)) => Err(Error::file(
            folder.join(missing).display(),
            format_args!("is missing beside {}", present.display()),
        )),
        None => Ok(None),
    }
}

/// The path of a file, with or without `.gz`, if there is one.
pub(crate) fn existing(folder: &Path, name: &str) -> Option<PathBuf> {
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

    const FILES: Files = Files {
        whole: &[&["a.npz"], &["b.gz", "c.gz"]],
        others: &[Other { folder: "part", names: &["d.csv"] }],
    };

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
            ..Search::default()
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
    fn what_keras_has_is_found_last() {
        let scratch = Scratch::new();
        let folder = |name: &str| scratch.path().join(name);
        let mut search = Search {
            cache: Some(folder("cache")),
            keras: Some(folder("keras")),
            ..Search::default()
        };
        // Another file of the data set may still be missing.
        scratch.write("keras/c.gz", b"");
        assert_eq!(search.find(&INFO, &FILES).unwrap(), None);
        scratch.write("keras/a.npz", b"");
        check(&search, &folder("keras"), &["a.npz"]);
        let fashion = &crate::fashion_mnist::INFO;
        scratch.write("keras/fashion-mnist/b.gz", b"");
        scratch.write("keras/fashion-mnist/c.gz", b"");
        let found = search.find(fashion, &FILES).unwrap().unwrap();
        assert_eq!(found.folder, folder("keras/fashion-mnist"));
        scratch.write("cache/mnist/a.npz", b"");
        check(&search, &folder("cache/mnist"), &["a.npz"]);
        // A folder that is given is the only one.
        search.explicit = Some(folder("none"));
        assert_eq!(search.find(&INFO, &FILES).unwrap(), None);
    }

    #[test]
    fn parts_are_found_only_where_no_whole_is() {
        let scratch = Scratch::new();
        let folder = |name: &str| scratch.path().join(name);
        let search = Search {
            explicit: None,
            data_dir: Some(folder("data")),
            cache: Some(folder("cache")),
            ..Search::default()
        };
        let which = || search.find(&INFO, &FILES).unwrap().unwrap().which;
        for part in ["data/part", "data/embeddable/part", "data/mnist"] {
            scratch.write(&format!("{part}/d.csv"), b"");
            check(&search, &folder(part), &["d.csv"]);
            assert_eq!(which(), Which::Other(0));
        }
        // Even in the folder that is searched last.
        scratch.write("cache/mnist/a.npz", b"");
        check(&search, &folder("cache/mnist"), &["a.npz"]);
        assert_eq!(which(), Which::Whole);
        // A folder that is given is the only one.
        let explicit = Some(folder("data"));
        let search = Search { explicit, ..search };
        assert_eq!(search.find(&INFO, &FILES).unwrap(), None);
        let explicit = Some(folder("data/part"));
        let search = Search { explicit, ..search };
        check(&search, &folder("data/part"), &["d.csv"]);
    }

    #[test]
    fn tests_ask_no_server() {
        assert_eq!(Search::new(None).network, Network::Absent);
    }

    #[test]
    fn what_may_not_be_downloaded_is_said() {
        let files = Files::whole(&[&["mnist.npz"], &["t10k-labels-idx1-ubyte.gz"]]);
        let search = Search {
            cache: Some("cache".into()),
            network: Network::Allowed,
            ..Search::default()
        };
        let (folder, remotes) = search.download_of(&INFO, &files).unwrap();
        assert_eq!((folder, remotes[0].name), ("cache/mnist".into(), files.whole[1][0]));
        assert_eq!(remotes.len(), 1);
        let other = Files::whole(&[&["mnist.npz"], &["t10k-labels-idx1-ubyte.gz", "x"]]);
        assert_eq!(search.download_of(&INFO, &other), None);

        let search = search.offline();
        assert_eq!(search.download_of(&INFO, &files), None);
        let error = |search: &Search, files| {
            search.require(&INFO, files).unwrap_err().to_string()
        };
        assert_eq!(
            error(&search, &files),
            "MNIST: no file of this data set was found\n  \
             expected: mnist.npz\n            \
             or t10k-labels-idx1-ubyte.gz\n  \
             searched: cache/mnist\n      \
             help: put the files into cache/mnist,\n            \
             or set DECKLE_DATA_DIR to a folder that has them in `mnist`\n            \
             they would be downloaded, but `offline` or DECKLE_OFFLINE forbids it\n            \
             source: http://yann.lecun.com/exdb/mnist/ (four IDX files), or mnist.npz of Keras"
        );
        // What cannot be downloaded, or not by this program, is not spoken of.
        for (network, files) in [(Network::Forbidden, &other), (Network::Absent, &files)]
        {
            let text = error(&Search { network, ..search.clone() }, files);
            assert!(!text.contains("downloaded"), "{text}");
        }
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
            ..Search::default()
        };
        assert_eq!(
            search.require(&INFO, &FILES).unwrap_err().to_string(),
            "MNIST: no file of this data set was found\n  \
             expected: a.npz\n            or b.gz and c.gz\n            or d.csv\n  \
             searched: data/mnist\n  searched: data\n  searched: cache/mnist\n      \
             help: put the files into cache/mnist,\n            \
             or set DECKLE_DATA_DIR to a folder that has them in `mnist`\n            \
             source: http://yann.lecun.com/exdb/mnist/ (four IDX files), or mnist.npz of Keras"
        );
        let none = Search::default();
        assert_eq!(
            none.require(&INFO, &FILES).unwrap_err().to_string(),
            "MNIST: no file of this data set was found\n  \
             expected: a.npz\n            or b.gz and c.gz\n            or d.csv\n      \
             help: set DECKLE_DATA_DIR to a folder that has the files in `mnist`\n            \
             source: http://yann.lecun.com/exdb/mnist/ (four IDX files), or mnist.npz of Keras"
        );
    }

    #[test]
    fn names_are_in_lines_that_fit() {
        assert_eq!(broken(""), "");
        assert_eq!(broken("a, b and c"), "a, b and c");
        let (half, rest) = ("a".repeat(LINE / 2), "b".repeat(LINE / 2 - 1));
        assert_eq!(broken(&format!("{half} {rest} c")), format!("{half} {rest}\nc"));
        let long = "a".repeat(LINE + 1);
        assert_eq!(broken(&format!("{long}, {long}")), format!("{long},\n{long}"));
    }
}
