//! The pages in `docs/book`: that they are all there, and show programs that are compiled.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pages() -> PathBuf {
    root().join("docs/book/src")
}

/// What stands between two texts, wherever both occur in this order.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(|part| Some(part.split_once(after)?.0)).collect()
}

fn names(folder: &Path, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).collect()
}

/// The paths that a page includes, as they are written.
fn included(page: &str) -> Vec<String> {
    let text = fs::read_to_string(pages().join(page)).unwrap();
    between(&text, "{{#include ", "}}").into_iter().map(str::to_owned).collect()
}

#[test]
fn the_contents_list_every_page_and_no_other() {
    let summary = fs::read_to_string(pages().join("SUMMARY.md")).unwrap();
    let listed: BTreeSet<_> =
        between(&summary, "](", ")").into_iter().map(str::to_owned).collect();
    let mut there = names(&pages(), ".md");
    there.remove("SUMMARY.md");
    assert_eq!(listed, there);
}

#[test]
fn code_is_an_example_that_is_compiled() {
    let manifest = fs::read_to_string(root().join("examples/Cargo.toml")).unwrap();
    let compiled = between(&manifest, "\npath = \"", "\"");
    for page in names(&pages(), ".md") {
        let text = fs::read_to_string(pages().join(&page)).unwrap();
        // The code of this one is tested as documentation of the crate.
        if page == "coming_from_keras.md" {
            assert!(!text.contains("{{#include"), "{page}");
            continue;
        }
        for block in between(&text, "```rust", "```") {
            let code: Vec<_> = block.lines().skip(1).collect();
            let is_one = matches!(code[..], [line] if line.starts_with("{{#include "));
            assert!(is_one, "{page} shows code that is in no example:{block}");
        }
        for path in included(&page) {
            assert!(pages().join(&path).is_file(), "{page}: there is no {path}");
            if let Some(example) = path.strip_prefix("../../../examples/") {
                assert!(compiled.contains(&example), "{page}: {path} is no [[example]]");
            }
        }
    }
}

#[test]
fn every_program_of_the_book_is_shown() {
    let pages = names(&pages(), ".md");
    let shown: BTreeSet<_> = pages.iter().flat_map(|page| included(page)).collect();
    for program in names(&root().join("examples/book"), ".rs") {
        let path = format!("../../../examples/book/{program}");
        assert!(shown.contains(&path), "{program} is on no page of docs/book");
    }
}
