//! Files of Keras and our own: loaded, trained on, saved, loaded again.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::path::{Path, PathBuf};

use deckle_data::Arrays;
use deckle_formats::{
    Group, KerasArchive, Safetensors,
    json::{self, json},
};
use deckle_nn::{
    Activation, LayerExt, Model, Sequential, Symbol,
    layers::{BatchNormalization, Dense, GroupQueryAttention},
    losses::MeanSquaredError,
};
use deckle_optim::{Adafactor, Sgd};
use deckle_tensor::{DType, Npz, Tensor};
use deckle_train::{AnyMetric, Compile, Fit, Result, Trainable, Trainer, load};
use tempfile::TempDir;

const OPTIMIZERS: [&str; 9] = [
    "sgd",
    "sgd_momentum",
    "rmsprop",
    "rmsprop_all",
    "adam",
    "adam_amsgrad",
    "adam_schedule",
    "adamw",
    "adagrad",
];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn examples() -> Arrays {
    let npz = Npz::open(data("data.npz")).unwrap();
    Arrays::new(npz.tensor("x").unwrap(), npz.tensor("y").unwrap()).unwrap()
}

fn train(trainer: &mut Trainer) {
    let fit = Fit::new().batch_size(4).shuffle(false).verbose(0);
    trainer.fit(&examples(), fit).unwrap();
}

/// The weights in Keras's order, which is ours.
fn weights(trainer: &Trainer) -> Vec<Tensor> {
    trainer.model().weights().map(|weight| weight.variable().value().unwrap()).collect()
}

#[track_caller]
fn check_close(got: &[Tensor], optimizer: &str) {
    compare(got, &Npz::open(data("after.npz")).unwrap(), optimizer);
}

/// Compares weights with those under an optimizer's name.
#[track_caller]
fn compare(got: &[Tensor], after: &Npz, optimizer: &str) {
    for (number, tensor) in got.iter().enumerate() {
        let expected = after.tensor(&format!("{optimizer}/{number}")).unwrap();
        let (a, b) = (tensor.cast(DType::F64), expected.cast(DType::F64));
        let pairs =
            a.to_vec::<f64>().unwrap().into_iter().zip(b.to_vec::<f64>().unwrap());
        for (a, b) in pairs {
            let error = (a - b).abs() / (1.0 + b.abs());
            assert!(error < 2e-4, "{optimizer}: weight {number}: {a} instead of {b}");
        }
    }
}

#[test]
fn training_goes_on_from_keras_slots_as_in_keras() {
    for optimizer in OPTIMIZERS {
        let path = data(&format!("{optimizer}.keras"));
        let mut trainer = load(path).unwrap().into_trainer().unwrap();
        assert_eq!(trainer.optimizer().iterations().unwrap(), 3, "{optimizer}");
        train(&mut trainer);
        check_close(&weights(&trainer), optimizer);
    }
}

#[test]
fn training_goes_on_from_a_legacy_file_as_in_keras() {
    let mut trainer = load(data("adam.h5")).unwrap().into_trainer().unwrap();
    train(&mut trainer);
    check_close(&weights(&trainer), "adam");
}

#[test]
fn training_goes_on_from_files_of_keras_2() {
    let folder = data("keras2");
    let npz = |name: &str| Npz::open(folder.join(name)).unwrap();
    let (examples, after) = (npz("data.npz"), npz("after.npz"));
    let (x, y) = (examples.tensor("x").unwrap(), examples.tensor("y").unwrap());
    let examples = Arrays::new(x, y).unwrap();
    let fit = || Fit::new().batch_size(4).shuffle(false).verbose(0);
    for optimizer in [
        "sgd",
        "rmsprop",
        "adam",
        "adam_average",
        "adagrad",
        "old_sgd",
        "old_rmsprop",
        "old_adam",
        "old_adagrad",
    ] {
        let path = folder.join(format!("{optimizer}.h5"));
        let mut trainer = load(path).unwrap().into_trainer().unwrap();
        assert_eq!(trainer.optimizer().iterations().unwrap(), 3, "{optimizer}");
        trainer.fit(&examples, fit()).unwrap();
        compare(&weights(&trainer), &after, optimizer);
    }
}

/// A file's slots that are not those of its optimizer.
#[test]
fn missing_slots_of_keras_2_are_named() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let path = folder.join("adam.h5");
    let mut file = Group::read(data("keras2/adam.h5")).unwrap();
    let group = file.groups.get_mut("optimizer_weights").unwrap();
    let names = vec!["iteration:0".to_owned(), "Adam/m/dense/kernel:0".to_owned()];
    group.attributes.insert("weight_names".to_owned(), names.into());
    file.write(&path).unwrap();
    let error = load(&path).unwrap().into_trainer().unwrap_err().to_string();
    assert_eq!(
        error.replace(&format!("{}/", folder.display()), ""),
        "adam.h5: the file does not fit the optimizer\n  expected: a tensor of the right shape \
         for each weight, and no other\n       got: 6 variables `momentum`, but the file has 1"
    );
}

#[test]
fn names_of_layers_of_keras_2_may_have_slashes() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("adam.h5");
    let mut file = Group::read(data("keras2/adam.h5")).unwrap();
    let config = file.attribute("model_config").unwrap().text().unwrap();
    let config = config.replace("\"name\": \"dense\"", "\"name\": \"block/dense\"");
    file.attributes.insert("model_config".to_owned(), config.into());
    let root = file.groups.get_mut("model_weights").unwrap();
    let names = root.attribute("layer_names").unwrap().texts().unwrap();
    let renamed = |name: &String| name.replace("dense", "block/dense");
    let names: Vec<_> =
        names.iter().take(1).map(renamed).chain(names[1..].to_vec()).collect();
    root.attributes.insert("layer_names".to_owned(), names.into());
    let dense = root.groups.remove("dense").unwrap();
    root.create_group("block").unwrap().groups.insert("dense".to_owned(), dense);
    file.write(&path).unwrap();
    let [own, other] =
        [path, data("keras2/adam.h5")].map(|path| load(path).unwrap().model);
    let values = |model: &Model| -> Vec<_> {
        model.weights().map(|weight| weight.variable().value().unwrap()).collect()
    };
    assert!(own.layers().iter().any(|layer| layer.name() == "block/dense"));
    assert_eq!(values(&own), values(&other));
}

/// Keras's files of this layout name the class as its source does, Deckle's as `keras.layers`.
#[test]
fn grouped_attention_is_known_by_both_names() -> Result<()> {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("model.h5");
    let x = Symbol::input("x", [5, 4]);
    let y = GroupQueryAttention::new(3, 4, 2).join([&x, &x])?;
    let model = Model::new([&x], [&y])?;
    model.save(&path)?;
    let mut file = Group::read(&path)?;
    let config = file.attribute("model_config").unwrap().text().unwrap();
    let renamed = config.replace("GroupQueryAttention", "GroupedQueryAttention");
    assert_ne!(renamed, config);
    file.attributes.insert("model_config".to_owned(), renamed.into());
    file.write(&path)?;
    assert_eq!(load(&path)?.model.config()?, model.config()?);
    Ok(())
}

#[test]
fn a_gap_in_the_state_of_an_optimizer_is_an_error() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("adam.keras");
    let mut archive = KerasArchive::read(data("adam.keras")).unwrap();
    let state = archive.weights.create_group("optimizer/vars").unwrap();
    let last = state.datasets.len();
    state.insert(&(last + 1).to_string(), Tensor::scalar(0.5f32)).unwrap();
    archive.write(&path).unwrap();
    let error = load(&path).unwrap_err().to_string();
    assert_eq!(
        error.replace(&format!("{}/", scratch.path().display()), ""),
        format!(
            "adam.keras: the optimizer's state cannot be read\n  expected: tensors 0 to {last}\n       \
             got: none of the name {last}\n      help: load_model reads the model without it"
        )
    );
}

#[test]
fn weights_in_several_files_are_read_by_their_index() {
    let scratch = TempDir::new().unwrap();
    let archive = KerasArchive::read(data("adam.keras")).unwrap();
    let (mut shards, mut map) = ([Group::new(), Group::new()], json::Map::new());
    for (number, (path, tensor)) in archive.weights.tensors().into_iter().enumerate() {
        shards[number % 2].insert(&path, tensor.clone()).unwrap();
        let group = format!("/{}", path.rsplit_once('/').unwrap().0);
        map.insert(group, json!(["m_00000.weights.h5", "m_00001.weights.h5"]));
    }
    for (number, shard) in shards.iter().enumerate() {
        shard.write(scratch.path().join(format!("m_0000{number}.weights.h5"))).unwrap();
    }
    let index = scratch.path().join("m.weights.json");
    let content = json!({ "metadata": { "total_size": 0 }, "weight_map": map });
    json::write(&index, &content).unwrap();
    let expected = load(data("adam.keras")).unwrap().into_trainer().unwrap();
    let trainer = load(data("sgd.keras")).unwrap().into_trainer().unwrap();
    assert_ne!(weights(&trainer), weights(&expected));
    trainer.model().load_weights(&index).unwrap();
    assert_eq!(weights(&trainer), weights(&expected));
    let error = load(&index).unwrap_err().to_string();
    assert!(error.contains("got: weights alone"), "{error}");
}

#[test]
fn every_format_saves_what_it_loads() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    for optimizer in OPTIMIZERS {
        for ending in ["keras", "h5"] {
            let first = folder.join(format!("first.{ending}"));
            let second = folder.join(format!("second.{ending}"));
            load(data(&format!("{optimizer}.keras"))).unwrap().save(&first).unwrap();
            load(&first).unwrap().save(&second).unwrap();
            let (first, second) = (std::fs::read(first), std::fs::read(second));
            assert!(first.unwrap() == second.unwrap(), "{optimizer} {ending}");
        }
        let trainer = load(folder.join("first.h5")).unwrap().into_trainer();
        let mut trainer = trainer.unwrap();
        train(&mut trainer);
        check_close(&weights(&trainer), optimizer);
        for ending in ["weights.h5", "safetensors"] {
            let fresh = load(data(&format!("{optimizer}.keras"))).unwrap();
            let fresh = fresh.into_trainer().unwrap();
            let (first, second) =
                (folder.join(format!("1.{ending}")), folder.join(format!("2.{ending}")));
            trainer.save_weights(&first).unwrap();
            fresh.load_weights(&first).unwrap();
            fresh.save_weights(&second).unwrap();
            let (first, second) = (std::fs::read(first), std::fs::read(second));
            assert!(first.unwrap() == second.unwrap(), "{optimizer} {ending}");
            assert_eq!(fresh.optimizer().iterations().unwrap(), 6);
        }
    }
}

#[test]
fn weights_of_every_layout_are_loaded() {
    let saved = load(data("adam.keras")).unwrap();
    let expected: Vec<_> =
        saved.model.weights().map(|weight| weight.variable().value().unwrap()).collect();
    for name in ["adam.weights.h5", "adam.h5", "keras2.h5", "adam.keras"] {
        let model = load(data("sgd.keras")).unwrap().model;
        model.load_weights(data(name)).unwrap();
        for (weight, expected) in model.weights().zip(&expected) {
            assert_eq!(weight.variable().value().unwrap(), *expected, "{name}");
        }
    }
}

#[test]
fn safetensors_have_the_paths_of_weights() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let path = folder.join("model.safetensors");
    load(data("adam.keras")).unwrap().model.save_weights(&path).unwrap();
    let file = Safetensors::read(&path).unwrap();
    let names: Vec<_> = file.tensors.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "batch_normalization_4/beta",
            "batch_normalization_4/gamma",
            "batch_normalization_4/moving_mean",
            "batch_normalization_4/moving_variance",
            "dense_4/bias",
            "dense_4/kernel",
            "embedding_4/embeddings",
            "hidden/bias",
            "hidden/kernel",
            "lstm_4/cell/bias",
            "lstm_4/cell/kernel",
            "lstm_4/cell/recurrent_kernel",
        ]
    );
}

#[test]
fn weights_that_do_not_fit_are_named_and_change_nothing() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let model = Sequential::new([2])
        .add(Dense::new(3).activation(Activation::Relu))
        .add(Dense::new(1))
        .build()
        .unwrap();
    let before: Vec<_> =
        model.weights().map(|weight| weight.variable().value().unwrap()).collect();
    let path = folder.join("wrong.weights.h5");
    let check = |file: &Group, expected: &str| {
        file.write(&path).unwrap();
        let error = model.load_weights(&path).unwrap_err().to_string();
        let text = format!(
            "{}: the file does not fit model `sequential`\n  expected: a tensor of the right \
             shape for each weight, and no other\n       got: {expected}",
            path.display()
        );
        assert_eq!(error, text);
        for (weight, before) in model.weights().zip(&before) {
            assert_eq!(weight.variable().value().unwrap(), *before);
        }
    };
    model.save_weights(&path).unwrap();
    let good = Group::read(&path).unwrap();
    let mut file = good.clone();
    let last = file.groups.get_mut("layers").unwrap().groups.get_mut("dense_1").unwrap();
    last.groups.get_mut("vars").unwrap().datasets.remove("1");
    check(&file, "`dense_1/bias`, but there is no layers/dense_1/vars/1");
    let mut file = good.clone();
    file.insert("layers/dense_1/vars/0", Tensor::zeros(DType::F32, [4, 1])).unwrap();
    file.insert("layers/dense_2/vars/0", Tensor::zeros(DType::F32, [4, 1])).unwrap();
    check(
        &file,
        "`dense_1/kernel` of shape (3, 1), but layers/dense_1/vars/0 has shape (4, 1) and type \
         float32\n            layers/dense_2/vars/0, of which the model has no weight",
    );
}

#[test]
fn files_of_no_known_kind_are_refused() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let model = Sequential::new([2]).add(Dense::new(1)).build().unwrap();
    let error = model.save(folder.join("model.pkl")).unwrap_err().to_string();
    assert!(error.contains("of an unknown format"), "{error}");
    let path = folder.join("model.weights.h5");
    model.save(&path).unwrap();
    let error = load(&path).unwrap_err().to_string();
    assert!(error.contains("weights alone"), "{error}");
    let error = model.save_weights(folder.join("model.keras")).unwrap_err().to_string();
    assert!(error.contains("use save"), "{error}");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn a_state_of_another_optimizer_is_refused() {
    let saved = load(data("adam.keras")).unwrap();
    let trainer =
        saved.model.compile(Compile::new(Sgd::new(), MeanSquaredError::new())).unwrap();
    let error = trainer.load_weights(data("adam.weights.h5")).unwrap_err().to_string();
    assert!(error.contains("2 variables of the optimizer, but the file has"), "{error}");
    assert_eq!(trainer.optimizer().iterations().unwrap(), 0);
}

#[test]
fn models_in_models_are_loaded_and_saved() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let npz = Npz::open(data("nested.npz")).unwrap();
    let inputs = [npz.tensor("x0").unwrap(), npz.tensor("x1").unwrap()];
    let expected = npz.tensor("y").unwrap().to_vec::<f32>().unwrap();
    let check = |path: &Path| {
        let saved = load(path).unwrap();
        let got = saved.model.predictor().unwrap().predict(&inputs).unwrap();
        for (got, expected) in got[0].to_vec::<f32>().unwrap().iter().zip(&expected) {
            assert!(
                (got - expected).abs() < 1e-5,
                "{}: {got} {expected}",
                path.display()
            );
        }
    };
    for ending in ["keras", "h5"] {
        check(&data(&format!("nested.{ending}")));
        let first = folder.join(format!("first.{ending}"));
        let second = folder.join(format!("second.{ending}"));
        load(data("nested.keras")).unwrap().save(&first).unwrap();
        check(&first);
        load(&first).unwrap().save(&second).unwrap();
        assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap());
    }
    let keras = load(folder.join("first.h5")).unwrap().into_trainer().unwrap();
    assert_eq!(keras.optimizer().variables().len(), 26);
}

#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    for name in ["nested.keras", "keras2.h5", "adam.h5"] {
        let bytes = std::fs::read(data(name)).unwrap();
        let path = folder.join(name);
        for at in (0..bytes.len()).step_by(1777) {
            std::fs::write(&path, &bytes[..at]).unwrap();
            let error = load(&path).unwrap_err().to_string();
            assert!(error.starts_with(&path.display().to_string()), "{error}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x41;
            std::fs::write(&path, &flipped).unwrap();
            if let Err(error) = load(&path) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}

#[test]
fn weighted_metrics_are_saved_as_such() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let model = Sequential::new([2]).add(Dense::new(1)).build().unwrap();
    let metric = || AnyMetric::by_name("mae").unwrap();
    let compile = Compile::new(Sgd::new(), MeanSquaredError::new())
        .metric(metric())
        .metric(metric().weighted());
    let (first, second) = (folder.join("first.keras"), folder.join("second.keras"));
    model.compile(compile).unwrap().save(&first).unwrap();
    let config = KerasArchive::read(&first).unwrap().config;
    assert_eq!(config["compile_config"]["metrics"], serde_json::json!(["mae"]));
    assert_eq!(config["compile_config"]["weighted_metrics"], serde_json::json!(["mae"]));
    load(&first).unwrap().save(&second).unwrap();
    assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap());

    // The second example counts three times as much as the first.
    let mut trainer = load(&first).unwrap().into_trainer().unwrap();
    let x = Tensor::zeros(DType::F32, [2, 2]);
    let data = Arrays::new(x, Tensor::new([1.0f32, 2.0], [2, 1]).unwrap()).unwrap();
    let data = data.sample_weight(&Tensor::new([1.0f32, 3.0], [2]).unwrap()).unwrap();
    let logs = trainer.evaluate(&data).unwrap();
    assert_eq!(logs.get("mae"), Some(1.5));
    assert_eq!(logs.get("weighted_mae"), Some(1.75));
}

#[test]
fn states_in_a_loss_scale_are_read_and_written_as_keras_does() {
    let scratch = TempDir::new().unwrap();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/golden/cases");
    for (name, steps, fresh, trained) in [
        ("fit_loss_scale_from_the_start", 0, 4, 10),
        ("fit_loss_scale_scheduled_from_the_start", 0, 3, 13),
        ("fit_loss_scale_nadam", 3, 14, 14),
        ("fit_loss_scale_adafactor", 3, 14, 14),
    ] {
        let count = |path: &Path| {
            let weights = KerasArchive::read(path).unwrap().weights;
            weights.group("optimizer/vars").unwrap().numbered().count()
        };
        let path = cases.join(name).join("model.keras");
        assert_eq!(count(&path), fresh, "{name}");
        let trainer = load(&path).unwrap().into_trainer().unwrap();
        assert_eq!(trainer.optimizer().iterations().unwrap(), steps, "{name}");
        let written = scratch.path().join("model.keras");
        trainer.save(&written).unwrap();
        assert_eq!(count(&written), trained, "{name}");
        let again = load(&written).unwrap().into_trainer().unwrap();
        let values = |trainer: &Trainer| -> Vec<Tensor> {
            let variables = trainer.optimizer().variables();
            variables.iter().map(|variable| variable.value().unwrap()).collect()
        };
        assert_eq!(values(&again), values(&trainer), "{name}");
    }
}

#[test]
fn states_that_begin_with_those_of_a_vector_are_no_loss_scale() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("model.keras");
    let model = Sequential::new([4]).add(BatchNormalization::new()).add(Dense::new(1));
    let compile = Compile::new(Adafactor::new(), MeanSquaredError::new());
    let mut trainer = model.build().unwrap().compile(compile).unwrap();
    let x = Tensor::random_normal([12, 4], 0.0, 1.0, 1);
    let examples = Arrays::new(x, Tensor::ones(DType::F32, [12, 1])).unwrap();
    let fit = || Fit::new().batch_size(4).shuffle(false).verbose(0);
    trainer.fit(&examples, fit()).unwrap();
    trainer.save(&path).unwrap();
    let mut again = load(&path).unwrap().into_trainer().unwrap();
    trainer.fit(&examples, fit()).unwrap();
    again.fit(&examples, fit()).unwrap();
    assert_eq!(weights(&again), weights(&trainer));
}
