//! Files that appear whole or not at all: [`AtomicFile`].

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// A file that takes its name only when it is complete.
///
/// Bytes go to a temporary file beside the target. [`commit`](Self::commit) brings them to the
/// disk and then renames the file, so a crash leaves the old file or the new one, never half of
/// one. Dropped without a commit, it leaves nothing. A symbolic link is followed; permissions of a
/// file that was there are kept. What is no file, such as a pipe or a device,
/// is written to as it is; a file that is read-only is not replaced.
///
/// # Examples
///
/// ```
/// use std::io::Write;
///
/// use deckle_tensor::AtomicFile;
///
/// # let folder = std::env::temp_dir().join(format!("deckle-atomic-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).map_err(|error| deckle_tensor::Error::io("folder", error))?;
/// let path = folder.join("numbers.txt");
/// let mut file = AtomicFile::create(&path)?;
/// file.write_all(b"1 2 3").map_err(|error| file.error(error))?;
/// assert!(!path.exists());
/// file.commit()?;
/// assert!(path.exists());
/// # std::fs::remove_dir_all(&folder).map_err(|error| deckle_tensor::Error::io("folder", error))?;
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "without a commit, nothing is written"]
pub struct AtomicFile {
    writer: BufWriter<File>,
    /// None if the target is no file.
    temporary: Option<PathBuf>,
    target: PathBuf,
    committed: bool,
}

impl AtomicFile {
    /// Opens a temporary file beside `path`.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to, or `path` names no file.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        // A link stays a link: what it leads to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let fail = |error| Error::io(path.display(), error);
        if fs::metadata(path).is_ok_and(|old| !old.is_file() && !old.is_dir()) {
            let file = OpenOptions::new().write(true).open(path).map_err(fail)?;
            let writer = BufWriter::with_capacity(1 << 16, file);
            let target = path.to_path_buf();
            return Ok(Self { writer, temporary: None, target, committed: false });
        }
        if fs::metadata(path)
            .is_ok_and(|old| old.is_file() && old.permissions().readonly())
        {
            return Err(fail(io::ErrorKind::PermissionDenied.into()));
        }
        let name = target.file_name().ok_or_else(|| {
            fail(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))
        })?;
        // A name may have 255 bytes, and the temporary one is longer.
        let name = if name.len() <= 220 { name } else { "deckle".as_ref() };
        for attempt in 0u32.. {
            let mut temporary = std::ffi::OsString::from(".");
            temporary.push(name);
            temporary.push(format!(".{}-{attempt}.tmp", std::process::id()));
            let temporary = target.with_file_name(temporary);
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => {
                    let writer = BufWriter::with_capacity(1 << 16, file);
                    let temporary = Some(temporary);
                    return Ok(Self { writer, temporary, target, committed: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(fail(error)),
            }
        }
        Err(fail(io::ErrorKind::AlreadyExists.into()))
    }

    /// Brings all bytes to the disk, and gives the file its name.
    ///
    /// # Errors
    ///
    /// If the disk is full, or the file cannot be renamed; the target is then unchanged.
    pub fn commit(mut self) -> Result<()> {
        self.try_commit().map_err(|error| self.error(error))
    }

    fn try_commit(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        let Some(temporary) = &self.temporary else { return Ok(()) };
        let file = self.writer.get_ref();
        if let Ok(old) = fs::metadata(&self.target) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        fs::rename(temporary, &self.target)?;
        self.committed = true;
        // The new name is on the disk only when its folder is. Not every system can do that.
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
            drop(folder.sync_all());
        }
        Ok(())
    }

    /// An error of the system, with the file's name.
    #[must_use]
    pub fn error(&self, error: io::Error) -> Error {
        Error::io(self.target.display(), error)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let (Some(temporary), false) = (&self.temporary, self.committed) {
            // There is nobody to tell if the rest cannot be removed.
            drop(fs::remove_file(temporary));
        }
    }
}
