//! Tests and examples in documents ask no server: their loaders are given a folder, take what is
//! embedded, or are offline. (The tests inside `deckle-datasets` cannot: see its `Search::new`.)
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What may download.
const LOADERS: [&str; 17] = [
    "Mnist::new()",
    "FashionMnist::new()",
    "Cifar10::new()",
    "Cifar100::new()",
    "Imdb::new()",
    "Reuters::new()",
    "BostonHousing::new()",
    "CaliforniaHousing::new()",
    "mnist::load()",
    "fashion_mnist::load()",
    "cifar10::load()",
    "cifar100::load()",
    "imdb::load()",
    "reuters::load()",
    "boston_housing::load()",
    "california_housing::load()",
    "tiny_shakespeare(None)",
];

/// What keeps a loader from it; the last is a function of a test's own.
const OFFLINE: [&str; 4] = [".folder(", ".embedded()", ".offline()", "mod mnist {"];

/// This file, and the tests whose proxy goes nowhere.
const ASKS_ITS_OWN: [&str; 2] = ["deckle/tests/offline.rs", "deckle/tests/download.rs"];

/// The statements of a program that may download.
fn downloads(program: &str) -> Vec<&str> {
    let own = program.contains(OFFLINE[3]);
    let statements = program.split(';').filter(|statement| {
        let loads = LOADERS.iter().any(|loader| {
            statement
                .match_indices(loader)
                // `Mnist` is not `FashionMnist`.
                .any(|(at, _)| !statement[..at].ends_with(|c: char| c.is_alphanumeric()))
        });
        loads && !own && !OFFLINE.iter().any(|word| statement.contains(word))
    });
    statements.collect()
}

/// The examples of a document that are run, of what `text` gives of each line.
fn run_examples<'a>(
    lines: impl Iterator<Item = &'a str>,
    text: impl Fn(&'a str) -> Option<&'a str>,
) -> Vec<String> {
    let (mut examples, mut open) = (Vec::new(), None);
    for line in lines.filter_map(text) {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(kind), None) => {
                open = Some((matches!(kind.trim(), "" | "rust"), String::new()));
            }
            (Some(_), Some((true, example))) => examples.push(example),
            (Some(_), Some(_)) | (None, None) => {}
            (None, Some((runs, example))) => open = Some((runs, example + line + "\n")),
        }
    }
    examples
}

fn files(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, into);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            into.push(path);
        }
    }
}

#[test]
fn no_test_downloads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut programs = Vec::new();
    let mut sources = Vec::new();
    files(&root.join("crates"), "rs", &mut sources);
    for path in sources {
        let source = fs::read_to_string(&path).unwrap();
        let comment = |line: &'static str| {
            let line = line.trim_start();
            line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))
        };
        let text: &'static str = source.leak();
        let examples = run_examples(text.lines(), comment);
        programs.extend(examples.into_iter().map(|example| (path.clone(), example)));
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        if name.contains("/tests/")
            && !name.contains("datasets/src")
            && !ASKS_ITS_OWN.iter().any(|own| name.ends_with(own))
        {
            programs.push((path, text.to_owned()));
        }
    }
    let mut pages = Vec::new();
    files(&root.join("docs"), "md", &mut pages);
    for path in pages {
        let page: &'static str = fs::read_to_string(&path).unwrap().leak();
        let examples = run_examples(page.lines(), Some);
        programs.extend(examples.into_iter().map(|example| (path.clone(), example)));
    }
    assert!(programs.len() > 300, "only {} programs found", programs.len());
    for (path, program) in programs {
        let found = downloads(&program);
        assert!(found.is_empty(), "{} may download: {found:?}", path.display());
    }
}

#[test]
fn a_loader_that_may_download_is_noticed() {
    let program = "let a = Mnist::new().load()?; let b = Mnist::new().offline().load()?;";
    assert_eq!(downloads(program), ["let a = Mnist::new().load()?"]);
    let program = "let a = FashionMnist::new()\n    .folder(path)\n    .load()?;";
    assert!(downloads(program).is_empty());
    assert_eq!(downloads("mnist::load()?").len(), 1);
    let document =
        "```\na\n```\n```no_run\nb\n```\ntext\n```rust\nc\n```\n```python\nd\n```";
    assert_eq!(run_examples(document.lines(), Some), ["a\n", "c\n"]);
}
