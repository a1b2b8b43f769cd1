//! Whole files, read at once and replaced at once.

use std::{fs, io::Write, path::Path};

use deckle_tensor::AtomicFile;

use crate::{Error, Result};

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::io(path, error))
}

/// Replaces the file at `path` by `bytes`, or leaves what was there untouched.
///
/// As an [`AtomicFile`], written at once.
///
/// # Errors
///
/// If the folder does not exist or cannot be written, or the disk is full.
///
/// # Examples
///
/// ```
/// let path = std::env::temp_dir().join("deckle-write-atomically.txt");
/// deckle_formats::write_atomically(&path, b"old")?;
/// deckle_formats::write_atomically(&path, b"new")?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"new");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), deckle_formats::Error>(())
/// ```
pub fn write_atomically(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let write = || {
        let mut file = AtomicFile::create(path)?;
        file.write_all(bytes).map_err(|error| file.error(error))?;
        file.commit()
    };
    write().map_err(|error| match error {
        deckle_tensor::Error::Io { error, .. } => Error::io(path, error),
        error => Error::new(error),
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let scratch = TempDir::new().unwrap();
        let folder = scratch.path();
        let occupied = folder.join("occupied");
        fs::create_dir(&occupied).unwrap();
        let error = write_atomically(&occupied, b"new").unwrap_err();
        assert!(error.to_string().ends_with("occupied: cannot be read or written"));
        let error = write_atomically(folder.join("absent/file"), b"new").unwrap_err();
        assert!(error.to_string().ends_with("file: cannot be read or written"));
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    }

    #[test]
    fn a_write_replaces_the_file_and_leaves_no_other() {
        let scratch = TempDir::new().unwrap();
        let folder = scratch.path();
        let path = folder.join("file");
        // Left behind by a process that was killed.
        fs::write(folder.join(".file.0.tmp"), b"half").unwrap();
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder).unwrap().count(), 2);
    }

    #[test]
    fn a_name_may_be_as_long_as_the_system_allows() {
        let scratch = TempDir::new().unwrap();
        let folder = scratch.path();
        let path = folder.join("n".repeat(255));
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_stays_a_pipe() {
        use std::os::unix::fs::FileTypeExt;

        let scratch = TempDir::new().unwrap();
        let folder = scratch.path();
        let path = folder.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        if made.is_ok_and(|status| status.success()) {
            let reader = std::thread::spawn({
                let path = path.clone();
                move || fs::read(path)
            });
            write_atomically(&path, b"new").unwrap();
            assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
            assert_eq!(reader.join().unwrap().unwrap(), b"new");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_still_points_to_the_file_after_a_write() {
        let scratch = TempDir::new().unwrap();
        let folder = scratch.path();
        fs::write(folder.join("file"), b"old").unwrap();
        std::os::unix::fs::symlink(folder.join("file"), folder.join("link")).unwrap();
        write_atomically(folder.join("link"), b"new").unwrap();
        assert!(folder.join("link").is_symlink());
        assert_eq!(fs::read(folder.join("file")).unwrap(), b"new");
    }
}
