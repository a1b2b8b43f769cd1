//! Cases that real Keras computed, run through the program `deckle`: [`Checker`].
//!
//! A case is a folder with `model.keras`, `data.npz` and `case.json`; `tools/golden/write_cases.py`
//! says what they hold. The error of a number is `|ours - theirs| / (1 + |theirs|)`, and the
//! largest one counts.
#![forbid(unsafe_code)]

mod checker;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

pub use checker::Checker;

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is within the tolerance.
    Passed,
    /// The model needs what Deckle does not have, as `layers Conv9D, Telepathy`.
    Missing(String),
    /// What is wrong.
    Failed(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("ok"),
            Self::Missing(what) => write!(f, "missing: {what}"),
            Self::Failed(why) => write!(f, "FAIL: {why}"),
        }
    }
}

/// The cases of a folder, by name: its folders that hold a `case.json`.
///
/// # Errors
///
/// If the folder cannot be read.
pub fn cases(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join("case.json").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The name of a case: its folder's.
#[must_use]
pub fn name(case: &Path) -> String {
    case.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
