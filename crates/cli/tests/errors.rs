//! What the program says of input that it cannot take: text and exit code.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use deckle::tensor::{DType, NpzWriter, Tensor};

fn case(name: &str, file: &str) -> String {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/golden/cases");
    cases.join(name).join(file).to_str().unwrap().to_owned()
}

fn model() -> String {
    case("fit_class_weight", "model.keras")
}

fn data() -> String {
    case("fit_class_weight", "data.npz")
}

/// A folder of the test's own, in which the program runs.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("errors").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(folder: &Path, arrays: &[(&str, Tensor)]) {
    let mut file = NpzWriter::create(folder.join("data.npz")).unwrap();
    for (name, tensor) in arrays {
        file.add(name, tensor).unwrap();
    }
    file.finish().unwrap().commit().unwrap();
}

/// Exit code and standard error.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deckle"));
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn fails(folder: &Path, arguments: &[&str], text: &str) {
    assert_eq!(run(folder, arguments), (Some(1), format!("error: {text}\n")));
}

#[test]
fn arrays_that_do_not_fit_are_named() {
    let folder = folder("arrays");
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
    let evaluate = ["evaluate", &model(), "--data", "data.npz"];
    write(&folder, &[("x0", zeros(&[3, 6])), ("x1", zeros(&[3, 6]))]);
    fails(
        &folder,
        &evaluate,
        "data.npz: has an array `x1`, but the model has 1 input\n      help: its input: \
         input_layer",
    );
    write(&folder, &[("input_layr", zeros(&[3, 6]))]);
    fails(
        &folder,
        &evaluate,
        "data.npz: has no array `x0` or `input_layer`\n      help: it has input_layr; did you \
         mean `input_layr`?",
    );
    write(&folder, &[("x0", zeros(&[3, 6])), ("t0", zeros(&[4]))]);
    fails(
        &folder,
        &evaluate,
        "data set: arrays disagree in their number of examples\n  expected: 3 examples, as in \
         `x0`\n       got: 4 examples in `t0`\n      help: the first axis of every array counts \
         the examples",
    );
    write(&folder, &[("x0", Tensor::full([3, 6], 0.5f32))]);
    let words = case("mask_reaches_pooling", "model.keras");
    fails(
        &folder,
        &["predict", &words, "--input", "data.npz", "--output", "out.npz"],
        "data.npz: array `x0` holds 0.5\n      help: the model's input takes int32",
    );
    assert!(!folder.join("out.npz").exists());
}

#[test]
fn names_that_do_not_exist_are_corrected() {
    let folder = folder("names");
    let (model, data) = (model(), data());
    for (option, name, text) in [
        ("--loss", "mssse", "unknown loss `mssse`\n      help: did you mean `mse`?"),
        (
            "--metrics",
            "accuracyy",
            "unknown metric `accuracyy`\n      help: did you mean `accuracy`?",
        ),
        (
            "--loss",
            "densee=mse",
            "unknown output `densee`\n      help: did you mean `dense_1`?",
        ),
    ] {
        fails(&folder, &["fit", &model, "--data", &data, option, name], text);
    }
    let (code, text) =
        run(&folder, &["fit", &model, "--data", &data, "--optimizer", "adamm"]);
    assert_eq!(code, Some(1));
    assert!(text.ends_with("help: did you mean `Adam`?\n"), "{text}");
    let (code, text) =
        run(&folder, &["fit", &model, "--data", &data, "--class-weight", "a=1"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("expected CLASS=WEIGHT, as 0=0.5"), "{text}");
}

#[test]
fn what_cannot_be_written_is_known_before_training() {
    let folder = folder("unwritable");
    let (model, data) = (model(), data());
    fails(
        &folder,
        &["fit", &model, "--data", &data, "--output", "absent/out.keras"],
        "absent/out.keras: the folder absent does not exist",
    );
    fails(
        &folder,
        &["convert", &model, "out.txt"],
        "out.txt: of an unknown format\n  expected: a name that ends in .keras, .h5, .weights.h5 \
         or .safetensors\n       got: `out.txt`",
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is half-written");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deckle"));
    let command = command.args(["summary", &model()]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn results_are_lines_of_json() {
    let run = |command: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_deckle"));
        let output =
            program.args([command, &model(), "--data", &data()]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    for result in [run("evaluate"), run("fit")] {
        assert!(result["loss"].is_f64() && result["accuracy"].is_f64(), "{result}");
    }
}
