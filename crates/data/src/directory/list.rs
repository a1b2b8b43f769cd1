//! Which files there are: [`List`].

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Entry, Kind, Place, Root, archive::Archive};
use crate::{Error, Result};

/// How files are looked for.
pub(super) struct List<'a> {
    pub(super) kind: &'a Kind,
    pub(super) follow_links: bool,
}

/// What was found.
pub(super) struct Found {
    pub(super) root: Root,
    pub(super) entries: Vec<Entry>,
    pub(super) classes: Vec<String>,
}

/// All files below a folder, by the folders below it that hold them.
type Tree = BTreeMap<String, Vec<(String, Place)>>;

impl List<'_> {
    /// The files of each class: of the subfolders, or of those that are named.
    pub(super) fn by_class(
        &self,
        directory: &Path,
        names: Option<&[String]>,
    ) -> Result<Found> {
        let (root, mut tree) = self.open(directory)?;
        let subfolders: Vec<String> = tree.keys().cloned().collect();
        let Kind { plural, .. } = self.kind;
        let classes = match names {
            None => subfolders.iter().filter(|name| !name.is_empty()).cloned().collect(),
            Some(names) => {
                if let Some(unknown) =
                    names.iter().find(|name| name.is_empty() || !tree.contains_key(*name))
                {
                    return Err(Error::file(
                        directory.display(),
                        format_args!("has no subfolder `{unknown}`"),
                    )
                    .expected("class_names that are subfolders, all or some")
                    .got(format_args!("the subfolders {}", listed(&subfolders))));
                }
                names.to_vec()
            }
        };
        if classes.is_empty() {
            return Err(Error::file(directory.display(), "has no subfolder")
                .expected(format_args!("a subfolder of {plural} for each class"))
                .help(format_args!("Labels::None reads {plural} without classes")));
        }
        let mut entries = Vec::new();
        for (label, class) in classes.iter().enumerate() {
            let files = tree.remove(class).unwrap_or_default();
            if files.is_empty() {
                return Err(Error::file(
                    directory.join(class).display(),
                    format_args!("the class has no {plural}"),
                )
                .expected(format_args!("files that end in {}", self.endings()))
                .help("remove the folder, or name the other classes: class_names"));
            }
            // Fits: there are far fewer folders.
            let label = label as i32;
            entries.extend(files.into_iter().map(|(name, place)| Entry {
                name,
                label,
                place,
            }));
        }
        Ok(Found { root, entries, classes })
    }

    /// All files, without classes.
    pub(super) fn all(&self, directory: &Path) -> Result<Found> {
        let (root, tree) = self.open(directory)?;
        let entries: Vec<_> = tree
            .into_values()
            .flatten()
            .map(|(name, place)| Entry { name, label: 0, place })
            .collect();
        if entries.is_empty() {
            let plural = self.kind.plural;
            return Err(Error::file(
                directory.display(),
                format_args!("has no {plural}"),
            )
            .expected(format_args!("files that end in {}", self.endings())));
        }
        Ok(Found { root, entries, classes: Vec::new() })
    }

    fn endings(&self) -> String {
        self.kind.endings.join(", ")
    }

    fn is_wanted(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.kind.endings.iter().any(|ending| name.ends_with(ending))
    }

    /// The files by subfolder, those of the folder itself under the empty name. A path into an
    /// archive is one to a folder.
    fn open(&self, directory: &Path) -> Result<(Root, Tree)> {
        if directory.is_dir() {
            return Ok((Root::Folder, self.folder(directory)?));
        }
        match directory.ancestors().find(|path| path.is_file()) {
            Some(file) => {
                let inner = directory.strip_prefix(file).unwrap_or(Path::new(""));
                self.archive(file, inner)
            }
            None => Err(Error::file(directory.display(), "there is no such folder")
                .expected(format_args!(
                    "a folder of {}, or a zip archive of one",
                    self.kind.plural
                ))),
        }
    }

    fn folder(&self, directory: &Path) -> Result<Tree> {
        let mut tree = Tree::new();
        let mut own = Vec::new();
        for (name, path) in children(directory)? {
            if path.is_dir() {
                if !name.starts_with('.') {
                    let mut files = Vec::new();
                    self.walk(&path, &mut files, &mut Vec::new())?;
                    files.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
                    let places = files.into_iter().map(|(_, _, path)| {
                        (path.display().to_string(), Place::Disk(path))
                    });
                    tree.insert(name, places.collect());
                }
            } else if self.is_wanted(&name) {
                own.push((path.display().to_string(), Place::Disk(path)));
            }
        }
        if !own.is_empty() {
            tree.insert(String::new(), own);
        }
        Ok(tree)
    }

    /// All files below a folder: the path of their folder, their name and their path.
    fn walk(
        &self,
        folder: &Path,
        into: &mut Vec<(String, String, PathBuf)>,
        above: &mut Vec<PathBuf>,
    ) -> Result<()> {
        // A link to a folder above would lead around for ever.
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        if above.contains(&real) {
            return Ok(());
        }
        above.push(real);
        for (name, path) in children(folder)? {
            if path.is_dir() {
                if self.follow_links || !path.is_symlink() {
                    self.walk(&path, into, above)?;
                }
            } else if self.is_wanted(&name) {
                into.push((folder.display().to_string(), name, path));
            }
        }
        above.pop();
        Ok(())
    }

    fn archive(&self, file: &Path, inner: &Path) -> Result<(Root, Tree)> {
        let (archive, members) =
            Archive::open(file, "a folder, or a zip archive of one")?;
        let mut prefix = String::new();
        for step in inner {
            prefix.push_str(&step.to_string_lossy());
            prefix.push('/');
        }
        let mut tree = Tree::new();
        let mut sorted = Vec::new();
        let mut is_there = prefix.is_empty();
        for (name, member) in members {
            let Some(rest) = name.strip_prefix(&prefix) else {
                continue;
            };
            is_there = true;
            let (class, below) = rest.split_once('/').unwrap_or(("", rest));
            // What macOS keeps of files beside them.
            if class.starts_with('.') || class == "__MACOSX" {
                continue;
            }
            if !class.is_empty() {
                tree.entry(class.to_owned()).or_default();
            }
            if self.is_wanted(below) {
                let (folder, own) = rest.rsplit_once('/').unwrap_or(("", rest));
                sorted.push((
                    folder.to_owned(),
                    own.to_owned(),
                    class.to_owned(),
                    member,
                ));
            }
        }
        if !is_there {
            return Err(Error::file(
                file.display(),
                format_args!("the archive has no folder `{}`", inner.display()),
            ));
        }
        sorted.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        for (folder, own, class, member) in sorted {
            let path = file.join(inner).join(folder).join(own);
            let place = Place::Member(member);
            tree.entry(class).or_default().push((path.display().to_string(), place));
        }
        Ok((Root::Zip(Arc::new(archive)), tree))
    }
}

/// What lies in a folder, by name.
fn children(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let failed =
        |error| Error::file(folder.display(), "the folder cannot be read").got(error);
    let mut children = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        children.push((name, entry.path()));
    }
    children.sort();
    Ok(children)
}

fn listed(names: &[String]) -> String {
    let all: Vec<_> = names.iter().filter(|name| !name.is_empty()).cloned().collect();
    if all.is_empty() { "(none)".to_owned() } else { all.join(", ") }
}
