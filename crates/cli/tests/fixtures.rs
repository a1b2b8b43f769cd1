//! Cases that real Keras computed, through the program `deckle`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use deckle_golden::{Checker, Outcome, cases, name};

/// The cases beside the checkout whose layers do not exist yet.
const MISSING: &[&str] = &[];

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/golden/cases")
}

/// Runs all cases of a folder; none may fail, and only those that are listed may be missing.
fn check(folder: &Path, scratch: &str, may_be_missing: &[&str]) {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(scratch);
    let checker = Checker::new(env!("CARGO_BIN_EXE_deckle"), scratch);
    let mut problems = Vec::new();
    for case in cases(folder).unwrap() {
        match checker.check(&case) {
            Outcome::Passed => {}
            Outcome::Missing(_) if may_be_missing.contains(&&*name(&case)) => {}
            outcome => problems.push(format!("{}: {outcome}", name(&case))),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_program_computes_what_keras_computes() {
    assert!(cases(&committed()).unwrap().len() >= 30);
    check(&committed(), "committed", &[]);
}

#[test]
fn cases_beside_the_checkout_hold_too() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    if beside.is_dir() {
        check(&beside, "beside", MISSING);
    } else {
        eprintln!("skipped: no ../shared/fixtures beside the checkout");
    }
}

/// Load, save, load, save: the second file has the first one's bytes.
fn written_again(ending: &str) {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("again{ending}"));
    fs::create_dir_all(&scratch).unwrap();
    let convert = |from: &Path, to: &Path, model: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deckle"));
        command.arg("convert").args([from, to]);
        if let Some(model) = model {
            command.arg("--model").arg(model);
        }
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {error}", from.display());
    };
    let has_model = [".keras", ".h5"].contains(&ending);
    let mut different = BTreeSet::new();
    for case in cases(&committed()).unwrap() {
        let first = scratch.join(format!("first{ending}"));
        let second = scratch.join(format!("second{ending}"));
        let model = case.join("model.keras");
        let model = if model.exists() { model } else { case.join("model.h5") };
        convert(&model, &first, None);
        convert(&first, &second, (!has_model).then_some(&model));
        if fs::read(&first).unwrap() != fs::read(&second).unwrap() {
            different.insert(name(&case));
        }
    }
    assert_eq!(different, BTreeSet::new());
}

#[test]
fn archives_written_again_have_the_same_bytes() {
    written_again(".keras");
}

#[test]
fn legacy_files_written_again_have_the_same_bytes() {
    written_again(".h5");
}

#[test]
fn weights_written_again_have_the_same_bytes() {
    written_again(".weights.h5");
}

#[test]
fn safetensors_written_again_have_the_same_bytes() {
    written_again(".safetensors");
}
