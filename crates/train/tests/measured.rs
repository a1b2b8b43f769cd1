//! Histories of models with many metrics, as Keras trained them (`tools/golden/cases`).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use deckle_data::Arrays;
use deckle_tensor::{Npz, Tensor};
use deckle_train::{Fit, load};
use serde_json::Value;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/golden/cases").join(name)
}

fn tensors(npz: &Npz, letter: char) -> Vec<Tensor> {
    (0..).map_while(|i| npz.tensor(&format!("{letter}{i}")).ok()).collect()
}

/// Trains the model of a case again, and compares its history with Keras's.
#[track_caller]
fn check(name: &str) {
    let folder = case(name);
    let about = std::fs::read_to_string(folder.join("case.json")).unwrap();
    let about: Value = serde_json::from_str(&about).unwrap();
    let npz = Npz::open(folder.join("data.npz")).unwrap();
    let mut data = Arrays::of(tensors(&npz, 'x'), tensors(&npz, 't')).unwrap();
    if let Ok(weights) = npz.tensor("w0") {
        data = data.sample_weight(&weights).unwrap();
    }
    let count = |key: &str| usize::try_from(about[key].as_u64().unwrap()).unwrap();
    let mut fit = Fit::new()
        .epochs(count("epochs"))
        .batch_size(count("batch_size"))
        .shuffle(false)
        .verbose(0);
    if let Some(share) = about.get("validation_split").and_then(Value::as_f64) {
        fit = fit.validation_split(share);
    }
    let saved = load(folder.join("model.keras")).unwrap();
    let mut trainer = saved.into_trainer().unwrap();
    let history = trainer.fit(&data, fit).unwrap();
    let keras = about["history"].as_object().unwrap();
    let mut names: Vec<_> = history.names().collect();
    names.sort_unstable();
    let mut theirs: Vec<_> = keras.keys().map(String::as_str).collect();
    theirs.sort_unstable();
    assert_eq!(names, theirs, "{name}");
    for (key, values) in keras {
        let ours = history.get(key).unwrap();
        assert_eq!(ours.len(), values.as_array().unwrap().len());
        for (epoch, (ours, theirs)) in
            ours.iter().zip(values.as_array().unwrap()).enumerate()
        {
            let theirs = theirs.as_f64().unwrap();
            let near = (ours - theirs).abs() <= 1e-4 * (1.0 + theirs.abs());
            assert!(near, "{name}: {key} of epoch {epoch} is {ours}, Keras {theirs}");
        }
    }
    let values = trainer.predict(&tensors(&npz, 'x')).unwrap();
    for (ours, theirs) in values.iter().zip(tensors(&npz, 'z')) {
        assert!(ours.allclose(&theirs, 1e-4, 1e-4).unwrap(), "{name}: predictions");
    }

    // What is saved measures the same again.
    let scratch = tempfile::TempDir::new().unwrap();
    let copy = scratch.path().join("copy.keras");
    trainer.save(&copy).unwrap();
    let mut again = load(&copy).unwrap().into_trainer().unwrap();
    let (first, second) =
        (trainer.evaluate(&data).unwrap(), again.evaluate(&data).unwrap());
    assert_eq!(first, second, "{name}");
}

#[test]
fn binary_classifiers_are_measured_as_by_keras() {
    check("fit_metrics_binary");
}

#[test]
fn classifiers_are_measured_as_by_keras() {
    check("fit_metrics_of_classes");
}

#[test]
fn several_outputs_are_measured_as_by_keras() {
    check("fit_metrics_of_outputs");
}

#[test]
fn renormalization_trains_as_kerass() {
    check("fit_renormalization");
}

#[test]
fn orthogonal_penalties_train_as_kerass() {
    check("fit_orthogonal_penalty");
}

#[test]
fn weights_may_learn_faster_or_without_decay() {
    use deckle_nn::{Sequential, layers::Dense, losses::MeanSquaredError};
    use deckle_optim::Sgd;
    use deckle_train::{Compile, Trainable};

    let trained = |compile: fn(Compile) -> Compile| {
        let model = Sequential::new([2])
            .add(Dense::new(2))
            .add(Dense::new(1))
            .seed(3)
            .build()
            .unwrap();
        let sgd = Sgd::new().learning_rate(0.1).weight_decay(0.5);
        let compile = compile(Compile::new(sgd, MeanSquaredError::new()));
        let before: Vec<_> =
            model.weights().map(|w| w.variable().value().unwrap()).collect();
        let mut trainer = model.compile(compile).unwrap();
        let x = Tensor::from([[1.0f32, 2.0]]);
        let data = Arrays::new(x, Tensor::from([[3.0f32]])).unwrap();
        trainer.fit(&data, Fit::new().verbose(0)).unwrap();
        let after = model.weights().map(|w| w.variable().value().unwrap());
        let change = before.iter().zip(after).map(|(before, after)| {
            let (a, b) =
                (after.to_vec::<f32>().unwrap(), before.to_vec::<f32>().unwrap());
            a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()
        });
        change.collect::<Vec<_>>()
    };
    let plain = trained(|compile| compile);
    let slower = trained(|compile| compile.multiply_learning_rate("dense_1/", 0.5));
    let frozen = trained(|compile| compile.multiply_learning_rate("dense/", 0.0));
    let free = trained(|compile| compile.exclude_from_weight_decay(["kernel"]));
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    let half: Vec<_> = plain[2].iter().map(|change| 0.5 * change).collect();
    assert_eq!(slower[0], plain[0]);
    assert!(near(&slower[2], &half), "{:?} {half:?}", slower[2]);
    assert!(frozen[0].iter().all(|change| *change == 0.0));
    assert_eq!(frozen[2], plain[2]);
    assert_eq!(free[1], plain[1]);
    assert!(!near(&free[0], &plain[0]));
}
