//! A server on this machine that answers as it is told, and what it can answer.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// The lines of a request.
#[derive(Clone, Debug)]
pub(super) struct Request(Vec<String>);

impl Request {
    pub(super) fn path(&self) -> &str {
        self.0[0].split(' ').nth(1).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Where the bytes that are asked for begin.
    pub(super) fn from(&self) -> usize {
        let range = self.header("range").map(|range| {
            range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap()
        });
        range.map_or(0, |from| from.parse().unwrap())
    }
}

/// A server: one answer for each connection.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// `answer` gets the number of the request, from 0.
    pub(super) fn new(
        answer: impl Fn(usize, &Request) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::new(AtomicBool::new(false));
        let (seen, stop) = (Arc::clone(&requests), Arc::clone(&ends));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let mut stream = stream.unwrap();
                let lines = BufReader::new(&stream).lines().map(|line| line.unwrap());
                let request =
                    Request(lines.take_while(|line| !line.is_empty()).collect());
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.clone());
                    seen.len() - 1
                };
                // Who has enough may hang up.
                drop(stream.write_all(&answer(number, &request)));
            }
        });
        Self { address, requests, ends, thread: Some(thread) }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The requests since the last call.
    pub(super) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

/// Bytes that compression or a shift would change.
pub(super) fn body(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * at % 251) as u8).collect()
}

pub(super) fn answer(head: &str, bytes: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes(), bytes].concat()
}

pub(super) fn whole(bytes: &[u8]) -> Vec<u8> {
    let head = format!("200 OK\r\nETag: \"v1\"\r\nContent-Length: {}", bytes.len());
    answer(&head, bytes)
}

/// As [`whole`], but only the first bytes come.
pub(super) fn cut(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut all = whole(bytes);
    all.truncate(all.len() - bytes.len() + len);
    all
}

/// The rest that a request asks for.
pub(super) fn rest(request: &Request, bytes: &[u8]) -> Vec<u8> {
    let (from, len) = (request.from(), bytes.len());
    let range = format!("bytes {from}-{}/{len}", len - 1);
    let left = len - from;
    let head = format!(
        "206 Partial Content\r\nContent-Length: {left}\r\nContent-Range: {range}"
    );
    answer(&head, &bytes[from..])
}

pub(super) fn not_found() -> Vec<u8> {
    answer("404 Not Found\r\nContent-Length: 4", b"gone")
}
