//! Decisions on sequences of logs, compared with those of Keras's callbacks.

use deckle_nn::{Sequential, layers::Dense};
use deckle_tensor::Tensor;
use serde_json::Value;

use super::*;
use crate::{Callback, Compile, Context, Logs, Result, Trainable, Trainer, run::Run};

const GOLDEN: &str = include_str!("../../tests/data/callbacks.json");

fn cases(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(GOLDEN).unwrap();
    let cases = all[name].as_array().unwrap().clone();
    assert!(cases.len() >= 9, "{name}: only {}", cases.len());
    cases
}

/// Numbers that are not finite are texts.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| number(value).unwrap()).collect()
}

fn same(a: Option<f64>, b: Option<f64>) -> bool {
    a == b || (a.is_some_and(f64::is_nan) && b.is_some_and(f64::is_nan))
}

/// Training without any: what callbacks are given.
struct Stage {
    trainer: Trainer,
    run: Run,
}

impl Stage {
    fn new(names: &[&str]) -> Self {
        let model =
            Sequential::new([1]).add(Dense::new(1).use_bias(false)).build().unwrap();
        let trainer = model.compile(Compile::named("sgd", "mse").unwrap()).unwrap();
        trainer.optimizer().set_learning_rate(0.1).unwrap();
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Self { trainer, run: Run::new(100, None, names) }
    }

    fn context(&mut self) -> Context<'_> {
        Context { trainer: &mut self.trainer, run: &mut self.run }
    }

    fn set_weight(&mut self, value: f32) {
        self.context().set_weights(&[Tensor::full([1, 1], value)]).unwrap();
    }

    fn weight(&mut self) -> f32 {
        self.context().weights().unwrap()[0].to_vec::<f32>().unwrap()[0]
    }

    fn end_epoch(
        &mut self,
        callback: &mut impl Callback,
        epoch: usize,
        logs: &mut Logs,
    ) -> Result<()> {
        self.run.epoch = epoch;
        callback.on_epoch_end(epoch, logs, &mut self.context())
    }
}

fn mode(setting: &Value) -> Mode {
    match setting["mode"].as_str() {
        Some("max") => Mode::Max,
        Some("min") => Mode::Min,
        _ => Mode::Auto,
    }
}

fn monitor(setting: &Value) -> &str {
    setting["monitor"].as_str().unwrap_or("val_loss")
}

fn count(setting: &Value, name: &str) -> Option<usize> {
    setting[name].as_u64().map(|count| count as usize)
}

fn log(name: &str, value: f64) -> Logs {
    Logs::from_iter([(name.to_owned(), value)])
}

#[test]
fn early_stopping_decides_as_keras_does() {
    for case in cases("early_stopping") {
        let setting = &case["settings"];
        let name = monitor(setting);
        let mut callback = EarlyStopping::new()
            .monitor(name)
            .mode(mode(setting))
            .patience(count(setting, "patience").unwrap_or(0))
            .min_delta(setting["min_delta"].as_f64().unwrap_or(0.0))
            .start_from_epoch(count(setting, "start_from_epoch").unwrap_or(0))
            .restore_best_weights(setting["restore_best_weights"] == true);
        if let Some(baseline) = setting["baseline"].as_f64() {
            callback = callback.baseline(baseline);
        }
        let mut stage = Stage::new(&[name]);
        callback.on_train_begin(&mut stage.context()).unwrap();
        let mut ran = 0;
        for (epoch, value) in numbers(&case["values"]).into_iter().enumerate() {
            stage.set_weight(epoch as f32);
            stage.end_epoch(&mut callback, epoch, &mut log(name, value)).unwrap();
            ran += 1;
            // An interruption changes nothing.
            let state = callback.state().unwrap();
            callback.on_train_begin(&mut stage.context()).unwrap();
            callback.restore(&state, &mut stage.context()).unwrap();
            if stage.run.stop {
                break;
            }
        }
        callback.on_train_end(&mut stage.context()).unwrap();
        assert_eq!(Some(ran), count(&case, "ran"), "{case}");
        assert_eq!(callback.stopped_epoch(), count(&case, "stopped"), "{case}");
        assert_eq!(Some(callback.wait()), count(&case, "wait"), "{case}");
        assert_eq!(Some(callback.best_epoch()), count(&case, "best_epoch"), "{case}");
        assert!(same(callback.best(), number(&case["best"])), "{case}");
        assert!(same(Some(stage.weight().into()), number(&case["weight"])), "{case}");
    }
}

#[test]
fn learning_rates_are_reduced_as_keras_does() {
    for case in cases("reduce_lr") {
        let setting = &case["settings"];
        let name = monitor(setting);
        let mut callback = ReduceLROnPlateau::new()
            .monitor(name)
            .mode(mode(setting))
            .factor(setting["factor"].as_f64().unwrap_or(0.1))
            .patience(count(setting, "patience").unwrap_or(10))
            .cooldown(count(setting, "cooldown").unwrap_or(0))
            .min_lr(setting["min_lr"].as_f64().unwrap_or(0.0))
            .min_delta(setting["min_delta"].as_f64().unwrap_or(1e-4));
        let mut stage = Stage::new(&[name]);
        callback.on_train_begin(&mut stage.context()).unwrap();
        let (mut logged, mut rates) = (Vec::new(), Vec::new());
        for (epoch, value) in numbers(&case["values"]).into_iter().enumerate() {
            let mut logs = log(name, value);
            stage.end_epoch(&mut callback, epoch, &mut logs).unwrap();
            logged.push(logs.get("learning_rate").unwrap());
            rates.push(stage.context().learning_rate().unwrap());
            let state = callback.state().unwrap();
            callback.on_train_begin(&mut stage.context()).unwrap();
            callback.restore(&state, &mut stage.context()).unwrap();
        }
        assert_eq!(logged, numbers(&case["logged"]), "{case}");
        assert_eq!(rates, numbers(&case["rates"]), "{case}");
    }
}

#[test]
fn models_are_saved_when_keras_saves_them() {
    let scratch = tempfile::TempDir::new().unwrap();
    let folder = scratch.path();
    for case in cases("model_checkpoint") {
        let setting = &case["settings"];
        let name = monitor(setting);
        let mut callback =
            ModelCheckpoint::new(folder.join(case["path"].as_str().unwrap()))
                .monitor(name)
                .mode(mode(setting))
                .save_best_only(setting["save_best_only"] == true);
        if let Some(freq) = count(setting, "save_freq") {
            callback = callback.save_freq(freq);
        }
        if let Some(value) = setting["initial_value_threshold"].as_f64() {
            callback = callback.initial_value_threshold(value);
        }
        let mut stage = Stage::new(&[name, "loss"]);
        callback.on_train_begin(&mut stage.context()).unwrap();
        let mut saved: Vec<String> = Vec::new();
        let mut note = |callback: &ModelCheckpoint| {
            let file = callback.saved().and_then(|path| path.file_name());
            let file = file.map(|file| file.to_str().unwrap().to_owned());
            if file.is_some() && file.as_ref() != saved.last() {
                saved.extend(file);
            }
        };
        let (values, batches) =
            (numbers(&case["values"]), count(&case, "batches").unwrap());
        for epoch in 0..values.len() / batches.max(1) {
            stage.run.epoch = epoch;
            for batch in 0..batches {
                stage.run.logs = Some(log("loss", values[epoch * batches + batch]));
                callback.on_train_batch_end(batch, &mut stage.context()).unwrap();
                note(&callback);
            }
            let value = if batches == 0 { values[epoch] } else { 0.0 };
            stage.end_epoch(&mut callback, epoch, &mut log(name, value)).unwrap();
            note(&callback);
        }
        let expected: Vec<_> = case["saved"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s.as_str().unwrap())
            .collect();
        assert_eq!(saved, expected, "{case}");
        for file in &saved {
            assert!(folder.join(file).is_file(), "{file}");
        }
    }
}

#[test]
fn csv_files_are_those_of_keras() {
    let scratch = tempfile::TempDir::new().unwrap();
    let path = scratch.path().join("log.csv");
    for case in cases("csv_logger") {
        let _ = std::fs::remove_file(&path);
        let setting = &case["settings"];
        for _ in 0..2 {
            let mut callback = CSVLogger::new(&path)
                .separator(setting["separator"].as_str().unwrap_or(","))
                .append(setting["append"] == true);
            let mut stage = Stage::new(&[]);
            callback.on_train_begin(&mut stage.context()).unwrap();
            for (epoch, logs) in case["logs"].as_array().unwrap().iter().enumerate() {
                let values = logs.as_object().unwrap().iter();
                let mut logs =
                    values.map(|(k, v)| (k.clone(), number(v).unwrap())).collect();
                stage.end_epoch(&mut callback, epoch, &mut logs).unwrap();
            }
            callback.on_train_end(&mut stage.context()).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, case["text"].as_str().unwrap(), "{case}");
    }
}

#[test]
fn what_cannot_be_monitored_is_an_error_before_training() {
    let begin = |monitor: &str, names: &[&str]| {
        let mut stage = Stage::new(names);
        let mut callback = EarlyStopping::new().monitor(monitor);
        callback.on_train_begin(&mut stage.context()).unwrap_err().to_string()
    };
    assert_eq!(
        begin("val_loss", &["loss", "accuracy"]),
        "cannot monitor `val_loss`\n  expected: one of `loss`, `accuracy`\n       \
         got: `val_loss`\n      help: validate: Fit::validation_split or Fit::validation_data"
    );
    assert_eq!(
        begin("acc", &["loss", "accuracy"]),
        "cannot monitor `acc`\n  expected: one of `loss`, `accuracy`\n       \
         got: `acc`\n      help: name one of these: .monitor(\"loss\")"
    );
    assert_eq!(
        begin("mine", &["loss", "mine"]),
        "cannot tell when `mine` is better\n  expected: a loss, or a metric of Keras's\n       \
         got: `mine`\n      help: say so: .mode(Mode::Max) or .mode(Mode::Min)"
    );
}

#[test]
fn the_file_of_a_checkpoint_is_checked_before_training() {
    let begin = |callback: ModelCheckpoint| {
        let mut callback = callback;
        let mut stage = Stage::new(&["loss", "val_loss"]);
        callback.on_train_begin(&mut stage.context()).map_err(|error| error.to_string())
    };
    assert!(begin(ModelCheckpoint::new("{epoch}-{val_loss}.keras")).is_ok());
    assert!(begin(ModelCheckpoint::new("{batch}.keras").save_freq(2)).is_ok());
    for (wrong, text) in [
        (ModelCheckpoint::new("a.txt"), "the file cannot hold a whole model"),
        (
            ModelCheckpoint::new("a.keras").save_weights_only(true),
            "the file cannot hold weights alone",
        ),
        (ModelCheckpoint::new("{acc}.keras"), "the file name `{acc}.keras` cannot be"),
        (ModelCheckpoint::new("{batch}.keras"), "the file name `{batch}.keras` cannot"),
        (ModelCheckpoint::new("{val_loss}.keras").save_freq(2), "the file name"),
        (ModelCheckpoint::new("a.keras").save_freq(0), "save_freq"),
    ] {
        let error = begin(wrong).unwrap_err();
        assert!(error.starts_with(text), "{error}");
    }
}

#[test]
fn directions_are_those_of_keras() {
    for (class, better) in [
        ("AUC", Some(Better::Larger)),
        ("R2Score", Some(Better::Larger)),
        ("MeanAbsoluteError", Some(Better::Smaller)),
        ("FalsePositives", None),
    ] {
        assert_eq!(Better::of_class(class), better, "{class}");
    }
}
