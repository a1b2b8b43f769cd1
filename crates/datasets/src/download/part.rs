//! A file that has not come whole yet: [`Part`].

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// The beginning of a file, and from which version of which address it is.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Part {
    /// Opens what has come, if anything has.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(false).open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { file, path: path.to_path_buf(), len })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of bytes that have come.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Forgets what has come.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if self.len > 0 {
            self.file.set_len(0)?;
            self.len = 0;
        }
        Ok(())
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// The SHA-256 sum of what has come.
    pub(super) fn sum(&mut self) -> io::Result<String> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut left = self.len;
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match self.file.read(&mut buffer[..most]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    hash.update(&buffer[..read]);
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The file that holds address and tag.
    fn tag_path(&self) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(".etag");
        name.into()
    }

    /// The server's tag of the version that has come, if it is from this address.
    pub(super) fn tag(&self, url: &str) -> Option<String> {
        let text = fs::read_to_string(self.tag_path()).ok()?;
        let (from, tag) = text.split_once('\n')?;
        (from == url).then(|| tag.to_owned())
    }

    /// Keeps the tag for the next time; a weak one says nothing of bytes.
    pub(super) fn set_tag(&self, url: &str, tag: Option<&str>) {
        let path = self.tag_path();
        // Without a tag the sum tells all the same, only later.
        drop(match tag.filter(|tag| tag.starts_with('"')) {
            Some(tag) => fs::write(path, format!("{url}\n{tag}")),
            None => fs::remove_file(path),
        });
    }

    /// Leaves nothing behind where nothing has come.
    pub(super) fn remove_if_empty(&self) {
        if self.len == 0 && self.file.metadata().is_ok_and(|data| data.is_file()) {
            // It would do no harm.
            drop(fs::remove_file(&self.path));
            drop(fs::remove_file(self.tag_path()));
        }
    }

    /// Brings the bytes to the disk and gives them their name.
    pub(super) fn commit(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        drop(fs::remove_file(self.tag_path()));
        let Self { file, path: part, .. } = self;
        drop(file);
        fs::rename(part, path)
    }
}
