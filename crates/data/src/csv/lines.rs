//! Lines that all end alike: [`Lines`].

use std::io::{BufRead, BufReader, Read, Result};

/// Bytes whose lines end in `\n`, the last too: so that lines can be counted.
pub(super) struct Lines {
    inner: BufReader<Box<dyn Read + Send>>,
    /// The last byte that was given; 0 before the first.
    last: u8,
    /// Whether a `\r` was read, which counts if no `\n` follows.
    is_held: bool,
}

impl Lines {
    pub(super) fn new(inner: Box<dyn Read + Send>) -> Self {
        Self { inner: BufReader::new(inner), last: 0, is_held: false }
    }
}

impl Read for Lines {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if into.len() < 2 {
            return Ok(0);
        }
        loop {
            let given = self.inner.fill_buf()?;
            if given.is_empty() {
                let byte = match (std::mem::take(&mut self.is_held), self.last) {
                    (true, _) => b'\r',
                    (false, 0 | b'\n') => return Ok(0),
                    (false, _) => b'\n',
                };
                (into[0], self.last) = (byte, byte);
                return Ok(1);
            }
            let (mut used, mut made) = (0, 0);
            for &byte in given {
                if made + 2 > into.len() {
                    break;
                }
                used += 1;
                if self.is_held && byte != b'\n' {
                    into[made] = b'\r';
                    made += 1;
                }
                self.is_held = byte == b'\r';
                if !self.is_held {
                    into[made] = byte;
                    made += 1;
                }
            }
            self.inner.consume(used);
            if made > 0 {
                self.last = into[made - 1];
                return Ok(made);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_alike() {
        for (given, made) in [
            (&b"a\r\nb"[..], &b"a\nb\n"[..]),
            (b"", b""),
            (b"a\rb\r", b"a\rb\r\n"),
            (b"\r\r\n\n", b"\r\n\n"),
        ] {
            for len in [2, 3, 100] {
                let mut lines = Lines::new(Box::new(given));
                let (mut all, mut part) = (Vec::<u8>::new(), vec![0; len]);
                loop {
                    let count = lines.read(&mut part).unwrap();
                    if count == 0 {
                        break;
                    }
                    all.extend(&part[..count]);
                }
                assert_eq!(all, made);
            }
        }
    }
}
