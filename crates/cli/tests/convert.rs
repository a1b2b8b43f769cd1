//! Models in every format, to every other; and what cannot be converted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{case, fails, folder, run};
use deckle::{
    formats::{KerasArchive, Safetensors, json::json},
    tensor::Tensor,
};

const FORMATS: [&str; 4] = ["a.keras", "a.h5", "a.weights.h5", "a.safetensors"];

#[track_caller]
fn succeeds(folder: &Path, arguments: &[&str]) {
    assert_eq!(run(folder, arguments), (Some(0), String::new()), "{arguments:?}");
}

/// A folder with a trained model in every format.
fn trained(name: &str, of: &str) -> PathBuf {
    let folder = folder(&format!("convert/{name}"));
    let (model, data) = (case(of, "model.keras"), case(of, "data.npz"));
    let fit = ["fit", &model, "--data", &data, "--output", "a.keras", "--verbose", "0"];
    let (code, error) = run(&folder, &fit);
    assert_eq!((code, &error[..]), (Some(0), ""));
    for format in &FORMATS[1..] {
        succeeds(&folder, &["convert", "a.keras", format]);
    }
    folder
}

#[test]
fn every_format_becomes_every_other() {
    for of in ["fit_nested", "fit_ema", "fit_several_losses"] {
        let folder = trained(of, of);
        let model = case(of, "model.keras");
        for from in FORMATS {
            for to in FORMATS {
                let to_path = format!("from_{}{}", from.replace('.', "_"), &to[1..]);
                let mut arguments = vec!["convert", from, &to_path];
                if from.contains("weights") || from.contains("safetensors") {
                    arguments.extend(["--model", &model]);
                }
                succeeds(&folder, &arguments);
                let read = |name: &str| fs::read(folder.join(name)).unwrap();
                assert!(read(&to_path) == read(to), "{of}: {from} to {to}");
            }
        }
    }
}

#[test]
fn weights_alone_need_a_model() {
    let folder = trained("alone", "fit_adam");
    for from in ["a.weights.h5", "a.safetensors"] {
        fails(
            &folder,
            &["convert", from, "b.keras"],
            &format!(
                "{from}: cannot be loaded as a model\n  expected: a model's configuration\n       \
                 got: weights alone\n      help: name the model's file: --model model.keras"
            ),
        );
    }
}

/// Changes the tensors of a safetensors file.
fn change(folder: &Path, change: impl FnOnce(&mut Safetensors)) {
    let mut file = Safetensors::read(folder.join("a.safetensors")).unwrap();
    change(&mut file);
    file.write(folder.join("b.safetensors")).unwrap();
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let folder = trained("unfit", "fit_adam");
    let model = case("fit_adam", "model.keras");
    let check = |problem: &str| {
        fails(
            &folder,
            &["convert", "b.safetensors", "b.keras", "--model", &model],
            &format!(
                "b.safetensors: the file does not fit model `sequential` and its optimizer\n  \
                 expected: a tensor of the right shape for each weight, and no other\n       got: \
                 {problem}"
            ),
        );
        assert!(!folder.join("b.keras").exists());
    };
    change(&folder, |file| {
        file.tensors.remove("dense/bias");
    });
    check("`dense/bias`, but there is no tensor of that name");
    change(&folder, |file| {
        file.tensors.insert("extra".into(), Tensor::scalar(1.0f32));
    });
    check("tensor extra, of which the model has no weight");
    change(&folder, |file| {
        file.tensors.insert("dense/bias".into(), Tensor::from([1.0f32]));
    });
    check(
        "`dense/bias` of shape (5,), but tensor dense/bias has shape (1,) and type float32",
    );
    change(&folder, |file| {
        file.tensors.insert("dense/bias".into(), Tensor::from([true; 5]));
    });
    check(
        "`dense/bias` of shape (5,), but tensor dense/bias has shape (5,) and type bool",
    );
}

/// All that is missing is named at once; the exit code says that it is that.
#[test]
fn what_does_not_exist_here_is_named() {
    let folder = folder("convert/missing");
    let mut file = KerasArchive::read(case("fit_adam", "model.keras")).unwrap();
    let (path, data) = ("missing.keras", case("fit_adam", "data.npz"));
    file.config["compile_config"]["optimizer"]["class_name"] = json!("Adamantium");
    file.write(folder.join(path)).unwrap();
    let (code, error) = run(&folder, &["convert", path, "out.keras"]);
    assert_eq!(code, Some(3));
    assert!(
        error.starts_with("error: missing.keras: unknown optimizer `Adamantium`"),
        "{error}"
    );
    // Who only predicts needs no optimizer.
    succeeds(&folder, &["predict", path, "--input", &data, "--output", "out.npz"]);

    let layers = file.config["config"]["layers"].as_array_mut().unwrap();
    layers[1]["class_name"] = json!("Telepathy");
    layers[2]["config"]["telekinesis"] = json!(7);
    file.write(folder.join(path)).unwrap();
    for arguments in [
        vec!["summary", path],
        vec!["convert", path, "out.keras"],
        vec!["predict", path, "--input", &data, "--output", "missing.npz"],
        vec!["evaluate", path, "--data", &data],
        vec!["fit", path, "--data", &data],
    ] {
        assert_eq!(
            run(&folder, &arguments),
            (
                Some(3),
                "error: missing.keras: the model asks for what does not exist here\n  missing: \
                 layer `dense` (Telepathy)\n  missing: layer `dense_1` (Dense): telekinesis = 7\n"
                    .to_owned()
            )
        );
    }
    assert!(!folder.join("out.keras").exists() && !folder.join("missing.npz").exists());
}

#[test]
fn targets_that_cannot_be_written_stay_as_they_are() {
    let folder = trained("targets", "fit_adam");
    fs::create_dir(folder.join("folder.keras")).unwrap();
    fails(
        &folder,
        &["convert", "a.keras", "folder.keras"],
        "folder.keras: cannot be written\n  expected: the name of a file\n       got: a folder's",
    );
    fs::write(folder.join("kept.h5"), "kept").unwrap();
    let mut permissions = fs::metadata(folder.join("kept.h5")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(folder.join("kept.h5"), permissions).unwrap();
    fails(
        &folder,
        &["convert", "a.keras", "kept.h5"],
        "kept.h5: cannot be written\n  expected: a file that may be replaced\n       got: a \
         read-only one",
    );
    assert_eq!(fs::read(folder.join("kept.h5")).unwrap(), b"kept");
    fs::write(
        folder.join("cut.keras"),
        &fs::read(folder.join("a.keras")).unwrap()[..999],
    )
    .unwrap();
    fs::write(folder.join("old.h5"), "old").unwrap();
    let (code, error) = run(&folder, &["convert", "cut.keras", "old.h5"]);
    assert_eq!(code, Some(1));
    assert!(error.starts_with("error: cut.keras: "), "{error}");
    assert_eq!(fs::read(folder.join("old.h5")).unwrap(), b"old");
    // Onto itself.
    let before = fs::read(folder.join("a.keras")).unwrap();
    succeeds(&folder, &["convert", "a.keras", "a.keras"]);
    assert_eq!(fs::read(folder.join("a.keras")).unwrap(), before);
}

#[test]
fn names_of_any_letters_are_taken() {
    let folder = trained("дир é 中", "fit_adam");
    fs::rename(folder.join("a.keras"), folder.join("модель ü.keras")).unwrap();
    succeeds(&folder, &["convert", "модель ü.keras", "模型.weights.h5"]);
    succeeds(
        &folder,
        &["convert", "模型.weights.h5", "🙂.keras", "--model", "модель ü.keras"],
    );
    let (code, error) = run(&folder, &["summary", "désolé.keras"]);
    assert_eq!(code, Some(1));
    assert!(
        error.starts_with("error: désolé.keras: cannot be read or written: "),
        "{error}"
    );
}
