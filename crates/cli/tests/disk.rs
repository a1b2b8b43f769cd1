//! Disks that are full, and places that cannot be written: nothing is lost, the file is named.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use common::{case, data, fails, folder, model, run};

/// All files of a folder with what is in them.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    });
    files.collect()
}

/// The program where no file may have more than a few hundred bytes: as on a full disk, the
/// first are written and the next are not.
#[track_caller]
fn fails_when_full(folder: &Path, arguments: &[&str], file: &str) {
    let before = content(folder);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_deckle")).args(arguments).current_dir(folder);
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: "), "{error}");
    for text in [file, "cannot be read or written: ", "File too large"] {
        assert!(error.contains(text), "{error}");
    }
    assert_eq!(output.status.code(), Some(1));
    assert!(content(folder) == before, "{:?}", content(folder).keys());
}

#[test]
fn a_full_disk_loses_nothing() {
    let folder = folder("disk/full");
    let (model, data) = (model(), data());
    let names = ["a.keras", "a.h5", "a.weights.h5", "a.safetensors"];
    for name in names {
        fails_when_full(&folder, &["convert", &model, name], name);
        fs::write(folder.join(name), "what was there").unwrap();
        fails_when_full(&folder, &["convert", &model, name], name);
        let fit = ["fit", &model, "--data", &data, "--verbose", "0", "--output", name];
        fails_when_full(&folder, &fit, name);
    }
    let (convnet, inputs) =
        (case("poolings", "model.keras"), case("poolings", "data.npz"));
    for there in [false, true] {
        if there {
            fs::write(folder.join("out.npz"), "what was there").unwrap();
        }
        let predict = ["predict", &convnet, "--input", &inputs, "--output", "out.npz"];
        fails_when_full(&folder, &predict, "out.npz");
    }
}

/// A model that cannot be saved after its training leaves the history at least.
#[test]
fn what_can_be_written_is() {
    let folder = folder("disk/history");
    let (model, data) = (model(), data());
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_deckle")).current_dir(&folder);
    command.args(["fit", &model, "--data", &data, "--verbose", "0"]);
    command.args(["--output", "a.keras", "--history", "history.json"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("{\"loss\":"));
    let files: Vec<_> = content(&folder).into_keys().collect();
    assert_eq!(files, ["history.json"]);
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let folder = folder("disk/places");
    let (model, data) = (model(), data());
    fs::write(folder.join("file"), "a file").unwrap();
    let no_folder = "file/a.keras: cannot be written\n  expected: a folder that exists\n       \
                     got: `file`";
    fails(&folder, &["convert", &model, "file/a.keras"], no_folder);
    let long = format!("{}.keras", "a".repeat(300));
    let (code, error) = run(&folder, &["convert", &model, &long]);
    assert_eq!(code, Some(1));
    assert!(error.starts_with(&format!("error: {long}: cannot be")), "{error}");
    // As long as a name may be.
    let long = format!("{}.keras", "a".repeat(249));
    assert_eq!(run(&folder, &["convert", &model, &long]), (Some(0), String::new()));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    // A folder of the system, in which nobody can make a file.
    if Path::new("/proc/self").is_dir() {
        let fit = ["fit", &model, "--data", &data, "--output", "/proc/a.keras"];
        let (code, error) = run(&folder, &fit);
        assert_eq!(code, Some(1));
        let start = "/proc/a.keras: cannot be read or written: ";
        assert!(error.contains(start), "{error}");
    }
    // Writes to it fail, as it says.
    if Path::new("/dev/full").exists() {
        let predict = ["predict", &model, "--input", &data, "--output", "/dev/full"];
        let (code, error) = run(&folder, &predict);
        assert_eq!(code, Some(1));
        assert!(
            error.starts_with(
                "error: /dev/full, member `y0`: cannot be read or written: "
            ),
            "{error}"
        );
    }
}
