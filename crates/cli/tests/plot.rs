//! `deckle plot` and `deckle datasets`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{fs, process::Command};

use common::{fails, folder, model, run};

#[test]
fn histories_and_models_become_pictures_by_the_files_ending() {
    let folder = folder("plot/pictures");
    fs::write(folder.join("h.json"), "{\"loss\": [0.5, 0.25], \"val_loss\": [1, null]}")
        .unwrap();
    let model = model();
    for (file, out, begins) in [
        ("h.json", "h.svg", &b"<svg "[..]),
        ("h.json", "h.PNG", b"\x89PNG"),
        (&model, "m.svg", b"<svg "),
        (&model, "m.png", b"\x89PNG"),
        (&model, "m.dot", b"digraph "),
    ] {
        let shown = ["--show-shapes", "--show-layer-names", "--expand-nested"];
        let arguments = [&["plot", file, "--out", out][..], &shown].concat();
        assert_eq!(run(&folder, &arguments), (Some(0), String::new()));
        assert!(fs::read(folder.join(out)).unwrap().starts_with(begins), "{out}");
    }
    assert!(fs::read_to_string(folder.join("m.dot")).unwrap().contains("(None, 6)"));
}

#[test]
fn what_cannot_be_drawn_is_named_and_leaves_no_file() {
    let folder = folder("plot/errors");
    fs::write(folder.join("h.json"), "{\"loss\": 3}").unwrap();
    fs::write(folder.join("good.json"), "{\"loss\": [3]}").unwrap();
    fails(
        &folder,
        &["plot", "h.json", "--out", "h.svg"],
        "h.json: this is no history\n  expected: an object of lists of numbers\n       got: 3",
    );
    fails(
        &folder,
        &["plot", "notes.txt", "--out", "h.svg"],
        "notes.txt: cannot be drawn\n      help: give a history (`.json`, as `fit --history` \
         writes it) or a model (`.keras` or legacy `.h5`)",
    );
    fails(
        &folder,
        &["plot", "good.json", "--out", "h.jpg"],
        "the file's name does not say what picture it is\n  expected: a name that ends in \
         `.svg` or `.png`\n       got: h.jpg",
    );
    assert_eq!(run(&folder, &["plot", "good.json", "--out", "no/h.svg"]).0, Some(1));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
}

#[test]
fn data_sets_are_listed_with_their_folders() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deckle"));
    let output = command.arg("datasets").env("DECKLE_DATA_DIR", "/absent").output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(text.starts_with("MNIST: 60,000"), "{text}");
    assert!(text.contains("\n  looked for in /absent/reuters (no folder)\n"), "{text}");
}

#[test]
fn fit_writes_files_for_tensorboard() {
    let folder = folder("plot/tensorboard");
    let (model, data) = (model(), common::data());
    let fit = ["fit", &model, "--data", &data, "--epochs", "2", "--verbose", "0"];
    let arguments =
        [&fit[..], &["--tensorboard", "a/logs", "--validation-split", "0.25"]];
    assert_eq!(run(&folder, &arguments.concat()), (Some(0), String::new()));
    for (part, tags) in [
        ("train", &["epoch_loss", "/histogram", "/image", "graph_keras_model"][..]),
        ("validation", &["epoch_loss"]),
    ] {
        let mut files = fs::read_dir(folder.join("a/logs").join(part)).unwrap();
        let bytes = fs::read(files.next().unwrap().unwrap().path()).unwrap();
        for tag in tags {
            let found = bytes.windows(tag.len()).any(|window| window == tag.as_bytes());
            assert!(found, "{part} has {tag}");
        }
    }
    let (code, text) =
        run(&folder, &[&fit[..], &["--tensorboard", "/dev/null/x"]].concat());
    assert!(code == Some(1) && text.contains("/dev/null/x/train"), "{text}");
}
