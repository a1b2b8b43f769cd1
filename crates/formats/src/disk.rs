//! Whole files, read at once and replaced at once.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::io(path, error))
}

/// Replaces the file at `path` by `bytes`, or leaves what was there untouched.
///
/// The bytes go to a temporary file in the same folder, which is synchronized and then renamed.
/// A symbolic link is followed; permissions of a file that was there are kept. What is no file,
/// such as a pipe or a device, is written to as it is; a file that is read-only is not replaced.
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
    replace(path, bytes).map_err(|error| Error::io(path, error))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if fs::metadata(path).is_ok_and(|old| !old.is_file() && !old.is_dir()) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    if fs::metadata(path).is_ok_and(|old| old.is_file() && old.permissions().readonly()) {
        return Err(ErrorKind::PermissionDenied.into());
    }
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let (temporary, mut file) = create_beside(&target)?;
    let result = (|| {
        file.write_all(bytes)?;
        if let Ok(old) = fs::metadata(&target) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, &target)
    })();
    if result.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        return result;
    }
    sync_folder(&target);
    Ok(())
}

/// A new file in the folder of `target`; the first name that is free.
fn create_beside(target: &Path) -> std::io::Result<(PathBuf, File)> {
    let name = target.file_name().ok_or(ErrorKind::InvalidFilename)?;
    // A name may have 255 bytes.
    let name = if name.len() <= 240 { name } else { "deckle".as_ref() };
    for number in 0..1000 {
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{number}.tmp"));
        let temporary = target.with_file_name(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            result => return result.map(|file| (temporary, file)),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Makes the rename durable where a folder can be synchronized; elsewhere it already is, or
/// nothing can be done.
fn sync_folder(target: &Path) {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder of this test's own.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir()
            .join(format!("deckle-formats-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let folder = folder("failed");
        let occupied = folder.join("occupied");
        fs::create_dir(&occupied).unwrap();
        let error = write_atomically(&occupied, b"new").unwrap_err();
        assert!(error.to_string().ends_with("occupied: cannot be read or written"));
        let error = write_atomically(folder.join("absent/file"), b"new").unwrap_err();
        assert!(error.to_string().ends_with("file: cannot be read or written"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_write_replaces_the_file_and_leaves_no_other() {
        let folder = folder("replaced");
        let path = folder.join("file");
        // Left behind by a process that was killed.
        fs::write(folder.join(".file.0.tmp"), b"half").unwrap();
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_stays_a_pipe() {
        use std::os::unix::fs::FileTypeExt;

        let folder = folder("pipe");
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
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_still_points_to_the_file_after_a_write() {
        let folder = folder("linked");
        fs::write(folder.join("file"), b"old").unwrap();
        std::os::unix::fs::symlink(folder.join("file"), folder.join("link")).unwrap();
        write_atomically(folder.join("link"), b"new").unwrap();
        assert!(folder.join("link").is_symlink());
        assert_eq!(fs::read(folder.join("file")).unwrap(), b"new");
        fs::remove_dir_all(folder).unwrap();
    }
}
