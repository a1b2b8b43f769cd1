//! Downloads from a server on this machine, which answers as it is told.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    server::{Request, Server, answer, body, cut, not_found, rest, whole},
    *,
};
use crate::{mnist, scratch::Scratch};

mod folders;

fn sum_of(bytes: &[u8]) -> String {
    let scratch = Scratch::new();
    Part::open(&scratch.write("part", bytes)).unwrap().sum().unwrap()
}

/// A file with the sum of these bytes, to be had from there.
fn remote(name: &'static str, bytes: &[u8], urls: &[String]) -> Remote {
    let urls: Vec<&str> = urls.iter().map(|url| &*url.clone().leak()).collect();
    Remote::new(name, sum_of(bytes).leak(), "a test", urls.leak())
}

/// What is downloaded into a folder, or the error with the folder as `DIR` and servers as their
/// number.
fn run(folder: &Path, files: &[Remote], servers: &[&Server]) -> Result<(), String> {
    fetch_with(&Unreachable::new(), folder, files, servers)
}

/// As [`run`], where servers may be known to be out of reach.
fn fetch_with(
    unreachable: &Unreachable,
    folder: &Path,
    files: &[Remote],
    servers: &[&Server],
) -> Result<(), String> {
    Downloader::new(unreachable).fetch(files, folder).map_err(|failure| {
        let mut text = failure.into_error(&mnist::INFO, folder).to_string();
        text = text.replace(&folder.display().to_string(), "DIR");
        for (number, server) in servers.iter().enumerate() {
            text = text.replace(&server.address.to_string(), &format!("server-{number}"));
        }
        text
    })
}

/// The names in a folder, besides the lock's.
fn names(folder: &Path) -> Vec<String> {
    // A folder to which nothing came is removed.
    let entries = fs::read_dir(folder).into_iter().flatten();
    let entries = entries.map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries
        .map(|name| name.into_string().unwrap())
        .filter(|name| name != ".lock")
        .collect();
    names.sort();
    names
}

#[track_caller]
fn has(scratch: &Scratch, name: &str, bytes: &[u8]) {
    assert_eq!(names(scratch.path()), [name]);
    assert!(fs::read(scratch.path().join(name)).unwrap() == bytes);
}

#[test]
fn sums_are_those_of_sha_256() {
    // FIPS 180-2, appendix B.1.
    assert_eq!(
        sum_of(b"abc"),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(
        sum_of(b""),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn ranges_and_addresses_are_taken_apart() {
    for (range, from) in [
        (Some("bytes 300-999/1000"), Some(300)),
        (Some("bytes 0-0/*"), Some(0)),
        (Some("bytes */1000"), None),
        (Some("items 3-4/5"), None),
        (Some("bytes"), None),
        (None, None),
    ] {
        assert_eq!(begin(range), from, "{range:?}");
    }
    assert_eq!(host("https://a.b:80/c/d"), "a.b:80");
    assert_eq!(host("a"), "a");
}

#[test]
fn files_come_whole_and_only_once() {
    let (scratch, bytes) = (Scratch::new(), body(200_000));
    let (all, other) = (bytes.clone(), body(10));
    let server = Server::new(move |_, request| match request.path() {
        "/a" => whole(&all),
        path => panic!("{path}"),
    });
    let files = [
        remote("a.gz", &bytes, &[server.url("a")]),
        // There already, unpacked.
        remote("b.gz", &other, &[server.url("b")]),
    ];
    let folder = scratch.path().join("x/y");
    scratch.write("x/y/b", b"");
    run(&folder, &files, &[]).unwrap();
    assert_eq!(names(&folder), ["a.gz", "b"]);
    assert!(fs::read(folder.join("a.gz")).unwrap() == bytes);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
    assert_eq!(requests[0].header("range"), None);
    run(&folder, &files, &[]).unwrap();
    assert!(server.requests().is_empty());
    run(&folder, &[], &[]).unwrap();
}

#[test]
fn a_download_that_broke_off_goes_on() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    let all = bytes.clone();
    let server = Server::new(move |number, request| match number {
        0 => cut(&all, 300),
        // Breaks off again.
        1 => {
            let head = "206 Partial Content\r\nContent-Range: bytes 300-699/1000";
            answer(&format!("{head}\r\nContent-Length: 700"), &all[300..700])
        }
        _ => rest(request, &all),
    });
    run(scratch.path(), &[remote("a", &bytes, &[server.url("a")])], &[]).unwrap();
    has(&scratch, "a", &bytes);
    let requests = server.requests();
    let ranges: Vec<_> = requests.iter().map(|request| request.header("range")).collect();
    assert_eq!(ranges, [None, Some("bytes=300-"), Some("bytes=700-")]);
    let tags: Vec<_> =
        requests.iter().map(|request| request.header("if-range")).collect();
    assert_eq!(tags, [None, Some("\"v1\""), Some("\"v1\"")]);
}

#[test]
fn a_later_run_goes_on_where_the_last_one_stopped() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    let all = bytes.clone();
    let server = Server::new(move |number, request| match number {
        0 => cut(&all, 300),
        1 => cut(&[], 0),
        _ => rest(request, &all),
    });
    let file = remote("a", &bytes, &[server.url("a")]);
    let error = run(scratch.path(), &[file], &[&server]).unwrap_err();
    let sum = file.sha256;
    // The second answer was empty, so the server is not asked again.
    assert_eq!(
        error,
        format!(
            "MNIST: a could not be downloaded\n  expected: a file with the SHA-256 sum {sum}\n       \
             got: http://server-0/a: gives 0 bytes with the SHA-256 sum {}\n      help: put the \
             file here: DIR/a",
            sum_of(b"")
        )
    );
    server.requests();
    drop(server);

    let all = bytes.clone();
    let server = Server::new(move |number, request| match number {
        0 => cut(&all, 400),
        // Nothing more comes: a server that is broken for good.
        1 => answer(
            "206 Partial Content\r\nContent-Range: bytes 400-999/1000\r\nContent-Length: 600",
            &[],
        ),
        _ => rest(request, &all),
    });
    let file = remote("a", &bytes, &[server.url("a")]);
    let error = run(scratch.path(), &[file], &[&server]).unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert!(
        lines[2]
            .starts_with("       got: http://server-0/a: breaks off after 400 bytes: "),
        "{error}"
    );
    assert_eq!(
        lines[3..],
        [
            "      help: put the file here: DIR/a",
            "            the 400 bytes that have come are kept, for the next time"
        ]
    );
    assert_eq!(names(scratch.path()), ["a.part", "a.part.etag"]);
    run(scratch.path(), &[file], &[]).unwrap();
    has(&scratch, "a", &bytes);
    assert_eq!(server.requests().last().unwrap().header("range"), Some("bytes=400-"));
}

#[test]
fn another_server_is_asked_for_the_rest_without_the_tag() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    let (all, same) = (bytes.clone(), bytes.clone());
    let first = Server::new(move |number, _| match number {
        0 => cut(&all, 300),
        _ => not_found(),
    });
    let second = Server::new(move |_, request| rest(request, &same));
    let file = remote("a", &bytes, &[first.url("a"), second.url("b")]);
    run(scratch.path(), &[file], &[]).unwrap();
    has(&scratch, "a", &bytes);
    let request = second.requests().remove(0);
    assert_eq!((request.from(), request.header("if-range")), (300, None));
}

#[test]
fn weak_tags_say_nothing() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    let all = bytes.clone();
    let server = Server::new(move |number, request| match number {
        0 => answer("200 OK\r\nETag: W/\"v1\"\r\nContent-Length: 1000", &all[..300]),
        _ => rest(request, &all),
    });
    run(scratch.path(), &[remote("a", &bytes, &[server.url("a")])], &[]).unwrap();
    let request = server.requests().remove(1);
    assert_eq!((request.from(), request.header("if-range")), (300, None));
}

#[test]
fn servers_that_cannot_go_on_begin_again() {
    let bytes = body(1000);
    // What a server answers to a request for the rest, and how often it is asked in all.
    type Second = fn(&Request, &[u8]) -> Vec<u8>;
    let cases: [(Second, usize); 4] = [
        // No ranges.
        (|_, all| whole(all), 2),
        // Another range, or none that can be read.
        (
            |_, all| {
                answer("206 Partial Content\r\nContent-Range: bytes 0-999/1000", all)
            },
            3,
        ),
        (|_, all| answer("206 Partial Content", all), 3),
        // The part is as long as the file, or longer.
        (|_, _| answer("416 Range Not Satisfiable\r\nContent-Length: 0", &[]), 3),
    ];
    for (second, asked) in cases {
        let (scratch, all) = (Scratch::new(), bytes.clone());
        let server = Server::new(move |number, request| match number {
            0 => cut(&all, 300),
            1 => second(request, &all),
            _ => {
                assert_eq!(request.header("range"), None);
                whole(&all)
            }
        });
        run(scratch.path(), &[remote("a", &bytes, &[server.url("a")])], &[]).unwrap();
        has(&scratch, "a", &bytes);
        assert_eq!(server.requests().len(), asked);
    }
}

#[test]
fn the_beginning_of_another_file_is_given_up() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    scratch.write("a.part", &[7; 300]);
    let all = bytes.clone();
    let server = Server::new(move |number, request| match number {
        0 => rest(request, &all),
        _ => whole(&all),
    });
    run(scratch.path(), &[remote("a", &bytes, &[server.url("a")])], &[]).unwrap();
    has(&scratch, "a", &bytes);
    let ranges: Vec<_> = server.requests().iter().map(Request::from).collect();
    assert_eq!(ranges, [300, 0]);
}

#[test]
fn a_wrong_sum_is_an_error_and_leaves_nothing() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    let wrong = Server::new(|_, _| whole(&[7; 1000]));
    let file = remote("a", &bytes, &[wrong.url("a")]);
    assert_eq!(
        run(scratch.path(), &[file], &[&wrong]).unwrap_err(),
        format!(
            "MNIST: a could not be downloaded\n  expected: a file with the SHA-256 sum {}\n       \
             got: http://server-0/a: gives 1000 bytes with the SHA-256 sum {}\n      help: put the \
             file here: DIR/a",
            sum_of(&bytes),
            sum_of(&[7; 1000])
        )
    );
    assert!(names(scratch.path()).is_empty());
    assert_eq!(wrong.requests().len(), 1);

    let all = bytes.clone();
    let right = Server::new(move |_, request| {
        assert_eq!(request.header("range"), None);
        whole(&all)
    });
    let file = remote("a", &bytes, &[wrong.url("a"), right.url("a")]);
    run(scratch.path(), &[file], &[]).unwrap();
    has(&scratch, "a", &bytes);
}

#[test]
fn mirrors_are_asked_in_turn() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    let none = Server::new(|_, _| not_found());
    let broken =
        Server::new(|_, _| answer("500 Internal Server Error\r\nContent-Length: 0", &[]));
    let garbage = Server::new(|_, _| b"no HTTP at all\r\n\r\n".to_vec());
    let all = bytes.clone();
    let good = Server::new(move |_, _| whole(&all));
    let mut urls = vec![none.url("a"), broken.url("b"), garbage.url("c")];
    let error = run(scratch.path(), &[remote("a", &bytes, &urls)], &[&none, &broken])
        .unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines[2], "       got: http://server-0/a: answers 404 Not Found");
    assert_eq!(
        lines[3],
        "       got: http://server-1/b: answers 500 Internal Server Error"
    );
    assert!(lines[4].starts_with("       got: http://127.0.0.1:"), "{error}");
    assert_eq!(lines[5], "      help: put the file here: DIR/a");
    assert!(names(scratch.path()).is_empty());

    urls.push(good.url("d"));
    run(scratch.path(), &[remote("a", &bytes, &urls)], &[]).unwrap();
    has(&scratch, "a", &bytes);
}

#[test]
fn redirections_are_followed() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    let all = bytes.clone();
    let good = Server::new(move |_, request| {
        assert_eq!(request.path(), "/new");
        whole(&all)
    });
    let new = good.url("new");
    let old = Server::new(move |_, _| {
        answer(&format!("302 Found\r\nLocation: {new}\r\nContent-Length: 0"), &[])
    });
    run(scratch.path(), &[remote("a", &bytes, &[old.url("old")])], &[]).unwrap();
    has(&scratch, "a", &bytes);

    let circle =
        Server::new(|_, _| answer("302 Found\r\nLocation: /a\r\nContent-Length: 0", &[]));
    let error =
        run(scratch.path(), &[remote("b", &bytes, &[circle.url("a")])], &[&circle])
            .unwrap_err();
    assert!(error.contains("got: http://server-0/a: too many redirects"), "{error}");
}

#[test]
fn a_folder_has_all_files_or_none() {
    let (scratch, bytes) = (Scratch::new(), body(1000));
    let (all, other) = (bytes.clone(), body(50));
    let (same, is_there) = (other.clone(), Arc::new(AtomicBool::new(false)));
    let there = Arc::clone(&is_there);
    let server = Server::new(move |_, request| match request.path() {
        "/a" => whole(&all),
        _ if there.load(Ordering::SeqCst) => whole(&same),
        _ => not_found(),
    });
    let files = [
        remote("a", &bytes, &[server.url("a")]),
        remote("b", &other, &[server.url("b")]),
    ];
    let error = run(scratch.path(), &files, &[&server]).unwrap_err();
    assert!(error.starts_with("MNIST: b could not be downloaded"), "{error}");
    assert_eq!(names(scratch.path()), ["a.part", "a.part.etag"]);
    is_there.store(true, Ordering::SeqCst);
    server.requests();
    run(scratch.path(), &files, &[]).unwrap();
    assert_eq!(names(scratch.path()), ["a", "b"]);
    // The first has come before.
    let paths: Vec<_> =
        server.requests().iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(paths, ["/b"]);
}

#[test]
fn too_many_bytes_are_refused() {
    let (scratch, bytes) = (Scratch::new(), body(10));
    let server =
        Server::new(|_, _| answer("200 OK\r\nContent-Length: 1073741825", b"0123456789"));
    let error =
        run(scratch.path(), &[remote("a", &bytes, &[server.url("a")])], &[&server])
            .unwrap_err();
    let expected = "got: http://server-0/a: gives more than 1073741824 bytes";
    assert!(error.contains(expected), "{error}");

    // The rest of a file, as long as a number can be.
    let server = Server::new(|number, _| match number {
        0 => cut(&[b'0'; 20], 10),
        _ => {
            let head = "206 Partial Content\r\nContent-Range: bytes 10-19/20";
            answer(&format!("{head}\r\nContent-Length: {}", u64::MAX), b"0123456789")
        }
    });
    let file = remote("b", &[b'0'; 20], &[server.url("a")]);
    let error = run(scratch.path(), &[file], &[&server]).unwrap_err();
    assert!(error.contains(expected), "{error}");
    assert_eq!(server.requests().len(), 2);
}

/// An address where nobody answers.
fn nowhere() -> String {
    // A port that is free again.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn who_cannot_be_reached_keeps_no_other_from_being_asked() {
    let (scratch, unreachable) = (Scratch::new(), Unreachable::new());
    let host = nowhere();
    let url = format!("http://{host}/a");
    let get = |files: &[Remote], servers: &[&Server]| {
        fetch_with(&unreachable, scratch.path(), files, servers)
    };
    let lost = remote("a", b"x", std::slice::from_ref(&url));
    let error = get(&[lost], &[]).unwrap_err().replace(&host, "HOST");
    let lines: Vec<_> = error.lines().collect();
    assert!(lines[2].starts_with("       got: HOST: cannot be reached: "), "{error}");
    assert_eq!(
        lines[3..],
        ["      help: put the file here: DIR/a", "            it is at http://HOST/a"]
    );
    let error = get(&[lost], &[]).unwrap_err().replace(&host, "HOST");
    let pausing = "       got: HOST: could not be reached less than 60 seconds ago";
    assert_eq!(error.lines().nth(2), Some(pausing));
    // The empty file is there without a server.
    get(&[remote("a", b"", std::slice::from_ref(&url))], &[]).unwrap();

    // Another server is asked at once, for the same file and for others; and again, whatever it
    // answers.
    let server = Server::new(|number, _| match number {
        0 => whole(b"x"),
        _ => not_found(),
    });
    get(&[remote("b", b"x", &[url.clone(), server.url("b")])], &[]).unwrap();
    for _ in 0..2 {
        let file = remote("c", b"x", &[server.url("c"), url.clone()]);
        let error = get(&[file], &[&server]).unwrap_err().replace(&host, "HOST");
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines[2], "       got: http://server-0/c: answers 404 Not Found");
        assert_eq!(lines[3], pausing);
    }
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn the_same_for_several_servers_is_said_once() {
    let lost = |host: &str, why: &str| Problem::Unreachable(host.into(), why.into());
    let texts = Problem::texts(vec![
        lost("a.org", "no network"),
        Problem::Wrong("no network".into()),
        lost("b.org", "no network"),
        lost("c.org", "no time"),
        lost("b.org", "no network"),
        lost("d.org", "no network"),
    ]);
    assert_eq!(
        texts,
        ["a.org, b.org and d.org: no network", "no network", "c.org: no time"]
    );
}

#[test]
fn real_files_have_their_sums() {
    let Some(folder) = crate::scratch::real_data("mnist") else { return };
    for file in mnist::INFO.downloads {
        let path = folder.join(file.name);
        if let Ok(bytes) = fs::read(path) {
            assert_eq!(sum_of(&bytes), file.sha256);
        }
    }
}
