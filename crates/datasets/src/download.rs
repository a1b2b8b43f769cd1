//! Files from the network: [`fetch`].
//!
//! Bytes go to `NAME.part`, from where a download that was broken off goes on. A file gets its name
//! when its SHA-256 sum is right and all files that were asked for are there, so that a folder has
//! all of them or none, unless the program is killed between two names. A lock keeps other processes
//! off meanwhile.

use std::{
    fs::{self, File, TryLockError},
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use ureq::{Agent, Proxy, http::StatusCode};

use crate::{
    Error, Info, Remote, Result,
    search::{all_of, existing},
};

mod part;
#[cfg(test)]
mod server;
mod unreachable;

use part::Part;
use unreachable::Unreachable;

/// No file of a data set is longer, whatever a server says.
const MAX_BYTES: u64 = 1 << 30;

/// How often a server may break off a file and be asked for the rest.
const MAX_BREAKS: usize = 8;

/// The servers that could not be reached.
static UNREACHABLE: Unreachable = Unreachable::new();

/// Brings files into a folder; those that are there already are left alone.
///
/// # Errors
///
/// If one of them can be had from no server, or the folder cannot be written to. What has come is
/// kept for the next time.
pub(crate) fn fetch(info: &Info, files: &[Remote], folder: &Path) -> Result<()> {
    let fetched = Downloader::new(&UNREACHABLE).fetch(files, folder);
    fetched.map_err(|failure| failure.into_error(info, folder))
}

/// Asks servers for files.
struct Downloader<'a> {
    agent: Agent,
    /// Who is not asked for a while.
    unreachable: &'a Unreachable,
    /// Whether somebody watches.
    is_watched: bool,
}

/// What kept a server from giving a file, with the server's or the file's name.
#[derive(Debug)]
enum Problem {
    /// A file here cannot be read or written.
    Local(String),
    /// No connection to this server, and why.
    Unreachable(String, String),
    /// The server broke off; it may be asked for the rest.
    Broken(String),
    /// The server answered something else.
    Wrong(String),
}

/// A file that could not be downloaded.
#[derive(Debug)]
struct Failure {
    file: Remote,
    problems: Vec<Problem>,
    /// The number of bytes that have come.
    kept: u64,
}

impl Failure {
    fn local(file: Remote, path: &Path, error: &io::Error) -> Self {
        Self { file, problems: vec![Problem::local(path, error)], kept: 0 }
    }

    fn into_error(self, info: &Info, folder: &Path) -> Error {
        let Self { file, problems, kept } = self;
        let path = folder.join(file.name);
        let mut help = format!("put the file here: {}", path.display());
        if problems.iter().any(|problem| matches!(problem, Problem::Unreachable(..))) {
            help = format!("{help}\nit is at {}", file.urls.join("\nor at "));
        }
        if kept > 0 {
            help = format!(
                "{help}\nthe {kept} bytes that have come are kept, for the next time"
            );
        }
        Error::Download {
            name: info.name,
            file: file.name,
            problems: Problem::texts(problems),
            sha256: file.sha256,
            help,
        }
    }
}

impl Problem {
    /// What is wrong, a text each; what is the same for several servers is said once.
    fn texts(problems: Vec<Self>) -> Vec<String> {
        // Servers, if only they are the matter, and what is wrong.
        let mut all: Vec<(Vec<String>, String)> = Vec::new();
        for problem in problems {
            let (host, text) = match problem {
                Self::Local(text) | Self::Broken(text) | Self::Wrong(text) => {
                    all.push((Vec::new(), text));
                    continue;
                }
                Self::Unreachable(host, why) => (host, why),
            };
            match all.iter_mut().find(|(hosts, why)| !hosts.is_empty() && *why == text) {
                Some((hosts, _)) if hosts.contains(&host) => {}
                Some((hosts, _)) => hosts.push(host),
                None => all.push((vec![host], text)),
            }
        }
        let text = |(hosts, text): (Vec<String>, String)| match &hosts[..] {
            [] => text,
            hosts => format!("{}: {text}", all_of(hosts)),
        };
        all.into_iter().map(text).collect()
    }

    fn local(path: &Path, error: &io::Error) -> Self {
        Self::Local(format!("{}: {error}", path.display()))
    }

    fn of_request(url: &str, error: &ureq::Error) -> Self {
        use ureq::{Error, Timeout};
        match error {
            Error::HostNotFound
            | Error::ConnectionFailed
            | Error::ConnectProxyFailed(_)
            | Error::Io(_)
            | Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                let why = format!("cannot be reached: {error}");
                Self::Unreachable(host(url).to_owned(), why)
            }
            _ => Self::Wrong(format!("{url}: {error}")),
        }
    }
}

impl<'a> Downloader<'a> {
    fn new(unreachable: &'a Unreachable) -> Self {
        // Tests have their server on this machine, and ask no other.
        let proxy = if cfg!(test) { None } else { Proxy::try_from_env() };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(proxy)
            // The sum is that of the bytes as they are stored.
            .accept_encoding("identity")
            .user_agent(concat!("deckle/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(seconds(4))
            .timeout_connect(seconds(5))
            .timeout_recv_response(seconds(20))
            .timeout_per_read(seconds(20))
            .build();
        let is_watched = !cfg!(test) && io::stderr().is_terminal();
        Self { agent: Agent::new_with_config(config), unreachable, is_watched }
    }

    fn fetch(&self, files: &[Remote], folder: &Path) -> Result<(), Failure> {
        let Some(&first) = files.first() else { return Ok(()) };
        let lock = self
            .lock(folder)
            .map_err(|(path, error)| Failure::local(first, &path, &error))?;
        let fetched = self.fetch_all(files, folder);
        if fetched.is_err() {
            lock.remove_if_alone(folder);
        }
        fetched
    }

    /// Brings the files while others are kept off.
    fn fetch_all(&self, files: &[Remote], folder: &Path) -> Result<(), Failure> {
        let mut parts = Vec::new();
        for &file in files {
            // Another process may have brought it meanwhile.
            if existing(folder, file.name).is_some() {
                continue;
            }
            let path = folder.join(format!("{}.part", file.name));
            let mut part =
                Part::open(&path).map_err(|error| Failure::local(file, &path, &error))?;
            self.bring(&file, &mut part).map_err(|problems| {
                let kept = part.len();
                part.remove_if_empty();
                Failure { file, problems, kept }
            })?;
            parts.push((file, part));
        }
        for (file, part) in parts {
            let path = folder.join(file.name);
            part.commit(&path).map_err(|error| Failure::local(file, &path, &error))?;
        }
        Ok(())
    }

    /// Brings the bytes of one file, from the first server that has them.
    fn bring(&self, file: &Remote, part: &mut Part) -> Result<(), Vec<Problem>> {
        // It may have come, and others with it not.
        if sum(part).map_err(|problem| vec![problem])? == file.sha256 {
            return Ok(());
        }
        let mut problems = Vec::new();
        for url in file.urls {
            if let Some(why) = self.unreachable.why(host(url), Instant::now()) {
                problems.push(Problem::Unreachable(host(url).to_owned(), why));
                continue;
            }
            match self.bring_from(url, file, part) {
                Ok(()) => return Ok(()),
                Err(problem @ Problem::Local(_)) => return Err(vec![problem]),
                Err(problem) => {
                    if let Problem::Unreachable(host, _) = &problem {
                        self.unreachable.add(host, Instant::now());
                    }
                    problems.push(problem);
                }
            }
        }
        Err(problems)
    }

    /// Asks one server, again while it breaks off and each time gives more.
    fn bring_from(
        &self,
        url: &str,
        file: &Remote,
        part: &mut Part,
    ) -> Result<(), Problem> {
        let mut breaks = 0;
        loop {
            let had = part.len();
            match self.request(url, file, part) {
                Ok(kept) => {
                    let sum = sum(part)?;
                    if sum == file.sha256 {
                        return Ok(());
                    }
                    let len = part.len();
                    clear(part)?;
                    // What was there may have been the beginning of something else.
                    if !kept {
                        return Err(Problem::Wrong(format!(
                            "{url}: gives {len} bytes with the SHA-256 sum {sum}"
                        )));
                    }
                }
                Err(problem @ Problem::Broken(_)) => {
                    breaks += 1;
                    if part.len() <= had || breaks > MAX_BREAKS {
                        return Err(problem);
                    }
                }
                Err(problem) => return Err(problem),
            }
        }
    }

    /// Asks for what is missing of a file; whether what was there is its beginning.
    fn request(
        &self,
        url: &str,
        file: &Remote,
        part: &mut Part,
    ) -> Result<bool, Problem> {
        let mut request = self.agent.get(url);
        if part.len() > 0 {
            request = request.header("range", format!("bytes={}-", part.len()));
            if let Some(tag) = part.tag(url) {
                request = request.header("if-range", tag);
            }
        }
        // The first answer may take a while, or be none.
        let asking = self.note(&format!("{} from {}", file.name, host(url)));
        let response = request.call();
        asking.finish_and_clear();
        let response = response.map_err(|error| Problem::of_request(url, &error))?;
        let header = |name| {
            let value = response.headers().get(name);
            value.and_then(|value| value.to_str().ok())
        };
        let resumes = match response.status() {
            StatusCode::OK => false,
            StatusCode::PARTIAL_CONTENT
                if part.len() > 0
                    && begin(header("content-range")) == Some(part.len()) =>
            {
                true
            }
            // Not the bytes that were asked for, or there are none.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE
                if part.len() > 0 =>
            {
                clear(part)?;
                return self.request(url, file, part);
            }
            status => return Err(Problem::Wrong(format!("{url}: answers {status}"))),
        };
        if !resumes {
            clear(part)?;
            part.set_tag(url, header("etag"));
        }
        let rest = response.body().content_length();
        let total = rest.map(|rest| part.len().saturating_add(rest));
        let too_long =
            || Problem::Wrong(format!("{url}: gives more than {MAX_BYTES} bytes"));
        if total.is_some_and(|total| total > MAX_BYTES) {
            return Err(too_long());
        }
        let bar = self.bar(file.name, total).with_position(part.len());
        bar.reset_eta();
        let mut reader = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        let broken = |len: u64, why: &str| {
            Problem::Broken(format!("{url}: breaks off after {len} bytes{why}"))
        };
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(part.len(), &format!(": {error}"))),
            };
            if part.len() + read as u64 > MAX_BYTES {
                return Err(too_long());
            }
            part.append(&buffer[..read])
                .map_err(|error| Problem::local(part.path(), &error))?;
            bar.set_position(part.len());
        }
        if total.is_some_and(|total| total != part.len()) {
            return Err(broken(part.len(), ""));
        }
        bar.abandon();
        Ok(resumes)
    }

    /// A line that shows how far something has come, if somebody watches.
    fn bar(&self, what: &str, total: Option<u64>) -> ProgressBar {
        let (bar, template) = match total {
            _ if !self.is_watched => return ProgressBar::hidden(),
            Some(total) => (
                ProgressBar::new(total),
                "{msg} {bytes}/{total_bytes} {bar:20} {bytes_per_sec} {eta}",
            ),
            None => (ProgressBar::no_length(), "{msg} {bytes} {bytes_per_sec}"),
        };
        bar.with_style(style(template)).with_message(what.to_owned())
    }

    /// A line that says what is waited for, if somebody watches.
    fn note(&self, what: &str) -> ProgressBar {
        let bar = self.bar(what, None).with_style(style("{msg}"));
        bar.tick();
        bar
    }

    /// Makes the folder, and waits until no other process downloads into it.
    fn lock(&self, folder: &Path) -> Result<Lock, (PathBuf, io::Error)> {
        // Where files have no number that lasts, each lock looks like one that was removed.
        for _ in 0..1000 {
            match self.try_lock(folder) {
                Ok(lock) if !lock.is_removed(&folder.join(Lock::NAME)) => {
                    return Ok(lock);
                }
                Ok(_) => {}
                Err((path, error)) => {
                    use io::ErrorKind::{AlreadyExists, NotFound};
                    // Who gave up may have removed the folder just now.
                    if !matches!(error.kind(), AlreadyExists | NotFound) {
                        return Err((path, error));
                    }
                }
            }
        }
        self.try_lock(folder)
    }

    fn try_lock(&self, folder: &Path) -> Result<Lock, (PathBuf, io::Error)> {
        fs::create_dir_all(folder).map_err(|error| (folder.to_path_buf(), error))?;
        let path = folder.join(Lock::NAME);
        let failed = |error| (path.clone(), error);
        let file = File::create(&path).map_err(failed)?;
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            let waiting = self.note("another program downloads these files");
            let locked = file.lock();
            waiting.finish_and_clear();
            locked.map_err(failed)?;
        }
        // Some file systems have no locks. The sums are compared there, too.
        Ok(Lock(file))
    }
}

/// What keeps other processes off a folder; it ends with the file.
struct Lock(File);

impl Lock {
    const NAME: &str = ".lock";

    /// Whether who had it removed it, so that others may have made another: whoever has the lock
    /// alone removes it, and does so before it ends.
    #[cfg(unix)]
    fn is_removed(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        match (self.0.metadata(), fs::metadata(path)) {
            (Ok(own), Ok(there)) => number(own) != number(there),
            (_, there) => there.is_err(),
        }
    }

    /// Removes a folder to which nothing has come, so that nothing is taken to be there.
    #[cfg(unix)]
    fn remove_if_alone(self, folder: &Path) {
        let is_other = |entry: io::Result<fs::DirEntry>| {
            entry.map_or(true, |entry| entry.file_name() != Self::NAME)
        };
        if fs::read_dir(folder).is_ok_and(|mut entries| !entries.any(is_other)) {
            // Where that cannot be done, an empty file stays.
            let _ = fs::remove_file(folder.join(Self::NAME));
            let _ = fs::remove_dir(folder);
        }
        drop(self.0);
    }

    /// Elsewhere, a lock cannot be told from one that was removed, so none is.
    #[cfg(not(unix))]
    fn is_removed(&self, _: &Path) -> bool {
        false
    }

    #[cfg(not(unix))]
    fn remove_if_alone(self, _: &Path) {}
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─")
}

/// The server that an address names.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn sum(part: &mut Part) -> Result<String, Problem> {
    part.sum().map_err(|error| Problem::local(part.path(), &error))
}

fn clear(part: &mut Part) -> Result<(), Problem> {
    part.clear().map_err(|error| Problem::local(part.path(), &error))
}

/// Where the bytes begin of which a `Content-Range` such as `bytes 300-999/1000` speaks.
fn begin(range: Option<&str>) -> Option<u64> {
    range?.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
