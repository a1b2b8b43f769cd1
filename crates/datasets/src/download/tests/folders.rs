//! The folders that downloads come to: their locks, their disk, and what looks for files in them.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::*;
use crate::search::{Files, Network, Search};

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let scratch = Scratch::new();
    let file = scratch.write("file", b"");
    let server = Server::new(|_, _| panic!("nothing to ask for"));
    let wanted = remote("a", b"x", &[server.url("a")]);
    let error = run(&file.join("mnist"), &[wanted], &[]).unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert!(lines[2].starts_with("       got: DIR: "), "{error}");
    assert_eq!(lines[3], "      help: put the file here: DIR/a");
}

#[cfg(unix)]
#[test]
fn a_folder_to_which_nothing_came_does_not_stay() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("mnist");
    let server = Server::new(|_, _| not_found());
    let file = remote("a", b"x", &[server.url("a")]);
    run(&folder, &[file], &[]).unwrap_err();
    assert!(!folder.exists());

    // What is there stays.
    scratch.write("mnist/b", b"");
    run(&folder, &[file], &[]).unwrap_err();
    assert_eq!(names(&folder), ["b"]);

    // So does what has come.
    let server = Server::new(|_, _| cut(b"xyz", 2));
    let folder = scratch.path().join("other");
    run(&folder, &[remote("a", b"xyz", &[server.url("a")])], &[]).unwrap_err();
    assert_eq!(names(&folder)[0], "a.part");
}

/// Who waited for a lock that was then removed makes another.
#[cfg(unix)]
#[test]
fn a_lock_that_was_removed_keeps_nobody_off() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("mnist");
    let first = Downloader::new(&Unreachable::new()).lock(&folder).unwrap();
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let lock =
                        Downloader::new(&Unreachable::new()).lock(&folder).unwrap();
                    let others = inside.fetch_add(1, Ordering::SeqCst);
                    most.fetch_max(others, Ordering::SeqCst);
                    assert!(folder.join(Lock::NAME).exists());
                    inside.fetch_sub(1, Ordering::SeqCst);
                    lock.remove_if_alone(&folder);
                }
            });
        }
        first.remove_if_alone(&folder);
    });
    assert_eq!(most.into_inner(), 0);
    assert!(!folder.exists());
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = Scratch::new();
    let server = Server::new(|_, _| whole(b"x"));
    let mode =
        |mode| fs::set_permissions(scratch.path(), fs::Permissions::from_mode(mode));
    mode(0o555).unwrap();
    let result = run(scratch.path(), &[remote("a", b"x", &[server.url("a")])], &[]);
    mode(0o755).unwrap();
    match result {
        // The superuser may write everywhere.
        Ok(()) => has(&scratch, "a", b"x"),
        Err(error) => {
            assert!(error.contains("got: DIR/.lock: Permission denied"), "{error}");
            assert!(server.requests().is_empty());
        }
    }
}

/// `/dev/full` has no space for a single byte.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    std::os::unix::fs::symlink("/dev/full", scratch.path().join("a.part")).unwrap();
    let all = bytes.clone();
    let server = Server::new(move |_, _| whole(&all));
    // Another server would find the disk as full.
    let file = remote("a", &bytes, &[server.url("a"), server.url("b")]);
    assert_eq!(
        run(scratch.path(), &[file], &[&server]).unwrap_err(),
        format!(
            "MNIST: a could not be downloaded\n  expected: a file with the SHA-256 sum {}\n       \
             got: DIR/a.part: No space left on device (os error 28)\n      help: put the file \
             here: DIR/a",
            file.sha256
        )
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn two_at_once_download_once() {
    let (scratch, bytes) = (Scratch::new(), body(100_000));
    let all = bytes.clone();
    let server = Server::new(move |number, request| match number {
        0 => cut(&all, 40_000),
        _ => rest(request, &all),
    });
    let file = remote("a", &bytes, &[server.url("a")]);
    thread::scope(|scope| {
        let runs: Vec<_> =
            (0..4).map(|_| scope.spawn(|| run(scratch.path(), &[file], &[]))).collect();
        for run in runs {
            run.join().unwrap().unwrap();
        }
    });
    has(&scratch, "a", &bytes);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn what_is_nowhere_is_brought_into_the_cache() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    let all = bytes.clone();
    let server = Server::new(move |_, _| whole(&all));
    let downloads =
        ["a.gz", "b.gz"].map(|name| remote(name, &bytes, &[server.url(name)]));
    let info = Info { downloads: Box::leak(Box::new(downloads)), ..mnist::INFO };
    const FILES: Files = Files::whole(&[&["other.npz"], &["a.gz", "b.gz"]]);
    let cache = scratch.path().join("cache");
    let search = Search {
        data_dir: Some(scratch.path().join("data")),
        cache: Some(cache.clone()),
        network: Network::Allowed,
        ..Search::default()
    };
    // What may not be downloaded is not.
    assert!(search.clone().offline().obtain(&info, &FILES).unwrap().is_none());
    assert!(!cache.exists());
    let found = search.obtain(&info, &FILES).unwrap().unwrap();
    assert_eq!(found.folder, cache.join("mnist"));
    assert_eq!(found.paths, ["a.gz", "b.gz"].map(|name| cache.join("mnist").join(name)));
    assert_eq!(server.requests().len(), 2);
    // One that was removed comes again, and it alone.
    fs::remove_file(&found.paths[1]).unwrap();
    assert!(search.clone().offline().obtain(&info, &FILES).is_err());
    assert_eq!(search.obtain(&info, &FILES).unwrap().unwrap(), found);
    assert_eq!(server.requests()[0].path(), "/b.gz");
    // What is there is taken from there, and what is not whole elsewhere is an error.
    scratch.write("data/a.gz", b"");
    assert!(search.obtain(&info, &FILES).is_err());
    scratch.write("data/b.gz", b"");
    let found = search.obtain(&info, &FILES).unwrap().unwrap();
    assert_eq!(found.folder, scratch.path().join("data"));
    assert!(server.requests().is_empty());
}
