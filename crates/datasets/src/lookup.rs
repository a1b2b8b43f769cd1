//! Where a loader looks for its files, as it was told: [`Lookup`].

use std::path::{Path, PathBuf};

use crate::search::Search;

/// The settings that loaders have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lookup {
    folder: Option<PathBuf>,
    offline: bool,
}

impl Lookup {
    pub(crate) const fn new() -> Self {
        Self { folder: None, offline: false }
    }

    pub(crate) fn set_folder(&mut self, folder: &Path) {
        self.folder = Some(folder.to_path_buf());
    }

    pub(crate) const fn set_offline(&mut self) {
        self.offline = true;
    }

    pub(crate) fn search(&self) -> Search {
        let search = Search::new(self.folder.as_deref());
        if self.offline { search.offline() } else { search }
    }
}

/// The setters of a loader whose field, or field of a field, is a [`Lookup`].
macro_rules! lookup_setters {
    ($($field:tt).+) => {
        /// Sets the only folder to look in; then a missing file is an error, and nothing is
        /// downloaded.
        #[must_use]
        pub fn folder(mut self, folder: impl AsRef<std::path::Path>) -> Self {
            self.$($field).+.set_folder(folder.as_ref());
            self
        }

        /// Downloads nothing, as `DECKLE_OFFLINE=1` does for all data sets.
        #[must_use]
        pub const fn offline(mut self) -> Self {
            self.$($field).+.set_offline();
            self
        }
    };
}

pub(crate) use lookup_setters;
