//! Tests of [`EventFile`], against bytes that TensorBoard's own classes made.

use std::fs;

use super::*;

/// What `tools/golden/events.py` wrote with TensorBoard 2.21.
const GOLDEN: &[u8] = include_bytes!("../../tests/data/events.tfevents");

const TIME: f64 = 1_700_000_000.25;

#[test]
fn the_bytes_are_those_of_tensorboards_own_classes() {
    let mut bytes = stamped(&Message::new().bytes(3, "brain.Event:2"), TIME);
    let nodes = [
        GraphNode {
            name: "input".to_owned(),
            op: "InputLayer".to_owned(),
            inputs: Vec::new(),
            output_shapes: vec![vec![None, Some(784)]],
        },
        GraphNode {
            name: "model/dense".to_owned(),
            op: "Dense".to_owned(),
            inputs: vec!["input".to_owned()],
            output_shapes: vec![vec![None, Some(10)]],
        },
    ];
    let weights = Histogram::of([0.0, 1.0, 1.5, 4.0], 2);
    let files = [b"first".to_vec(), b"second".to_vec()];
    for event in [
        graph(&nodes),
        text("keras", 0, "{\"name\": \"sequential\"}", KERAS_MODEL),
        scalar("epoch_loss", 0, 0.5),
        scalar("epoch_loss", 300, -1.25e-3),
        scalar("epoch_loss", -1, f64::NAN),
        histogram("dense/kernel/histogram", 1, &weights),
        images("digits", 2, [28, 14], &files),
        text("notes", 3, "ein *schöner* Anfang", TEXT),
    ] {
        bytes.extend(stamped(&event, TIME));
    }
    assert_eq!(bytes, GOLDEN);
}

#[test]
fn files_in_one_folder_have_names_of_their_own_and_stay() {
    let scratch = tempfile::TempDir::new().unwrap();
    let folder = scratch.path();
    let mut first = EventFile::create(folder.join("a/b")).unwrap();
    let second = EventFile::create(folder.join("a/b")).unwrap();
    assert_ne!(first.path(), second.path());
    let begun = fs::read(second.path()).unwrap().len();
    assert_eq!(begun, 8 + 4 + 9 + 15 + 4);
    first.scalar("x", 1, 2.0).unwrap();
    first.flush().unwrap();
    assert!(fs::read(first.path()).unwrap().len() > begun);

    fs::write(folder.join("file"), b"").unwrap();
    let error = EventFile::create(folder.join("file/b")).unwrap_err();
    assert!(error.to_string().contains("file"));
}
