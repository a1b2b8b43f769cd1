//! Where MNIST is found, and damaged files.

use std::path::Path;

use deckle_tensor::{DType, Tensor};
use proptest::prelude::*;

use super::*;
use crate::{
    scratch::{Scratch, gzipped, idx_file, npz, real_data},
    search::Network,
};

/// Three digits to train on, two to test on; one file is compressed.
fn four_files() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("train-images-idx3-ubyte.gz", &gzipped(&idx_file(&[3, 28, 28])));
    scratch.write("train-labels-idx1-ubyte", &idx_file(&[3]));
    scratch.write("t10k-images-idx3-ubyte", &idx_file(&[2, 28, 28]));
    scratch.write("t10k-labels-idx1-ubyte", &idx_file(&[2]));
    scratch
}

fn error_of(scratch: &Scratch) -> String {
    let error = Mnist::new().folder(scratch.path()).load().unwrap_err();
    error.to_string().replace(&scratch.path().display().to_string(), "DIR")
}

#[test]
fn four_files_are_read() {
    let scratch = four_files();
    let mnist = Mnist::new().folder(scratch.path()).load().unwrap();
    assert_eq!(mnist.train.x().shape(), [3, 28, 28]);
    assert_eq!(mnist.test.y().unwrap().to_vec::<u8>().unwrap(), [0, 1]);
    assert_eq!(mnist.source.place, Place::Folder(scratch.path().into()));
    assert_eq!(
        mnist.train.to_string(),
        "MNIST, digits to train on: 3 examples of `x0`: uint8 (28, 28), `y0`: uint8 ()"
    );
}

fn keras_file(y_train: &Tensor) -> Vec<u8> {
    let npy = |tensor: &Tensor| tensor.to_npy().unwrap();
    let zeros = |shape: &[usize]| Tensor::zeros(DType::U8, shape);
    npz(&[
        ("x_train", npy(&zeros(&[3, 28, 28]))),
        ("y_train", npy(y_train)),
        ("x_test", npy(&zeros(&[2, 28, 28]))),
        ("y_test", npy(&zeros(&[2]))),
    ])
}

#[test]
fn the_file_of_keras_is_read() {
    let scratch = Scratch::new();
    let y = Tensor::new(vec![1u8, 2, 9], [3]).unwrap();
    scratch.write("mnist.npz", &keras_file(&y));
    let mnist = Mnist::new().folder(scratch.path()).load().unwrap();
    assert_eq!(mnist.train.y().unwrap(), &y);
    assert_eq!((mnist.train.len(), mnist.test.len()), (3, 2));

    scratch.write("mnist.npz", &keras_file(&y.cast(DType::F32)));
    assert_eq!(
        error_of(&scratch),
        "DIR/mnist.npz, member `y_train`: holds float32, expected uint8"
    );
    let four = Tensor::new(vec![1u8, 2, 9, 0], [4]).unwrap();
    scratch.write("mnist.npz", &keras_file(&four));
    assert_eq!(
        error_of(&scratch),
        "DIR/mnist.npz, member `y_train`: holds 4 labels, but DIR/mnist.npz, member `x_train` \
         3 images"
    );
}

#[test]
fn files_that_do_not_belong_together_are_errors() {
    let scratch = four_files();
    scratch.write("train-labels-idx1-ubyte", &idx_file(&[4]));
    assert_eq!(
        error_of(&scratch),
        "DIR/train-labels-idx1-ubyte: holds 4 labels, but DIR/train-images-idx3-ubyte.gz \
         3 images"
    );
    scratch.write("train-labels-idx1-ubyte", &idx_file(&[3, 1]));
    assert_eq!(
        error_of(&scratch),
        "DIR/train-labels-idx1-ubyte: holds an array of shape (3, 1), expected (labels,)"
    );
    scratch.write("train-labels-idx1-ubyte", &[0, 0, 8, 1, 0, 0, 0, 3, 0, 10, 1]);
    assert_eq!(
        error_of(&scratch),
        "DIR/train-labels-idx1-ubyte: is damaged: label 10 at position 1 is not 0 to 9"
    );
    scratch.write("train-images-idx3-ubyte.gz", &gzipped(&idx_file(&[3, 28, 27])));
    assert_eq!(
        error_of(&scratch),
        "DIR/train-images-idx3-ubyte.gz: holds an array of shape (3, 28, 27), expected \
         (images, 28, 28)"
    );
    scratch.write("train-images-idx3-ubyte.gz", &gzipped(&idx_file(&[0, 28, 28])));
    scratch.write("train-labels-idx1-ubyte", &idx_file(&[0]));
    assert_eq!(error_of(&scratch), "DIR/train-images-idx3-ubyte.gz: holds no image");
    std::fs::remove_file(scratch.path().join("t10k-images-idx3-ubyte")).unwrap();
    assert_eq!(
        error_of(&scratch),
        "DIR/t10k-images-idx3-ubyte.gz: is missing beside DIR/train-images-idx3-ubyte.gz"
    );
}

#[test]
fn no_file_in_the_given_folder_is_an_error() {
    let scratch = Scratch::new();
    assert_eq!(
        error_of(&scratch),
        "MNIST: no file of this data set was found\n  \
         expected: train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz,\n            \
         t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz\n            \
         or mnist.npz\n            \
         or images.idx.gz and labels.idx.gz\n  \
         searched: DIR\n      \
         help: put the files into DIR\n            \
         source: http://yann.lecun.com/exdb/mnist/ (four IDX files), or mnist.npz of Keras"
    );
}

#[test]
fn without_files_there_are_embedded_digits() {
    let search = Search {
        data_dir: Some("data".into()),
        cache: Some("cache".into()),
        network: Network::Forbidden,
        ..Search::default()
    };
    let mnist = Mnist::new().load_from(&search).unwrap();
    assert!(mnist.source.is_embedded());
    let first = "MNIST: 10,000 embedded digits (8,000 to train on, 2,000 to test on), not MNIST's \
                 test set";
    assert_eq!(
        mnist.source.to_string(),
        format!(
            "{first}, because\n\
             MNIST: no file of this data set was found\n  \
             expected: train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz,\n            \
             t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz\n            \
             or mnist.npz\n            \
             or images.idx.gz and labels.idx.gz\n  \
             searched: data/mnist\n  \
             searched: data\n  \
             searched: cache/mnist\n      \
             help: put the files into cache/mnist,\n            \
             or set DECKLE_DATA_DIR to a folder that has them in `mnist`\n            \
             they would be downloaded, but `offline` or DECKLE_OFFLINE forbids it\n            \
             source: http://yann.lecun.com/exdb/mnist/ (four IDX files), or mnist.npz of Keras"
        )
    );
    // Who asks for the sample is not told how to get something else.
    let asked = Mnist::new().embedded().load_from(&search).unwrap();
    assert_eq!(asked.source.to_string(), first);
    let counts = |part: &Arrays| {
        let mut counts = [0; 10];
        for label in part.y().unwrap().to_vec::<u8>().unwrap() {
            counts[usize::from(label)] += 1;
        }
        counts
    };
    assert_eq!(counts(&mnist.train), [801, 902, 793, 826, 784, 690, 811, 856, 755, 782]);
    assert_eq!(counts(&mnist.test), [200, 225, 198, 206, 196, 173, 203, 214, 189, 196]);
}

#[test]
fn without_a_network_there_are_embedded_digits() {
    let search = Search { cache: Some("cache".into()), ..Search::default() };
    let failed = || Error::Download {
        name: "MNIST",
        file: "train-images-idx3-ubyte.gz",
        problems: vec!["a: cannot be reached".into(), "b: answers 404 Not Found".into()],
        sha256: "",
        help: String::new(),
    };
    let mnist = choose(&search, Err(failed())).unwrap();
    assert!(mnist.source.is_embedded());
    let text = mnist.source.to_string();
    let why = "\n            they could not be downloaded:\n            a: cannot be reached\n            \
               b: answers 404 Not Found\n            source: ";
    assert!(text.contains(why), "{text}");
    // Whatever else is wrong is an error.
    let damaged = Error::file("mnist.npz", "is damaged");
    assert!(choose(&search, Err(damaged)).is_err());
    let search = Search { explicit: Some("folder".into()), ..search };
    assert!(choose(&search, Ok(None)).is_err());
}

#[test]
fn digits_in_a_folder_for_embedding_are_called_a_part() {
    let Some(folder) = real_data("embeddable/mnist10k") else { return };
    let data_dir = folder.ancestors().nth(2).map(Path::to_path_buf);
    let whole = data_dir.as_ref().is_some_and(|dir| dir.join("mnist").is_dir());
    // The folder itself, and from above where the whole is not.
    let mut searches =
        vec![Search { explicit: Some(folder.clone()), ..Search::default() }];
    searches.extend(folder.parent().map(|embeddable| Search {
        data_dir: Some(embeddable.to_path_buf()),
        ..Search::default()
    }));
    searches.extend((!whole).then(|| Search { data_dir, ..Search::default() }));
    for search in searches {
        let mnist = Mnist::new().load_from(&search).unwrap();
        assert_eq!(
            mnist.source.to_string(),
            format!(
                "MNIST: a part of the training set, none of MNIST's test set, 8,000 examples to \
                 train on, 2,000 to test on, from {}",
                folder.display()
            )
        );
        assert!(!mnist.source.is_whole() && !mnist.source.is_embedded());
        assert_eq!(
            mnist.test.to_string(),
            "MNIST, digits of the training set to test on: 2000 examples of `x0`: uint8 (28, 28), \
             `y0`: uint8 ()"
        );
        let embedded = Mnist::new().embedded().load().unwrap();
        assert_eq!(mnist.train.x(), embedded.train.x());
        assert_eq!(mnist.test.y().unwrap(), embedded.test.y().unwrap());
    }
}

#[test]
fn the_whole_set_is_read() {
    let Some(folder) = real_data("mnist") else { return };
    let mnist = Mnist::new().folder(folder).load().unwrap();
    assert!(mnist.source.is_whole());
    assert_eq!(mnist.train.x().shape(), [60_000, 28, 28]);
    assert_eq!(mnist.test.x().shape(), [10_000, 28, 28]);
    let train = mnist.train.y().unwrap().to_vec::<u8>().unwrap();
    let test = mnist.test.y().unwrap().to_vec::<u8>().unwrap();
    // The first labels are those that every tutorial shows.
    assert_eq!(train[..5], [5, 0, 4, 1, 9]);
    assert_eq!(test[..5], [7, 2, 1, 0, 4]);
    let ones = |labels: &[u8]| labels.iter().filter(|&&label| label == 1).count();
    assert_eq!((ones(&train), ones(&test)), (6742, 1135));
    let pixels = mnist.train.x().as_slice::<u8>().unwrap();
    let sum: u64 = pixels.iter().map(|&pixel| u64::from(pixel)).sum();
    // The mean that is used to normalize MNIST is 0.1307.
    let mean = sum as f64 / pixels.len() as f64 / 255.0;
    assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn changed_files_never_panic(
        file in 0usize..4, at in any::<prop::sample::Index>(), byte: u8, cut: bool,
    ) {
        let scratch = four_files();
        let search = Search { explicit: Some(scratch.path().into()), ..Search::default() };
        let path = search.find(&INFO, &FILES).unwrap().unwrap().paths.swap_remove(file);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len().min(40));
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        std::fs::write(&path, bytes).unwrap();
        let _ = Mnist::new().folder(scratch.path()).load();
    }
}
