//! Tests and examples in documents ask no server: their loaders are given a folder, take what is
//! embedded, or are offline. (The tests inside `deckle-datasets` cannot: see its `Search::new`.)
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sources;

use std::fs;

use deckle::datasets;
use sources::{files, root};

/// The programs that may download: a data set's module has its folder's name.
fn loaders() -> Vec<String> {
    let mut loaders = Vec::new();
    for info in datasets::ALL {
        for file in info.downloads {
            match (info.folder, file.name) {
                ("text", "tinyshakespeare.txt") => {
                    loaders.push("tiny_shakespeare(None)".to_owned());
                }
                ("text", name) => panic!("no function is known that loads {name}"),
                (module, _) => {
                    let loader = format!("{}::new()", type_name(module));
                    loaders.extend([loader, format!("{module}::load()")]);
                }
            }
        }
    }
    loaders.sort();
    loaders.dedup();
    loaders
}

/// `BostonHousing` for `boston_housing`.
fn type_name(module: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    module.split('_').map(word).collect()
}

/// What keeps a loader from it; the last is a function of a test's own.
const OFFLINE: [&str; 4] = [".folder(", ".embedded()", ".offline()", "mod mnist {"];

/// This file, and the tests whose proxy goes nowhere.
const ASKS_ITS_OWN: [&str; 2] = ["deckle/tests/offline.rs", "deckle/tests/download.rs"];

/// The statements of a program that may download.
fn downloads<'a>(program: &'a str, loaders: &[String]) -> Vec<&'a str> {
    let own = program.contains(OFFLINE[3]);
    let statements = program.split(';').filter(|statement| {
        let loads = loaders.iter().any(|loader| {
            statement
                .match_indices(loader.as_str())
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

#[test]
fn no_test_downloads() {
    let (root, loaders) = (root(), loaders());
    let mut programs = Vec::new();
    for path in files("crates", "rs") {
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
    for path in files("docs", "md") {
        let page: &'static str = fs::read_to_string(&path).unwrap().leak();
        let examples = run_examples(page.lines(), Some);
        programs.extend(examples.into_iter().map(|example| (path.clone(), example)));
    }
    assert!(programs.len() > 300, "only {} programs found", programs.len());
    for (path, program) in programs {
        let found = downloads(&program, &loaders);
        assert!(found.is_empty(), "{} may download: {found:?}", path.display());
    }
}

/// Who adds a download adds a loader, under the names that are looked for.
#[test]
fn the_loaders_are_there() {
    let loaders = loaders();
    assert!(loaders.len() >= 17, "{loaders:?}");
    let has = |module: &str, text: &str| {
        let path = root().join(format!("crates/datasets/src/{module}.rs"));
        fs::read_to_string(path).is_ok_and(|source| source.contains(text))
    };
    let has_type = |class: &str| {
        let modules = datasets::ALL.iter().map(|info| info.folder);
        let mut modules = modules.filter(|module| type_name(module) == class);
        modules.any(|module| has(module, &format!("pub struct {class}")))
    };
    for loader in loaders {
        let is_there = match loader.split_once("::") {
            Some((module, "load()")) => has(module, "\npub fn load() -> "),
            Some((class, _)) => has_type(class),
            None => has("texts", "\npub fn tiny_shakespeare("),
        };
        assert!(is_there, "no loader `{loader}`: what loads this data set?");
    }
}

#[test]
fn a_loader_that_may_download_is_noticed() {
    let loaders = loaders();
    let downloads = |program| downloads(program, &loaders);
    let program = "let a = Mnist::new().load()?; let b = Mnist::new().offline().load()?;";
    assert_eq!(downloads(program), ["let a = Mnist::new().load()?"]);
    let program = "let a = FashionMnist::new()\n    .folder(path)\n    .load()?;";
    assert!(downloads(program).is_empty());
    assert_eq!(downloads("mnist::load()?").len(), 1);
    let document =
        "```\na\n```\n```no_run\nb\n```\ntext\n```rust\nc\n```\n```python\nd\n```";
    assert_eq!(run_examples(document.lines(), Some), ["a\n", "c\n"]);
}
