//! Files of examples, whole, cut off and damaged.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::{
    Arrays, DatasetExt, Loader, Sequences, StreamExt, check_dataset, streams::Ragged,
};

fn files(folder: &TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}

fn data(len: usize) -> Arrays {
    let x = Tensor::arange(0i64..3 * len as i64).cast(DType::F32);
    let flags: Vec<bool> = (0..len).map(|at| at % 3 == 0).collect();
    let inputs = [
        ("ä\t\"x\"", x.reshape([len, 3]).unwrap()),
        ("", Tensor::new(flags, [len]).unwrap()),
    ];
    let targets = [("y", Tensor::arange(0i64..len as i64).cast(DType::F16))];
    let data = Arrays::named(inputs, targets).unwrap();
    data.sample_weight(&Tensor::arange(0i64..len as i64).cast(DType::F32)).unwrap()
}

fn all(data: &dyn Dataset) -> Batch {
    let mut batch = Batch::new();
    data.read_batch(&(0..data.len()).collect::<Vec<_>>(), &mut batch).unwrap();
    batch
}

#[test]
fn what_is_written_is_read() {
    let folder = TempDir::new().unwrap();
    for len in [0, 1, 5, 300] {
        let path = folder.path().join(format!("{len}"));
        let made = data(len).cache_to(&path).unwrap();
        check_dataset(&made).unwrap();
        let found = CacheFile::open(&path).unwrap();
        assert_eq!((found.len(), found.example()), (len, data(len).example()));
        let (expected, got) = (all(&data(len)), all(&found));
        assert_eq!(expected.inputs, got.inputs);
        assert_eq!(expected.targets, got.targets);
        assert_eq!(expected.weights, got.weights);
        // Of a stream, the same file.
        if len > 0 {
            let other = folder.path().join(format!("{len} of a stream"));
            Loader::new(data(len), 7).unwrap().cache_to(&other).unwrap();
            assert_eq!(fs::read(&path).unwrap(), fs::read(&other).unwrap());
        }
    }
}

#[test]
fn a_file_that_is_there_is_taken_if_it_fits() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    data(5).cache_to(&path).unwrap();
    data(5).cache_to(&path).unwrap();
    let error = data(6).cache_to(&path).unwrap_err().to_string();
    assert!(
        error.contains("holds other examples\n  expected: 6 examples of `"),
        "{error}"
    );
    assert!(error.contains("got: 5 examples of `"), "{error}");
    let other =
        Loader::new(Arrays::of_inputs([Tensor::arange(0i64..5)]).unwrap(), 1).unwrap();
    assert!(other.cache_to(&path).is_err());
    assert_eq!(files(&folder), 1);
}

#[test]
fn a_file_of_other_examples_is_not_taken() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    let numbers = |first: f32, last: f32, flag| {
        let x = Tensor::from([first, f32::NAN, last]);
        Arrays::new(x, Tensor::from([false, true, flag])).unwrap()
    };
    numbers(0.0, 2.0, true).cache_to(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    numbers(0.0, 2.0, true).cache_to(&path).unwrap();
    for (other, expected) in [
        (numbers(1.0, 2.0, true), "another `x0` in example 0"),
        (numbers(-0.0, 2.0, true), "another `x0` in example 0"),
        (numbers(0.0, 2.5, true), "another `x0` in example 2"),
        (numbers(0.0, 2.0, false), "another `y0` in example 2"),
    ] {
        let error = other.cache_to(&path).unwrap_err().to_string();
        let (at, got) = expected.split_at(expected.len() - 1);
        let problem = format!(
            "{}: holds other examples\n  expected: example {got} as the data set has it\n       \
             got: {at}{got}\n      help: remove the file, or give another path",
            path.display()
        );
        assert_eq!(error, problem);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    // Weights have no name.
    let one = |weight: f32| {
        Arrays::of_inputs([Tensor::from([1u8])])
            .unwrap()
            .sample_weight(&Tensor::from([weight]))
            .unwrap()
    };
    let path = folder.path().join("weighted");
    one(1.0).cache_to(&path).unwrap();
    let error = one(2.0).cache_to(&path).unwrap_err().to_string();
    assert!(error.contains("got: another `weights` in example 0"), "{error}");
}

#[test]
fn an_example_has_to_have_a_size() {
    let of = |shape: &[usize]| {
        layout(&Example::new().input("x0", Spec::new(DType::F32, shape)))
    };
    assert_eq!(of(&[3, 0]), Some((vec![0], 4)));
    assert_eq!(of(&[3, 2]), Some((vec![24], 28)));
    let most = usize::MAX / 2;
    for shape in [&[most, 4][..], &[most, 4, 0], &[0, most, 4], &[most, 0], &[most]] {
        assert_eq!(of(shape), None, "{shape:?}");
    }
}

#[test]
fn damage_is_found_wherever_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    data(4).cache_to(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let read = CacheFile::open(&path)
            .and_then(|file| file.read_batch(&[0, 1, 2, 3], &mut Batch::new()));
        let error = read.expect_err("one bit is another").to_string();
        assert!(error.contains("remove the file"), "byte {at}: {error}");
    }
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(CacheFile::open(&path).is_err(), "{len} bytes");
    }
    // The end is whole, but not what is before it.
    let (before, after) = whole.split_at(whole.len() / 2);
    fs::write(&path, [before, &after[5..]].concat()).unwrap();
    assert!(CacheFile::open(&path).is_err());
    fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    assert!(CacheFile::open(&path).is_err());
    let error = CacheFile::open(folder.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
}

#[test]
fn nothing_is_left_of_what_failed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    let torn = data(5).map(data(5).example().clone(), |reading, _, _| {
        if reading.indices.contains(&3) { Err(Error::other("torn")) } else { Ok(()) }
    });
    assert_eq!(torn.cache_to(&path).unwrap_err().to_string(), "torn");
    let ragged = Ragged::of_sequences("x", &Sequences::from_iter([vec![1], vec![1, 2]]));
    let error = ragged.cache_to(&path).unwrap_err().to_string();
    assert!(error.contains("padded_batch"), "{error}");
    assert_eq!(files(&folder), 0);
    assert!(data(2).cache_to(folder.path().join("no/folder")).is_err());
    assert!(data(2).cache_to(folder.path()).is_err());
}
