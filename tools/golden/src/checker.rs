//! One case after the other, through the program: [`Checker`].

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use deckle_tensor::{DType, Npz, Tensor};
use serde_json::{Map, Value};

use crate::{Outcome, name};

/// The exit code of `deckle` for models that need what it does not have.
const MISSING: i32 = 3;

/// What a case says besides the settings of `fit`.
const ABOUT: &[&str] = &["name", "kind", "keras", "backend", "tolerance", "history"];

/// The program `deckle`, and a folder for what it writes.
#[derive(Clone, Debug)]
pub struct Checker {
    program: PathBuf,
    scratch: PathBuf,
}

type Check = Result<(), Outcome>;

fn failed(why: impl std::fmt::Display) -> Outcome {
    Outcome::Failed(why.to_string())
}

impl Checker {
    /// Checks with that program; what it writes goes to folders in `scratch`, which are left
    /// there.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, scratch: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), scratch: scratch.into() }
    }

    /// Runs a case: predictions, and for training also the history, the predictions after it
    /// and what is written.
    #[must_use]
    pub fn check(&self, case: &Path) -> Outcome {
        match self.run(case) {
            Ok(()) => Outcome::Passed,
            Err(outcome) => outcome,
        }
    }

    fn run(&self, case: &Path) -> Check {
        let about = fs::read(case.join("case.json")).map_err(failed)?;
        let about: Value = serde_json::from_slice(&about)
            .map_err(|error| failed(format_args!("case.json: {error}")))?;
        let about = about.as_object().ok_or_else(|| failed("case.json: no object"))?;
        let tolerance = about.get("tolerance").and_then(Value::as_f64).unwrap_or(1e-4);
        let (model, data) = (model(case), case.join("data.npz"));
        let scratch = self.scratch.join(name(case));
        fs::create_dir_all(&scratch).map_err(failed)?;

        let before = scratch.join("before.npz");
        self.predict(&model, &data, &before)?;
        compare(&before, &data, 'y', tolerance)?;
        if about.get("kind").and_then(Value::as_str) != Some("fit") {
            return Ok(());
        }
        let trained = scratch.join("trained.keras");
        let history = self.fit(case, about, &trained)?;
        compare_history(&history, about.get("history"), tolerance)?;
        // What was written predicts what Keras predicts after training.
        let after = scratch.join("after.npz");
        self.predict(&trained, &data, &after)?;
        compare(&after, &data, 'z', tolerance)
    }

    fn predict(&self, model: &Path, data: &Path, output: &Path) -> Check {
        let mut command = Command::new(&self.program);
        command.arg("predict").arg(model).arg("--input").arg(data);
        run(command.arg("--output").arg(output))
    }

    /// Trains as the case says; returns the history.
    fn fit(
        &self,
        case: &Path,
        about: &Map<String, Value>,
        trained: &Path,
    ) -> Result<Value, Outcome> {
        let history = trained.with_file_name("history.json");
        let mut command = Command::new(&self.program);
        command.arg("fit").arg(model(case));
        command.arg("--data").arg(case.join("data.npz"));
        command.arg("--output").arg(trained).arg("--history").arg(&history);
        command.args(["--no-shuffle", "--verbose", "0"]);
        for (key, value) in about.iter().filter(|(key, _)| !ABOUT.contains(&&key[..])) {
            let value = match (key.as_str(), value) {
                (
                    "batch_size"
                    | "epochs"
                    | "initial_epoch"
                    | "validation_split"
                    | "validation_batch_size",
                    value,
                ) => value.to_string(),
                ("class_weight", Value::Object(weights)) => {
                    let pairs: Vec<_> =
                        weights.iter().map(|(k, v)| format!("{k}={v}")).collect();
                    pairs.join(",")
                }
                _ => return Err(failed(format_args!("case.json: unknown `{key}`"))),
            };
            command.arg(format!("--{}", key.replace('_', "-"))).arg(value);
        }
        run(&mut command)?;
        let text = fs::read(&history).map_err(failed)?;
        serde_json::from_slice(&text).map_err(failed)
    }
}

/// The case's model, a `.keras` file or Keras 2's.
fn model(case: &Path) -> PathBuf {
    let path = case.join("model.keras");
    if path.exists() { path } else { case.join("model.h5") }
}

/// Runs the program; says what it lacks, or what its error is.
fn run(command: &mut Command) -> Check {
    let output = command.output().map_err(|error| {
        failed(format_args!("{}: {error}", command.get_program().to_string_lossy()))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim().trim_start_matches("error: ");
    if output.status.code() == Some(MISSING) {
        return Err(Outcome::Missing(summary_of_missing(text)));
    }
    Err(failed(format_args!("{}: {}", output.status, text.replace('\n', " | "))))
}

/// The classes of the layers that an error says are missing; the first line of any other error.
fn summary_of_missing(text: &str) -> String {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("missing: "));
    let (mut classes, mut others) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        match line.strip_suffix(')').and_then(|line| line.rsplit_once(" (")) {
            Some((_, class)) => classes.insert(class),
            None => others.insert(line),
        };
    }
    let list = |set: BTreeSet<&str>| set.into_iter().collect::<Vec<_>>().join(", ");
    match (classes.is_empty(), others.is_empty()) {
        (true, true) => {
            let line = text.lines().next().unwrap_or_default();
            line.find("unknown ").map_or(line, |at| &line[at..]).to_owned()
        }
        (false, _) => format!("layers {}", list(classes)),
        (true, false) => list(others),
    }
}

/// Compares `y0`, `y1`, ... of the program with the case's arrays of that letter.
fn compare(ours: &Path, theirs: &Path, letter: char, tolerance: f64) -> Check {
    let open = |path: &Path| Npz::open(path).map_err(failed);
    let (ours, theirs) = (open(ours)?, open(theirs)?);
    let mut compared = 0;
    for (i, expected) in (0..).map(|i| (i, format!("{letter}{i}"))) {
        if !theirs.names().any(|name| name == expected) {
            break;
        }
        let read = |npz: &Npz, name: &str| npz.tensor(name).map_err(failed);
        let theirs = read(&theirs, &expected)?;
        let error = error(&read(&ours, &format!("y{i}"))?, &theirs)
            .map_err(|why| failed(format_args!("{expected}: {why}")))?;
        if error > tolerance {
            return Err(failed(format_args!(
                "{expected} is off by {error:.1e}, more than {tolerance:.0e}"
            )));
        }
        compared += 1;
    }
    if compared == 0 || ours.len() != compared {
        return Err(failed(format_args!("{} outputs, expected {compared}", ours.len())));
    }
    Ok(())
}

/// The largest of `|ours - theirs| / (1 + |theirs|)`.
fn error(ours: &Tensor, theirs: &Tensor) -> Result<f64, String> {
    if ours.shape() != theirs.shape() {
        return Err(format!("shape {:?}, expected {:?}", ours.shape(), theirs.shape()));
    }
    let numbers = |tensor: &Tensor| {
        tensor.cast(DType::F64).to_vec::<f64>().map_err(|error| error.to_string())
    };
    let pairs = numbers(ours)?.into_iter().zip(numbers(theirs)?);
    Ok(pairs.map(|(ours, theirs)| difference(ours, theirs)).fold(0.0, f64::max))
}

fn difference(ours: f64, theirs: f64) -> f64 {
    if ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan()) {
        return 0.0;
    }
    let error = (ours - theirs).abs() / (1.0 + theirs.abs());
    if error.is_nan() { f64::INFINITY } else { error }
}

fn compare_history(ours: &Value, theirs: Option<&Value>, tolerance: f64) -> Check {
    let (Some(ours), Some(theirs)) =
        (ours.as_object(), theirs.and_then(Value::as_object))
    else {
        return Err(failed("no history"));
    };
    let keys =
        |map: &Map<String, Value>| -> BTreeSet<String> { map.keys().cloned().collect() };
    if keys(ours) != keys(theirs) {
        let (ours, theirs) = (keys(ours), keys(theirs));
        return Err(failed(format_args!("history of {ours:?}, expected {theirs:?}")));
    }
    for (key, theirs) in theirs {
        let numbers = |value: &Value| -> Vec<f64> {
            let values = value.as_array().into_iter().flatten();
            values.map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
        };
        let (ours, theirs) = (numbers(&ours[key]), numbers(theirs));
        if ours.len() != theirs.len() {
            return Err(failed(format_args!(
                "{key}: {} epochs, expected {}",
                ours.len(),
                theirs.len()
            )));
        }
        for (epoch, (&ours, &theirs)) in ours.iter().zip(&theirs).enumerate() {
            if difference(ours, theirs) > tolerance {
                return Err(failed(format_args!(
                    "{key} of epoch {} is {ours}, expected {theirs}",
                    epoch + 1
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "these are exact")]
    fn a_difference_is_relative_to_one_more_than_the_expected() {
        assert_eq!(difference(3.0, 1.0), 1.0);
        assert_eq!(difference(f64::NAN, f64::NAN), 0.0);
        assert_eq!(difference(f64::INFINITY, f64::INFINITY), 0.0);
        assert_eq!(difference(f64::NAN, 1.0), f64::INFINITY);
        assert_eq!(difference(1.0, f64::INFINITY), f64::INFINITY);
    }

    #[test]
    fn what_is_missing_is_named_by_class() {
        let text = "the model asks for what does not exist here\n  missing: layer `a` (Foo)\n  \
                    missing: layer `b` (Bar)\n  missing: layer `c` (Foo)";
        assert_eq!(summary_of_missing(text), "layers Bar, Foo");
        let text = "model.keras: unknown optimizer `Ftrl`\n  expected: one of SGD";
        assert_eq!(summary_of_missing(text), "unknown optimizer `Ftrl`");
    }

    #[test]
    fn histories_have_the_same_keys_lengths_and_values() {
        let history = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let theirs = history(r#"{"loss": [1.0, 0.5]}"#);
        let check = |ours: &str| compare_history(&history(ours), Some(&theirs), 1e-3);
        assert_eq!(check(r#"{"loss": [1.0005, 0.5]}"#), Ok(()));
        for (ours, why) in [
            (r#"{"loss": [1.0, 0.6]}"#, "loss of epoch 2 is 0.6, expected 0.5"),
            (r#"{"loss": [1.0]}"#, "loss: 1 epochs, expected 2"),
            (
                r#"{"loss": [1.0, 0.5], "mae": []}"#,
                r#"history of {"loss", "mae"}, expected {"loss"}"#,
            ),
        ] {
            assert_eq!(check(ours), Err(Outcome::Failed(why.to_owned())));
        }
    }
}
