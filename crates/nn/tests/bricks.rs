//! What holds for every layer of the registry.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use deckle_nn::Registry;

/// All source files of the layers.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The bodies of the tests that call `check_layer`, `{` to `}`.
fn promises() -> Vec<String> {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/layers"), &mut paths);
    paths.sort();
    let mut bodies = Vec::new();
    for path in paths {
        let text = fs::read_to_string(path).unwrap();
        for (at, name) in text.match_indices("fn keeps_the_promises_of_a_layer") {
            let rest = &text[at + name.len()..];
            let (mut depth, mut body) = (0, String::new());
            for letter in rest.chars().skip_while(|letter| *letter != '{') {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                body.push(letter);
                if depth == 0 {
                    break;
                }
            }
            bodies.push(body);
        }
    }
    bodies
}

/// Whether a text has a name as a word of its own.
fn has_word(text: &str, name: &str) -> bool {
    let is_word =
        |letter: Option<char>| letter.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(name).any(|(at, _)| {
        !is_word(text[..at].chars().next_back())
            && !is_word(text[at + name.len()..].chars().next())
    })
}

#[test]
fn every_layer_is_checked_for_its_promises() {
    let bodies = promises();
    assert!(bodies.len() > 40, "{}", bodies.len());
    let is_checked = |class: &str| {
        bodies.iter().any(|body| body.contains("check_layer") && has_word(body, class))
    };
    let registry = Registry::keras();
    let unchecked: Vec<_> =
        registry.classes().filter(|class| !is_checked(class)).collect();
    assert!(unchecked.is_empty(), "no check_layer of {unchecked:?}");
}

#[test]
fn words_are_whole() {
    assert!(has_word("check_layer(&Dense::new(3))", "Dense"));
    assert!(!has_word("check_layer(&EinsumDense::new(3))", "Dense"));
    assert!(!has_word("GRUCell", "GRU"));
}
