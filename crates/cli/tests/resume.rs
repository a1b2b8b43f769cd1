//! Training that goes on where it was left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{fs, path::Path};

use common::{data, folder, model, run};

/// Trains into files of that name.
fn fit(folder: &Path, name: &str, rest: &[&str]) -> (Option<i32>, String) {
    let (model, data) = (model(), data());
    let file = |ending: &str| format!("{name}.{ending}");
    let (output, log, checkpoint) = (file("keras"), file("csv"), file("checkpoint"));
    let mut arguments = vec!["fit", &model, "--data", &data, "--verbose", "0"];
    arguments.extend([
        "--output",
        &output,
        "--csv-log",
        &log,
        "--checkpoint",
        &checkpoint,
    ]);
    arguments.extend(rest);
    run(folder, &arguments)
}

#[test]
fn a_training_in_two_parts_writes_the_same_bytes() {
    let folder = folder("resume");
    let done = (Some(0), String::new());
    assert_eq!(fit(&folder, "whole", &["--epochs", "4"]), done);
    assert_eq!(
        fit(&folder, "parts", &["--epochs", "2", "--checkpoint-batches", "3"]),
        done
    );
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    assert_ne!(read("parts.keras"), read("whole.keras"));
    assert_eq!(fit(&folder, "parts", &["--epochs", "4", "--resume"]), done);
    assert_eq!(read("parts.keras"), read("whole.keras"));
    assert_eq!(read("parts.csv"), read("whole.csv"));
    // Without `--resume`, training begins anew.
    assert_eq!(fit(&folder, "parts", &["--epochs", "4"]), done);
    assert_eq!(read("parts.keras"), read("whole.keras"));
    assert_eq!(read("parts.csv"), read("whole.csv"));
}

#[test]
fn what_cannot_be_resumed_is_an_error() {
    let folder = folder("resume_errors");
    assert_eq!(fit(&folder, "a", &[]).0, Some(0));
    let before = fs::read(folder.join("a.checkpoint")).unwrap();
    let (code, error) =
        fit(&folder, "a", &["--resume", "--epochs", "2", "--batch-size", "5"]);
    assert_eq!(code, Some(1));
    assert!(
        error.starts_with("error: a.checkpoint: training cannot go on from here"),
        "{error}"
    );
    assert_eq!(fs::read(folder.join("a.checkpoint")).unwrap(), before);
    fs::write(folder.join("a.checkpoint"), &before[..before.len() / 2]).unwrap();
    assert_eq!(
        fit(&folder, "a", &["--resume"]),
        (
            Some(1),
            "error: a.checkpoint: training cannot go on from here\n  expected: a whole checkpoint\
             \n       got: a file that is cut off\n      help: remove the file to begin anew\n"
                .to_owned()
        )
    );
    let (model, data) = (model(), data());
    assert_eq!(run(&folder, &["fit", &model, "--data", &data, "--resume"]).0, Some(2));
}
