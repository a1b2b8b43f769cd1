//! What the program says of input that it cannot take: text and exit code.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    process::{Command, Stdio},
};

use common::{case, data, fails, folder, model, run, write};
use deckle::tensor::{DType, Tensor};

/// How many examples make a batch is not how many there have to be.
#[test]
fn a_wrong_shape_is_told_without_the_size_of_a_batch() {
    let folder = folder("errors/batches");
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
    let model = case("fit_fixed_batches", "model.keras");
    let predict = ["predict", &model, "--input", "data.npz", "--output", "y.npz"];
    write(&folder, &[("x0", zeros(&[6, 7]))]);
    fails(
        &folder,
        &predict,
        "data.npz: array `x0` has shape (6, 7)\n      help: the model takes (batch, 3)",
    );
    write(&folder, &[("x0", zeros(&[6, 3]))]);
    assert_eq!(run(&folder, &predict).0, Some(0));
}

#[test]
fn one_array_of_a_kind_needs_no_number() {
    let folder = folder("errors/letters");
    let x = Tensor::new([0.5_f32, -1.0, 2.0, 0.0, 1.5, -0.5].repeat(3), [3, 6]).unwrap();
    let (t, w) = (Tensor::from([0, 2, 1]), Tensor::from([1.0_f32, 0.5, 4.0]));
    let evaluate = |names: [&str; 3]| {
        let arrays = [x.clone(), t.clone(), w.clone()];
        let arrays: Vec<_> = names.into_iter().zip(arrays).collect();
        write(&folder, &arrays);
        let mut command = Command::new(env!("CARGO_BIN_EXE_deckle"));
        let arguments = ["evaluate", &model(), "--data", "data.npz"];
        let output = command.current_dir(&folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "{names:?}: {output:?}");
        output.stdout
    };
    let numbered = evaluate(["x0", "t0", "w0"]);
    assert_eq!(evaluate(["x", "t", "w"]), numbered);
    assert_eq!(evaluate(["x", "y", "w0"]), numbered);
    assert_ne!(evaluate(["x", "y", "z"]), numbered, "weights count");
}

#[test]
fn arrays_that_do_not_fit_are_named() {
    let folder = folder("errors/arrays");
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
    write(&folder, &[("x0", zeros(&[3, 7])), ("t0", zeros(&[3]))]);
    fails(
        &folder,
        &evaluate,
        "data.npz: array `x0` has shape (3, 7)\n      help: the model takes (batch, 6)",
    );
    let (x, t, w) = (("x0", zeros(&[3, 6])), ("t0", zeros(&[3])), zeros(&[3]));
    write(&folder, &[x.clone(), t.clone(), ("w0", w.clone()), ("w1", w)]);
    fails(
        &folder,
        &evaluate,
        "data.npz: has 2 arrays of weights, `w0` to `w1`\n      help: the model has 1 output: give \
         `w0` alone, or one for each",
    );
    write(&folder, &[x, ("t0", Tensor::from([0, 9, 1]))]);
    fails(
        &folder,
        &evaluate,
        "a target is not one of the classes\n  expected: 0 <= label < 3\n       got: 9\n      \
         help: number the classes from 0, and give the last layer one unit for each",
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

/// What `numpy.save` writes of `numpy.array(["a", "b"])`.
#[test]
fn text_where_numbers_belong_is_refused() {
    let folder = folder("errors/text");
    let mut npy = b"\x93NUMPY\x01\x00\x37\x00".to_vec();
    npy.extend(b"{'descr': '<U1', 'fortran_order': False, 'shape': (2,)}a\0\0\0b\0\0\0");
    fs::write(folder.join("data.npz"), common::zip("x0.npy", &npy)).unwrap();
    fails(
        &folder,
        &["predict", &model(), "--input", "data.npz", "--output", "out.npz"],
        "data.npz, member `x0`: has strings (`<U1`)\n      help: save it from NumPy as bool, an \
         integer or a floating-point type: array.astype(\"float32\")",
    );
    for (option, value, text) in [
        (
            "--batch-size",
            "x",
            "invalid value 'x' for '--batch-size <BATCH_SIZE>': invalid digit",
        ),
        ("--epochs", "-1", "invalid value '-1' for '--epochs <EPOCHS>': invalid digit"),
        (
            "--verbose",
            "7",
            "invalid value '7' for '--verbose <VERBOSE>': 7 is not in 0..=2",
        ),
        ("--class-weight", "a=1", "expected CLASS=WEIGHT, as 0=0.5"),
    ] {
        let (code, error) =
            run(&folder, &["fit", &model(), "--data", &data(), option, value]);
        assert_eq!(code, Some(2));
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn what_is_no_number_is_measured_as_such() {
    let folder = folder("errors/nan");
    let x = Tensor::full([3, 6], f32::NAN);
    write(&folder, &[("x0", x), ("t0", Tensor::from([0, 1, 2]))]);
    let mut program = Command::new(env!("CARGO_BIN_EXE_deckle"));
    program.current_dir(&folder).args(["evaluate", &model(), "--data", "data.npz"]);
    let text = String::from_utf8(program.output().unwrap().stdout).unwrap();
    assert_eq!(text, "{\"loss\":null,\"accuracy\":0.3333333333333333}\n");
    fails(
        &folder,
        &["fit", &model(), "--data", "data.npz", "--verbose", "0"],
        "the loss is NaN in epoch 1, batch 1; the weights are those from before that batch\n      \
         help: look for NaN in the data, or lower the learning rate",
    );
}

#[test]
fn every_command_says_how_it_is_used() {
    let run = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_deckle"));
        let output = program.args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stderr, b"");
        String::from_utf8(output.stdout).unwrap()
    };
    for command in ["summary", "predict", "fit", "evaluate", "convert"] {
        let text = run(&[command, "--help"]);
        assert!(
            text.contains("Example") && text.contains("deckle "),
            "{command}: {text}"
        );
    }
    let text = run(&["--help"]);
    for code in ["0  done", "1  failed", "2  wrong arguments", "3  the model asks"] {
        assert!(text.contains(code), "{text}");
    }
}

#[test]
fn names_that_do_not_exist_are_corrected() {
    let folder = folder("errors/names");
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
            "unknown output `densee`\n  expected: the name of an output's layer: `dense_1`\n      \
             help: did you mean `dense_1`?",
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
    let folder = folder("errors/unwritable");
    let (model, data) = (model(), data());
    fails(
        &folder,
        &["fit", &model, "--data", &data, "--output", "absent/out.keras"],
        "absent/out.keras: cannot be written\n  expected: a folder that exists\n       got: \
         `absent`",
    );
    fails(
        &folder,
        &["fit", &model, "--data", &data, "--history", "absent/history.json"],
        "absent/history.json: the folder absent does not exist",
    );
    let unknown = "out.h6: of an unknown format\n  expected: a name that ends in .keras, .h5, \
                   .weights.h5 or .safetensors\n       got: `out.h6`";
    fails(&folder, &["fit", &model, "--data", &data, "--output", "out.h6"], unknown);
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
