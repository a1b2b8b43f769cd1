//! Cases that real Keras computed, through the program `deckle`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use deckle::tensor::{DType, Npz, Tensor};
use serde_json::Value;

/// The cases whose layers exist.
const CASES: &[&str] = &[
    "activations",
    "batch_normalization",
    "conv1d_causal_dilated",
    "conv2d_same_stride2",
    "conv2d_valid",
    "conv3d",
    "dense",
    "dense_rank3",
    "embedding_pooled",
    "fit_binary_rmsprop",
    "fit_convnet_batchnorm",
    "fit_lstm",
    "fit_multiclass_adam",
    "fit_regression_sgd_l2",
    "functional_two_in_two_out",
    "gru",
    "lstm",
    "masked_lstm",
    "mnist_convnet",
    "pooling",
    "simple_rnn",
];

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    beside.is_dir().then_some(beside)
}

fn deckle(arguments: &[&str]) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_deckle")).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "deckle {}: {error}", arguments.join(" "));
}

/// The largest of |ours - theirs| / (1 + |theirs|).
fn error(ours: &Tensor, theirs: &Tensor) -> f64 {
    assert_eq!(ours.shape(), theirs.shape());
    let numbers = |tensor: &Tensor| tensor.cast(DType::F64).to_vec::<f64>().unwrap();
    let pairs = numbers(ours).into_iter().zip(numbers(theirs));
    pairs
        .map(|(ours, theirs)| (ours - theirs).abs() / (1.0 + theirs.abs()))
        .fold(0.0, f64::max)
}

#[track_caller]
fn compare(name: &str, output: &Path, data: &Path, prefix: &str, tolerance: f64) {
    let (ours, theirs) = (Npz::open(output).unwrap(), Npz::open(data).unwrap());
    let mut compared = 0;
    for expected in theirs.names().filter(|name| name.starts_with(prefix)) {
        let place = &expected[1..];
        let ours = ours.tensor(&format!("y{place}")).unwrap();
        let error = error(&ours, &theirs.tensor(expected).unwrap());
        assert!(error <= tolerance, "{name}: {expected} is off by {error:e}");
        compared += 1;
    }
    assert!(compared > 0, "{name}: nothing to compare");
}

fn run(folder: &Path, name: &str) {
    let case = folder.join(name);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let meta: Value =
        serde_json::from_str(&fs::read_to_string(case.join("case.json")).unwrap())
            .unwrap();
    let tolerance = meta["tolerance"].as_f64().unwrap();
    let (model, data) = (text(&case.join("model.keras")), case.join("data.npz"));
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&scratch).unwrap();
    let out = scratch.join("out.npz");
    deckle(&["predict", &model, "--input", &text(&data), "--output", &text(&out)]);
    compare(name, &out, &data, "y", tolerance);
    if meta["kind"] != "fit" {
        return;
    }
    let (trained, history) =
        (text(&scratch.join("trained.keras")), scratch.join("history.json"));
    let (epochs, batch) = (meta["epochs"].to_string(), meta["batch_size"].to_string());
    let split = meta["validation_split"].to_string();
    let mut arguments = vec![
        "fit",
        &model,
        "--data",
        data.to_str().unwrap(),
        "--epochs",
        &epochs,
        "--batch-size",
        &batch,
        "--no-shuffle",
        "--output",
        &trained,
        "--history",
        history.to_str().unwrap(),
        "--verbose",
        "0",
    ];
    if meta["validation_split"].is_number() {
        arguments.extend(["--validation-split", &split]);
    }
    deckle(&arguments);
    let ours: Value =
        serde_json::from_str(&fs::read_to_string(&history).unwrap()).unwrap();
    for (key, theirs) in meta["history"].as_object().unwrap() {
        let ours = ours[key].as_array().unwrap_or_else(|| panic!("{name}: no `{key}`"));
        for (ours, theirs) in ours.iter().zip(theirs.as_array().unwrap()) {
            let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
            let error = (ours - theirs).abs() / (1.0 + theirs.abs());
            assert!(error <= tolerance, "{name}: {key} is {ours}, should be {theirs}");
        }
    }
    // What was written predicts what Keras predicts after training.
    deckle(&[
        "predict",
        &trained,
        "--input",
        data.to_str().unwrap(),
        "--output",
        &text(&out),
    ]);
    compare(name, &out, &data, "z", tolerance);
    deckle(&["summary", &trained]);
}

#[test]
fn the_program_computes_what_keras_computes() {
    let Some(folder) = folder() else {
        eprintln!("skipped: no ../shared/fixtures beside the checkout");
        return;
    };
    for name in CASES {
        run(&folder, name);
    }
}
