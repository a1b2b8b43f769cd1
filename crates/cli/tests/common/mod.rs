//! The program in a folder of a test's own.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use deckle::tensor::{NpzWriter, Tensor};

pub(crate) fn case(name: &str, file: &str) -> String {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/golden/cases");
    cases.join(name).join(file).to_str().unwrap().to_owned()
}

pub(crate) fn model() -> String {
    case("fit_class_weight", "model.keras")
}

pub(crate) fn data() -> String {
    case("fit_class_weight", "data.npz")
}

/// A folder of the test's own, in which the program runs.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn write(folder: &Path, arrays: &[(&str, Tensor)]) {
    let mut file = NpzWriter::create(folder.join("data.npz")).unwrap();
    for (name, tensor) in arrays {
        file.add(name, tensor).unwrap();
    }
    file.finish().unwrap().commit().unwrap();
}

/// Exit code and standard error.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deckle"));
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
pub(crate) fn fails(folder: &Path, arguments: &[&str], text: &str) {
    assert_eq!(run(folder, arguments), (Some(1), format!("error: {text}\n")));
}

/// An archive of one member.
pub(crate) fn zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut zip = rawzip::ZipArchiveWriter::new(Vec::new());
    let (mut entry, config) = zip.new_file(name).start().unwrap();
    let mut writer = config.wrap(&mut entry);
    writer.write_all(bytes).unwrap();
    let (_, descriptor) = writer.finish().unwrap();
    entry.finish(descriptor).unwrap();
    zip.finish().unwrap()
}
