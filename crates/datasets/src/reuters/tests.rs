//! Reuters's split, and damaged files.

use super::*;
use crate::scratch::{Scratch, labels, lists, npz, real_data};

fn scratch(count: u32) -> Scratch {
    let scratch = Scratch::new();
    let x: Vec<_> = (0..count).map(|i| vec![i; i as usize]).collect();
    let y: Vec<_> = (0..i64::from(count)).map(|i| i % 46).collect();
    scratch.write("reuters.npz", &npz(&[("x", lists(&x)), ("y", labels(&y))]));
    scratch
}

#[test]
fn the_split_comes_after_shuffle_and_maxlen() {
    let scratch = scratch(60);
    let loader = Reuters::new().folder(scratch.path());
    let all = loader.load().unwrap();
    assert_eq!((all.train.len(), all.test.len()), (48, 12));
    let order = MersenneTwister::new(113).permutation(60);
    let labels: Vec<_> = order.iter().map(|&index| (index % 46) as i64).collect();
    assert_eq!([all.train.y(), all.test.y()].concat(), labels);

    let short = loader.clone().maxlen(11).load().unwrap();
    // Of 0 to 9 ids, with the start in front.
    assert_eq!((short.train.len(), short.test.len()), (8, 2));
    let kept: Vec<_> =
        order.iter().filter(|&&index| index < 10).map(|&index| index as i64).collect();
    assert_eq!([short.train.y(), short.test.y()].concat(), kept);

    let none = loader.clone().test_split(0.0).load().unwrap();
    assert_eq!((none.train.len(), none.test.len()), (60, 0));
    assert_eq!(
        loader.test_split(1.5).load().unwrap_err().to_string(),
        "`test_split`: cannot take this input\n  expected: a fraction from 0 to 1\n       \
         got: 1.5"
    );
}

#[test]
fn files_that_are_wrong_are_errors() {
    let scratch = Scratch::new();
    let path = scratch.write("reuters.npz", &npz(&[("x", lists(&[vec![1]]))]));
    let error = Reuters::new().folder(scratch.path()).load().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: has no member `y`\n      help: its members are x", path.display())
    );
    scratch.write("reuters.npz", &npz(&[("x", lists(&[vec![1]])), ("y", labels(&[46]))]));
    let error = Reuters::new().folder(scratch.path()).load().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}, member `y`: is damaged: label 46 at position 0 is not 0 to 45",
            path.display()
        )
    );
    let error = Reuters::new().folder("no/folder").word_index().unwrap_err();
    assert!(error.to_string().contains("expected: reuters_word_index.json"));
}

/// What Keras's steps give on the file, computed with Python's own `pickle` and generator.
#[test]
fn the_whole_set_is_read() {
    let Some(folder) = real_data("reuters") else { return };
    let loader = Reuters::new().folder(folder).num_words(10_000);
    let reuters = loader.load().unwrap();
    assert_eq!((reuters.train.len(), reuters.test.len()), (8982, 2246));
    assert_eq!(reuters.train.y()[..10], [3, 4, 3, 4, 4, 4, 4, 3, 3, 16]);
    assert_eq!(reuters.test.y()[..8], [3, 10, 1, 4, 4, 3, 3, 3]);
    let ids = reuters.train.x().ids();
    let sum: u64 = ids.iter().map(|&id| u64::from(id)).sum();
    assert_eq!((ids.len(), sum), (1_307_239, 979_711_440));
    let count = |label: i64| {
        let of = |y: &[i64]| y.iter().filter(|&&other| other == label).count();
        of(reuters.train.y()) + of(reuters.test.y())
    };
    // Earnings, acquisitions, cocoa and lead.
    assert_eq!([3, 4, 0, 45].map(count), [3972, 2423, 67, 19]);
    assert_eq!((0..46).map(count).sum::<usize>(), 11_228);
    let words = loader.word_index().unwrap();
    let wire = words.decode(reuters.train.x().get(0).unwrap());
    assert!(
        wire.starts_with(
            "? ? ? said as a result of its december acquisition of space co"
        )
    );
}
