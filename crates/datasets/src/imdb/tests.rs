//! IMDB's pipeline of ids, and damaged files.

use proptest::prelude::*;

use super::*;
use crate::scratch::{Scratch, labels, lists, npz, real_data};

/// Reviews `[[10, i]]` with label `i % 2`.
fn reviews(count: u32) -> (Vec<u8>, Vec<u8>) {
    let x: Vec<_> = (0..count).map(|i| vec![10, i]).collect();
    let y: Vec<_> = (0..i64::from(count)).map(|i| i % 2).collect();
    (lists(&x), labels(&y))
}

fn file() -> Vec<u8> {
    let ((x_train, y_train), (x_test, y_test)) = (reviews(6), reviews(5));
    npz(&[
        ("x_train", x_train),
        ("y_train", y_train),
        ("x_test", x_test),
        ("y_test", y_test),
    ])
}

fn error_of(bytes: &[u8]) -> String {
    let scratch = Scratch::new();
    scratch.write("imdb.npz", bytes);
    let error = Imdb::new().folder(scratch.path()).load().unwrap_err();
    error.to_string().replace(&scratch.path().display().to_string(), "DIR")
}

#[test]
fn both_parts_are_shuffled_by_one_stream() {
    let scratch = Scratch::new();
    scratch.write("imdb.npz", &file());
    let imdb = Imdb::new().folder(scratch.path()).num_words(100).load().unwrap();
    let mut stream = MersenneTwister::new(113);
    for (part, count) in [(&imdb.train, 6), (&imdb.test, 5)] {
        let order = stream.permutation(count);
        let labels: Vec<_> = order.iter().map(|&index| (index % 2) as i64).collect();
        assert_eq!(part.y(), labels);
        for (ids, index) in part.x().iter().zip(order) {
            assert_eq!(ids, [1, 13, index as u32 + 3]);
        }
    }
    let other = Imdb::new().folder(scratch.path()).num_words(100).seed(1).load().unwrap();
    assert_ne!(other.train, imdb.train);
}

#[test]
fn without_num_words_the_largest_id_of_both_parts_is_left_out() {
    let scratch = Scratch::new();
    let x_train = lists(&[vec![5], vec![20]]);
    let x_test = lists(&[vec![20], vec![21]]);
    let y = || labels(&[0, 1]);
    let members =
        [("x_train", x_train), ("y_train", y()), ("x_test", x_test), ("y_test", y())];
    scratch.write("imdb.npz", &npz(&members));
    let imdb = Imdb::new().folder(scratch.path()).load().unwrap();
    let ids = |part: &LabeledSequences| {
        let mut ids: Vec<_> = part.x().iter().map(|ids| ids[1]).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&imdb.train), [8, 23]);
    assert_eq!(ids(&imdb.test), [2, 23]);
}

#[test]
fn damaged_files_are_errors() {
    let (x, y) = reviews(3);
    let with = |x_train: &[u8], y_train: &[u8]| {
        npz(&[
            ("x_train", x_train.to_vec()),
            ("y_train", y_train.to_vec()),
            ("x_test", x.clone()),
            ("y_test", y.clone()),
        ])
    };
    assert_eq!(
        error_of(&with(&x, &labels(&[0, 1]))),
        "DIR/imdb.npz, member `y_train`: holds 2 labels, but `x_train` 3 lists"
    );
    assert_eq!(
        error_of(&with(&x, &labels(&[0, 2, 1]))),
        "DIR/imdb.npz, member `y_train`: is damaged: label 2 at position 1 is not 0 to 1"
    );
    assert_eq!(
        error_of(&with(&labels(&[1]), &y)),
        "DIR/imdb.npz, member `x_train`: holds elements of type `<i8`, expected lists"
    );
    assert_eq!(
        error_of(&with(&lists(&[]), &labels(&[]))),
        "DIR/imdb.npz, member `y_train`: holds no label"
    );
    let mut evil = x.clone();
    let start = evil.windows(6).position(|window| window == b"cnumpy").unwrap();
    evil.truncate(start);
    evil.extend(b"cos\nsystem\nX\x02\x00\x00\x00ls\x85R.");
    assert_eq!(
        error_of(&with(&evil, &y)),
        "DIR/imdb.npz, member `x_train`: the pickle asks for `os.system`, which is not loaded \
         from data"
    );
    let whole = file();
    assert!(
        error_of(&whole[..whole.len() / 2])
            .starts_with("DIR/imdb.npz: is not a complete")
    );
    assert!(error_of(b"").starts_with("DIR/imdb.npz: is not a complete"));
}

#[test]
fn no_file_is_an_error_that_names_it() {
    let error = Imdb::new().folder("no/folder").load().unwrap_err();
    assert_eq!(
        error.to_string(),
        "IMDB: no file of this data set was found\n  expected: imdb.npz\n  \
         searched: no/folder\n      help: put the files into no/folder\n            \
         source: imdb.npz and imdb_word_index.json of Keras, \
         https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
    );
    let error = Imdb::new().folder("no/folder").word_index().unwrap_err();
    assert!(error.to_string().contains("expected: imdb_word_index.json"));
}

/// What Keras's steps give on the file, computed with Python's own `pickle` and generator.
#[test]
fn the_whole_set_is_read() {
    let Some(folder) = real_data("imdb") else { return };
    let loader = Imdb::new().folder(folder).num_words(10_000);
    let imdb = loader.load().unwrap();
    let words = loader.word_index().unwrap();
    assert_eq!((words.len(), words.word(1)), (88_584, Some("the")));
    #[track_caller]
    fn check(part: &LabeledSequences, labels: [i64; 10], ids: usize, sum: u64) {
        assert_eq!(part.len(), 25_000);
        assert_eq!(part.y().iter().sum::<i64>(), 12_500);
        assert_eq!(part.y()[..10], labels);
        let all = part.x().ids();
        assert_eq!((all.len(), all.iter().map(|&id| u64::from(id)).sum()), (ids, sum));
        assert_eq!(part.x().max(), Some(9999));
    }
    check(&imdb.train, [1, 0, 0, 0, 1, 1, 0, 0, 0, 1], 5_967_841, 4_360_438_289);
    check(&imdb.test, [1, 1, 0, 0, 1, 1, 0, 0, 1, 0], 5_770_105, 4_106_542_514);
    let review = words.decode(imdb.train.x().get(0).unwrap());
    assert!(review.starts_with(
        "? i reached the end of this and i was almost shouting no no no no it"
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn changed_files_never_panic(
        at in any::<prop::sample::Index>(), byte: u8, cut: bool,
    ) {
        let scratch = Scratch::new();
        let mut bytes = file();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        scratch.write("imdb.npz", &bytes);
        let _ = Imdb::new().folder(scratch.path()).load();
    }
}
