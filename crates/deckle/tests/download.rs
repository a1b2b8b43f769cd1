//! What a program does that may download, behind a proxy that goes nowhere.
#![cfg(all(feature = "download", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Command,
    thread,
};

use deckle::datasets::{cifar10::Cifar10, imdb::Imdb, mnist::Mnist};

/// Set for the process that loads.
const CHILD: &str = "DECKLE_TEST_OF_DOWNLOADS";

/// What [`what_may_download`] prints with that in its environment, and the first lines of what a
/// proxy is asked, which answers nothing.
fn asked(environment: &[(&str, &str)]) -> (String, Vec<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = thread::spawn(move || {
        let mut asked = Vec::new();
        for stream in listener.incoming() {
            let mut line = String::new();
            BufReader::new(stream.unwrap()).read_line(&mut line).unwrap();
            if line.is_empty() {
                return asked;
            }
            asked.push(line.trim_end().to_owned());
        }
        unreachable!("connections never end")
    });
    let cache = tempfile::TempDir::new().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let output = command
        .args(["what_may_download", "--exact", "--nocapture"])
        .env_remove("DECKLE_DATA_DIR")
        .env_remove("DECKLE_OFFLINE")
        .env("XDG_CACHE_HOME", cache.path())
        .env("HOME", cache.path())
        .env("HTTPS_PROXY", format!("http://{address}"))
        .envs(environment.iter().copied())
        .env(CHILD, "1")
        .output()
        .unwrap();
    drop(TcpStream::connect(address).unwrap());
    let asked = proxy.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8(output.stdout).unwrap(), asked)
}

#[expect(clippy::print_stdout, reason = "read by the test below, which starts it")]
#[test]
fn what_may_download() {
    if std::env::var_os(CHILD).is_some() {
        println!("{}", Mnist::new().load().unwrap().source);
        println!("{}", Imdb::new().load().unwrap_err());
        println!("{}", Cifar10::new().load().unwrap_err());
        println!("{}", Imdb::new().offline().load().unwrap_err());
    }
}

#[test]
fn the_environment_names_the_proxy_and_can_forbid_downloads() {
    const FORBIDDEN: &str =
        "they would be downloaded, but `offline` or DECKLE_OFFLINE forbids it";
    let (text, asked_at) = asked(&[]);
    // Both servers of MNIST's first file; IMDB's is one of them, CIFAR-10's another.
    assert_eq!(
        asked_at,
        [
            "CONNECT storage.googleapis.com:443 HTTP/1.1",
            "CONNECT ossci-datasets.s3.amazonaws.com:443 HTTP/1.1",
            "CONNECT www.cs.toronto.edu:443 HTTP/1.1"
        ]
    );
    assert!(text.contains("MNIST: 10,000 embedded digits"), "{text}");
    let why = "they could not be downloaded:\n            storage.googleapis.com";
    assert!(text.contains(why) && text.contains(": cannot be reached: "), "{text}");
    assert!(text.contains("IMDB: imdb.npz could not be downloaded\n"), "{text}");
    let why = "\n       got: storage.googleapis.com: could not be reached less than 60 seconds ago\n";
    assert!(text.contains(why), "{text}");
    assert_eq!(text.matches(FORBIDDEN).count(), 1, "{text}");

    for (value, forbidden) in [("1", 4), ("yes", 4), ("0", 1), ("", 1)] {
        let (text, asked) = asked(&[("DECKLE_OFFLINE", value)]);
        assert_eq!(text.matches(FORBIDDEN).count(), forbidden, "{value}: {text}");
        assert_eq!(asked.len(), if forbidden == 1 { 3 } else { 0 }, "{value}");
        assert_eq!(text.contains("could not be downloaded"), forbidden == 1, "{text}");
    }
}
