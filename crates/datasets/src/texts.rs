//! Texts as they were written: reviews, newswires, books, pairs of sentences; vectors of words.
//!
//! ```no_run
//! use deckle_datasets::texts;
//!
//! let (train, _test) = texts::imdb_reviews(None)?;
//! assert_eq!(train.texts.len(), train.labels.len());
//! # Ok::<(), deckle_datasets::Error>(())
//! ```
//!
//! Each function looks in the given folder; without one, where all data sets are looked for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use deckle_data::read_zip_member;
use deckle_tensor::{Tensor, f16};

use crate::{
    Error, Info, Remote, Result,
    gzip::Bytes,
    imdb, reuters,
    search::{Files, Other, Search},
};

/// Texts and the class of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabeledTexts {
    /// The texts.
    pub texts: Vec<String>,
    /// Their classes, counted from 0.
    pub labels: Vec<i64>,
}

/// Source, licence and citation of [`nietzsche`], [`tiny_shakespeare`], [`moby_dick`] and
/// [`pride_and_prejudice`].
pub const BOOKS: Info = Info {
    name: "Books",
    folder: "text",
    contents: "works of F. Nietzsche, W. Shakespeare, H. Melville and J. Austen",
    source: "nietzsche.txt of Keras; tinyshakespeare.txt of A. Karpathy; Project Gutenberg",
    downloads: &[Remote::new(
        "tinyshakespeare.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        "TensorFlow Datasets, url_checksums/tiny_shakespeare.txt of its commit 333639b3",
        &[
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/\
             input.txt",
        ],
    )],
    licence: "public domain",
    citation: "A. Karpathy, The unreasonable effectiveness of recurrent neural networks, 2015",
};

/// Source, licence and citation of [`glove`].
pub const GLOVE: Info = Info {
    name: "GloVe",
    folder: "glove",
    contents: "vectors of 100 numbers for the 10,000 most frequent words",
    source: "https://nlp.stanford.edu/projects/glove/ (a part of glove.6B, as 16-bit numbers)",
    downloads: &[],
    licence: "PDDL 1.0",
    citation: "J. Pennington, R. Socher and C. D. Manning, GloVe: global vectors for word \
               representation, EMNLP 2014",
};

/// Source, licence and citation of [`english_spanish`].
pub const PAIRS: Info = Info {
    name: "English and Spanish sentences",
    folder: "translation",
    contents: "118,964 pairs of sentences",
    source: "spa-eng.zip of Anki and Tatoeba",
    downloads: &[],
    licence: "CC BY 2.0",
    citation: "the Tatoeba project, tatoeba.org",
};

const REVIEWS: Files = Files::whole(&[&["aclImdb_train.tsv.gz", "aclImdb_test.tsv.gz"]]);
const WIRES: Files = Files::whole(&[&["reuters46.tsv.gz"]]);
const NIETZSCHE: Files = Files::whole(&[&["nietzsche.txt"]]);
pub(crate) const SHAKESPEARE: Files = Files::whole(&[&["tinyshakespeare.txt"]]);
const MELVILLE: Files =
    Files { whole: &[], others: &[Other { folder: "text", names: &["moby_dick.txt"] }] };
const AUSTEN: Files = Files {
    whole: &[],
    others: &[Other { folder: "text", names: &["pride_and_prejudice.txt"] }],
};
const VECTORS: Files =
    Files::whole(&[&["glove100d_top10k_words.txt", "glove100d_top10k.f16"]]);
const SENTENCES: Files = Files::whole(&[&["spa-eng.zip"]]);

fn find(info: &Info, folder: Option<&Path>, files: &Files) -> Result<Vec<PathBuf>> {
    Ok(Search::new(folder).require(info, files)?.paths)
}

fn book(folder: Option<&Path>, files: &Files) -> Result<String> {
    Bytes::open(&find(&BOOKS, folder, files)?[0])?.text()
}

/// The lines of a file, cut at tabs into as many cells: the class in the first, the text in the
/// last.
fn labeled(path: &Path, cells: usize) -> Result<LabeledTexts> {
    let text = Bytes::open(path)?.text()?;
    let mut all = LabeledTexts::default();
    for (at, line) in text.lines().enumerate() {
        let failed = |problem: &str| {
            Error::file(format_args!("{}, line {}", path.display(), at + 1), problem)
        };
        let found: Vec<_> = line.splitn(cells, '\t').collect();
        let ([label, ..], [.., text], true) =
            (&found[..], &found[..], found.len() == cells)
        else {
            return Err(failed(&format!("has {} cells, expected {cells}", found.len())));
        };
        all.labels
            .push(label.parse().map_err(|_| failed("does not begin with a class"))?);
        all.texts.push((*text).to_owned());
    }
    Ok(all)
}

/// IMDB's reviews to train on and to test on, 25,000 each: 0 negative, 1 positive.
///
/// # Errors
///
/// If `aclImdb_train.tsv.gz` or `aclImdb_test.tsv.gz` is not found or damaged.
pub fn imdb_reviews(folder: Option<&Path>) -> Result<(LabeledTexts, LabeledTexts)> {
    let paths = find(&imdb::INFO, folder, &REVIEWS)?;
    Ok((labeled(&paths[0], 4)?, labeled(&paths[1], 4)?))
}

/// Reuters' newswires, 11,228, and their topics, 0 to 45.
///
/// # Errors
///
/// If `reuters46.tsv.gz` is not found or damaged.
pub fn reuters_newswires(folder: Option<&Path>) -> Result<LabeledTexts> {
    labeled(&find(&reuters::INFO, folder, &WIRES)?[0], 3)
}

/// Works of Nietzsche, in English: 600,901 bytes.
///
/// # Errors
///
/// If `nietzsche.txt` is not found or is no text.
pub fn nietzsche(folder: Option<&Path>) -> Result<String> {
    book(folder, &NIETZSCHE)
}

/// Plays of Shakespeare: 1,115,394 bytes.
///
/// If `tinyshakespeare.txt` is nowhere and no folder is given, it is downloaded into the user's
/// cache, once, and checked; the environment variable `DECKLE_OFFLINE=1` forbids it.
///
/// # Errors
///
/// If `tinyshakespeare.txt` is not found and cannot be downloaded, or is no text.
pub fn tiny_shakespeare(folder: Option<&Path>) -> Result<String> {
    book(folder, &SHAKESPEARE)
}

/// *Moby Dick* by Herman Melville: 1,204,997 bytes.
///
/// # Errors
///
/// If `moby_dick.txt` is not found, there or in `embeddable/text`, or is no text.
pub fn moby_dick(folder: Option<&Path>) -> Result<String> {
    book(folder, &MELVILLE)
}

/// *Pride and Prejudice* by Jane Austen: 684,768 bytes.
///
/// # Errors
///
/// If `pride_and_prejudice.txt` is not found, there or in `embeddable/text`, or is no text.
pub fn pride_and_prejudice(folder: Option<&Path>) -> Result<String> {
    book(folder, &AUSTEN)
}

/// Words, the most frequent first, and the vector of each: `F32` `(10000, 100)`.
///
/// # Errors
///
/// If `glove100d_top10k_words.txt` or `glove100d_top10k.f16` is not found, or they do not belong
/// together.
pub fn glove(folder: Option<&Path>) -> Result<(Vec<String>, Tensor)> {
    let paths = find(&GLOVE, folder, &VECTORS)?;
    let words: Vec<String> =
        Bytes::open(&paths[0])?.text()?.lines().map(str::to_owned).collect();
    let file = paths[1].display().to_string();
    let bytes =
        fs::read(&paths[1]).map_err(|error| Error::Io { file: file.clone(), error })?;
    let expected = words.len() * 200;
    if bytes.len() != expected {
        return Err(Error::file(
            file,
            format_args!(
                "holds {} bytes, expected {expected}: 100 numbers for each of {} words",
                bytes.len(),
                words.len()
            ),
        ));
    }
    let values: Vec<f32> = bytes
        .chunks_exact(2)
        .map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32())
        .collect();
    let vectors = Tensor::new(values, [words.len(), 100])?;
    Ok((words, vectors))
}

/// English sentences and a Spanish translation of each.
///
/// # Errors
///
/// If `spa-eng.zip` is not found or damaged.
pub fn english_spanish(folder: Option<&Path>) -> Result<Vec<(String, String)>> {
    const MEMBER: &str = "spa-eng/spa.txt";
    let path = find(&PAIRS, folder, &SENTENCES)?.remove(0);
    let damaged = |problem: &dyn std::fmt::Display| {
        Error::file(format_args!("{}, member `{MEMBER}`", path.display()), problem)
    };
    let bytes = read_zip_member(&path, MEMBER)?;
    let text = str::from_utf8(&bytes).map_err(|error| damaged(&error))?;
    let pairs = text.lines().enumerate().map(|(at, line)| {
        let mut cells = line.split('\t');
        let (Some(english), Some(spanish)) = (cells.next(), cells.next()) else {
            return Err(damaged(&format_args!("line {} has no translation", at + 1)));
        };
        Ok((english.to_owned(), spanish.to_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::{Scratch, real_data, zip};

    #[test]
    fn real_texts_are_read() {
        if let Some(folder) = real_data("imdb") {
            let (train, test) = imdb_reviews(Some(&folder)).unwrap();
            assert_eq!((train.texts.len(), test.labels.len()), (25_000, 25_000));
            assert_eq!(train.labels.iter().sum::<i64>(), 12_500);
            assert!(test.texts[0].starts_with("Once again Mr. Costner"));
        }
        if let Some(folder) = real_data("reuters") {
            let wires = reuters_newswires(Some(&folder)).unwrap();
            assert_eq!(wires.texts.len(), 11_228);
            assert!(wires.labels.iter().all(|label| (0..46).contains(label)));
        }
        if let Some(folder) = real_data("text") {
            assert_eq!(nietzsche(Some(&folder)).unwrap().len(), 600_901);
            assert_eq!(tiny_shakespeare(Some(&folder)).unwrap().len(), 1_115_394);
        }
        if let Some(folder) = real_data("embeddable/text") {
            assert_eq!(moby_dick(Some(&folder)).unwrap().len(), 1_204_997);
            let novel = pride_and_prejudice(Some(&folder)).unwrap();
            assert_eq!(novel.len(), 684_768);
        }
        if let Some(folder) = real_data("glove") {
            let (words, vectors) = glove(Some(&folder)).unwrap();
            assert_eq!((words.len(), vectors.shape()), (10_000, &[10_000, 100][..]));
            assert_eq!(words[0], "the");
        }
        if let Some(folder) = real_data("translation") {
            let pairs = english_spanish(Some(&folder)).unwrap();
            assert_eq!(pairs.len(), 118_964);
            assert_eq!(pairs[0], ("Go.".to_owned(), "Ve.".to_owned()));
        }
    }

    #[test]
    fn a_line_that_is_not_whole_is_named() {
        let scratch = Scratch::new();
        let path = scratch.write("reuters46.tsv", b"3\t1\twheat\n4\tcorn\n");
        let error = reuters_newswires(Some(scratch.path())).unwrap_err().to_string();
        assert_eq!(error, format!("{}, line 2: has 2 cells, expected 3", path.display()));
        let none = nietzsche(Some(scratch.path())).unwrap_err().to_string();
        assert!(none.contains("nietzsche.txt"), "{none}");
    }

    #[test]
    fn sentences_are_read_from_an_archive() {
        let scratch = Scratch::new();
        let read = |name: &str, text: &[u8]| {
            let members = [("a".to_owned(), &b""[..]), (name.to_owned(), text)];
            scratch.write("spa-eng.zip", &zip(members.into_iter()));
            english_spanish(Some(scratch.path())).map_err(|error| error.to_string())
        };
        let pairs =
            read("spa-eng/spa.txt", "Go.\tVe.\nWhy?\t¿Por qué?\tmore\n".as_bytes());
        let expected = [("Go.", "Ve."), ("Why?", "¿Por qué?")];
        assert_eq!(pairs.unwrap(), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        for (name, text, expected) in [
            ("spa.txt", &b"Go.\tVe."[..], "member `spa-eng/spa.txt`: is missing"),
            ("spa-eng/spa.txt", b"Go.\tVe.\nGo!", "line 2 has no translation"),
            ("spa-eng/spa.txt", b"\xff\tVe.", "invalid utf-8"),
        ] {
            let error = read(name, text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        scratch.write("spa-eng.zip", b"PK");
        let error = english_spanish(Some(scratch.path())).unwrap_err().to_string();
        assert!(error.contains("cannot be read as a zip archive"), "{error}");
    }
}
