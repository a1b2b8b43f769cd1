//! What holds for every file and manifest of the workspace.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sources;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use sources::{files, root};

/// The arrows of the design: what each crate may depend on directly. An arrow permits
/// everything reachable through it.
const ARROWS: &[(&str, &[&str])] = &[
    ("tensor", &[]),
    ("autograd", &["tensor"]),
    ("cpu", &["tensor"]),
    ("data", &["tensor"]),
    ("formats", &["tensor"]),
    ("nn", &["autograd"]),
    ("optim", &["autograd"]),
    ("mnist-sample", &[]),
    ("table-sample", &[]),
    ("datasets", &["data", "mnist-sample", "table-sample"]),
    ("train", &["nn", "optim", "data", "formats", "cpu"]),
    ("plot", &["train"]),
    ("deckle", &["train", "datasets", "plot"]),
    ("cli", &["deckle"]),
    ("bench", &["deckle"]),
];

fn reachable(name: &str) -> BTreeSet<&'static str> {
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = arrows.get(name).map_or(Vec::new(), |below| below.to_vec());
    while let Some(next) = open.pop() {
        let (&known, below) =
            arrows.get_key_value(next).expect("an arrow to a known crate");
        if found.insert(known) {
            open.extend(below.iter());
        }
    }
    found
}

/// The crates of ours that a manifest's dependencies (not those for tests) name.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
            if let Some(name) = line.strip_prefix("[dependencies.deckle-") {
                found.push(name.trim_end_matches(']').to_owned());
            }
        } else if section == "[dependencies]" || section.ends_with(".dependencies]") {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if name == "deckle" {
                found.push(name.to_owned());
            } else if let Some(name) = name.strip_prefix("deckle-") {
                found.push(name.to_owned());
            }
        }
    }
    found
}

#[test]
fn dependencies_follow_the_arrows() {
    let mut checked = 0;
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else {
            continue;
        };
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            ARROWS.iter().any(|(known, _)| *known == name),
            "crate `{name}` has no place among the arrows of this test"
        );
        let allowed = reachable(&name);
        for dependency in dependencies(&manifest) {
            assert!(
                allowed.contains(dependency.as_str()),
                "crate `{name}` must not know `{dependency}`"
            );
        }
        checked += 1;
    }
    assert!(checked >= 10, "only {checked} crates found");
}

#[test]
fn a_forbidden_arrow_is_noticed() {
    let manifest = "[dependencies]\ndeckle-optim.workspace = true\nserde = \"1\"\n";
    assert_eq!(dependencies(manifest), ["optim"]);
    assert!(!reachable("nn").contains("optim"));
    assert!(reachable("train").contains("tensor"));
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let files = [files("crates", "rs"), files("examples", "rs")].concat();
    assert!(files.len() > 50, "only {} files found", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines; 600 are enough", file.display());
        assert!(text.starts_with("//!"), "{} does not say what it is", file.display());
        let vague = ["utils.rs", "util.rs", "helpers.rs", "common.rs", "misc.rs"];
        assert!(
            !vague.contains(&name),
            "{} has a name that says nothing",
            file.display()
        );
    }
}

#[test]
fn manifests_are_sorted() {
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path().join("Cargo.toml");
        let Ok(manifest) = fs::read_to_string(&path) else { continue };
        let mut section: Vec<&str> = Vec::new();
        for line in manifest.lines().chain(["["]) {
            if line.starts_with('[') {
                assert!(section.is_sorted(), "{}: sort {section:?}", path.display());
                section.clear();
            } else if line.contains("workspace = true") && line.starts_with("deckle") {
                section.push(line.split(['.', ' ']).next().unwrap_or_default());
            }
        }
    }
}
