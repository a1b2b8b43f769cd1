//! Streams of streams: order, ends, errors, and going to any batch.

use std::panic::{AssertUnwindSafe, catch_unwind};

use deckle_tensor::{DType, Spec, Tensor};
use proptest::prelude::*;

use super::*;
use crate::{Arrays, Error, Generator, Loader, Sequences};

mod torn;

fn numbers(count: i64, batch_size: usize) -> Loader<Arrays> {
    let data = Arrays::of_inputs([Tensor::arange(0i64..count)]).unwrap();
    Loader::new(data, batch_size).unwrap()
}

fn rest(stream: &mut dyn Stream) -> Vec<Vec<i64>> {
    let (mut batch, mut all) = (Batch::new(), Vec::new());
    while stream.next_batch(&mut batch).unwrap() {
        assert_eq!(batch.len(), batch.inputs[0].shape()[0]);
        all.push(batch.inputs[0].to_vec().unwrap());
    }
    assert!(!stream.next_batch(&mut batch).unwrap());
    all
}

fn pass(stream: &mut dyn Stream, pass: u64) -> Vec<Vec<i64>> {
    assert!(stream.restart(pass).unwrap());
    rest(stream)
}

/// That a stream goes to every batch of two passes, is the same again, and says its batches.
#[track_caller]
fn check_seek(mut make: impl FnMut() -> Box<dyn Stream>) -> [Vec<Vec<i64>>; 2] {
    let (mut stream, first) = (make(), rest(&mut make()));
    stream.next_batch(&mut Batch::new()).unwrap();
    for _ in 0..2 {
        assert_eq!(pass(&mut stream, 0), first);
    }
    let all = [first, pass(&mut stream, 1)];
    for (number, all) in all.iter().enumerate() {
        if let Some(batches) = make().batches() {
            assert_eq!(batches, all.len());
        }
        for batch in 0..=all.len() {
            for mut stream in [&mut stream, &mut make()] {
                assert!(stream.seek(number as u64, batch as u64).unwrap());
                assert_eq!(
                    rest(&mut stream),
                    all[batch..],
                    "pass {number}, batch {batch}"
                );
            }
            // From the middle of a pass, too.
            assert!(stream.restart(2).unwrap());
            stream.next_batch(&mut Batch::new()).unwrap();
        }
        assert_eq!(pass(&mut stream, number as u64), *all);
        assert!(!stream.seek(number as u64, all.len() as u64 + 1).unwrap());
    }
    all
}

fn doubled(stream: impl Stream + 'static, workers: usize) -> impl Stream + 'static {
    let example = Example::new().input("x0", Spec::scalar(DType::I64));
    let change = |reading: Reading<'_>, from: &Batch, to: &mut Batch| {
        let from = from.inputs[0].to_vec::<i64>()?;
        let to = to.inputs[0].make_mut::<i64>().iter_mut();
        for ((to, from), number) in to.zip(from).zip(reading.indices) {
            *to = 2 * from + 1000 * reading.epoch as i64 + 10_000 * *number as i64;
        }
        Ok(())
    };
    stream.map(example, change).workers(workers)
}

#[test]
fn every_stream_goes_to_every_batch() {
    let even = |one: &Batch| Ok(one.inputs[0].to_vec::<i64>()?[0] % 2 == 0);
    let all = check_seek(|| Box::new(numbers(11, 4).filter(even)));
    assert_eq!(all[0], [vec![0, 2], vec![4, 6], vec![8, 10]]);
    let all = check_seek(|| Box::new(numbers(11, 4).filter(even).batch(4).unwrap()));
    assert_eq!(all[0], [vec![0, 2, 4, 6], vec![8, 10]]);
    let all = check_seek(|| Box::new(numbers(11, 3).shard(4, 1).unwrap()));
    assert_eq!(all[0].concat(), [1, 5, 9]);
    let all = check_seek(|| Box::new(numbers(11, 4).take(6)));
    assert_eq!(all[0], [vec![0, 1, 2, 3], vec![4, 5]]);
    let all = check_seek(|| Box::new(numbers(11, 4).skip(6)));
    assert_eq!(all[0], [vec![6, 7], vec![8, 9, 10]]);
    let all = check_seek(|| Box::new(numbers(3, 2).concatenate(numbers(2, 2)).unwrap()));
    assert_eq!(all[0], [vec![0, 1], vec![2], vec![0, 1]]);
    let joined = || numbers(3, 2).take(3).concatenate(numbers(2, 2)).unwrap();
    check_seek(|| Box::new(joined()));
    check_seek(|| Box::new(numbers(5, 2).shuffle(1).repeat(3)));
    check_seek(|| Box::new(numbers(5, 2).take(4).repeat(3)));
    check_seek(|| Box::new(numbers(5, 2).repeat(0)));
    let all = check_seek(|| Box::new(numbers(5, 2).cache()));
    assert_eq!(all[0], all[1]);
    let all = check_seek(|| Box::new(numbers(9, 2).shuffle(3).cache()));
    assert_eq!(all[0], all[1]);
    check_seek(|| Box::new(numbers(9, 2).shuffle(3).cache().repeat(2)));
    check_seek(|| Box::new(numbers(9, 2).shuffle(3).prefetch(2, 1).unwrap()));
    check_seek(|| Box::new(StreamExt::prefetch(numbers(9, 2).shuffle(3), 2).unwrap()));
    check_seek(|| {
        Box::new(StreamExt::prefetch(numbers(9, 2).shuffle(3).take(5), 1).unwrap())
    });
    let all = check_seek(|| Box::new(doubled(numbers(7, 2), 1)));
    assert_eq!(all[1][1], [21_004, 31_006]);
    for workers in 2..5 {
        assert_eq!(check_seek(|| Box::new(doubled(numbers(7, 2), workers))), all);
    }
    let sequences = Sequences::from_iter([vec![1, 2], vec![3], vec![], vec![4, 5, 6]]);
    let ragged = Ragged::of_sequences("x", &sequences).shuffled(2);
    check_seek(|| Box::new(ragged.clone().padded_batch(3).unwrap()));
    let all = check_seek(|| Box::new(StreamExt::shuffle(numbers(13, 4), 5, 9).unwrap()));
    assert_ne!(all[0], all[1]);
    assert_eq!(all[0].iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 4, 1]);
}

proptest! {
    #[test]
    fn a_buffer_gives_each_example_once_and_not_too_early(
        count in 1i64..40, batch_size in 1usize..9, buffer in 1usize..50, seed: u64,
    ) {
        let shuffled = |batch_size| {
            StreamExt::shuffle(numbers(count, batch_size), buffer, seed).unwrap()
        };
        let all = rest(&mut shuffled(batch_size)).concat();
        for (place, &number) in all.iter().enumerate() {
            prop_assert!(number < (place + buffer) as i64);
        }
        // The order does not depend on how examples are carried.
        prop_assert_eq!(&rest(&mut shuffled(1)).concat(), &all);
        let mut sorted = all;
        sorted.sort_unstable();
        prop_assert!(sorted.into_iter().eq(0..count));
    }

    #[test]
    fn counts_are_of_examples(
        count in 1i64..30, from in 1usize..7, to in 1usize..9, cut in 0usize..35,
    ) {
        let all: Vec<i64> = (0..count).collect();
        let cut_at = cut.min(all.len());
        let batches = rest(&mut numbers(count, from).batch(to).unwrap());
        prop_assert!(batches.iter().map(Vec::as_slice).eq(all.chunks(to)));
        prop_assert_eq!(rest(&mut numbers(count, from).take(cut)).concat(), &all[..cut_at]);
        prop_assert_eq!(rest(&mut numbers(count, from).skip(cut)).concat(), &all[cut_at..]);
        let mut shards: Vec<i64> = (0..to)
            .flat_map(|index| rest(&mut numbers(count, from).shard(to, index).unwrap()).concat())
            .collect();
        shards.sort_unstable();
        prop_assert_eq!(shards, all);
    }
}

/// A stream of one pass.
fn once(count: usize) -> impl Stream + 'static {
    let mut made = 0;
    let example = Example::new().input("x0", Spec::scalar(DType::I64));
    Generator::new("once", example, move |batch, example| {
        batch.prepare(example, 1);
        batch.inputs[0].make_mut::<i64>()[0] = made as i64;
        made += 1;
        Ok(made <= count)
    })
}

#[test]
fn what_has_one_pass_says_so_and_loses_nothing() {
    let mut ahead = once(9).prefetch(3).unwrap();
    let mut batch = Batch::new();
    assert!(ahead.next_batch(&mut batch).unwrap());
    assert!(!ahead.restart(1).unwrap() && !ahead.seek(0, 1).unwrap());
    assert_eq!(rest(&mut ahead).concat(), [1, 2, 3, 4, 5, 6, 7, 8]);

    let mut batched = once(5).batch(2).unwrap();
    assert!(batched.next_batch(&mut batch).unwrap());
    assert!(!batched.restart(1).unwrap());
    assert_eq!(rest(&mut batched), [vec![2, 3], vec![4]]);

    let mut twice = once(2).repeat(2);
    assert!(
        twice.next_batch(&mut batch).unwrap() && twice.next_batch(&mut batch).unwrap()
    );
    assert_eq!(
        twice.next_batch(&mut batch).unwrap_err().to_string(),
        "`repeat`: cannot take this input\n  expected: a stream that can begin again\n       \
         got: stream `once`, which cannot\n      \
         help: cache() before repeat() keeps the batches of its only pass"
    );
    assert_eq!(rest(&mut once(2).cache().repeat(2)).concat(), [0, 1, 0, 1]);
    assert_eq!(
        rest(&mut once(3).cache().repeat(None).take(7)).concat(),
        [0, 1, 2, 0, 1, 2, 0]
    );
    // Nothing, without end, is nothing.
    assert!(rest(&mut once(0).cache().repeat(None)).is_empty());
}

#[test]
fn errors_come_where_their_batch_would() {
    let torn = || {
        let mut made = 0;
        let example = Example::new().input("x0", Spec::scalar(DType::I64));
        Generator::new("torn", example, move |batch: &mut Batch, example: &Example| {
            batch.prepare(example, 2);
            made += 1;
            if made == 3 { Err(Error::other("batch 2 is torn")) } else { Ok(made < 5) }
        })
    };
    let streams: [Box<dyn Stream>; 3] = [
        Box::new(torn().prefetch(4).unwrap()),
        Box::new(torn().map(torn().example().clone(), |_, _, _| Ok(()))),
        Box::new(torn().take(100)),
    ];
    for mut stream in streams {
        let mut batch = Batch::new();
        assert!(stream.next_batch(&mut batch).unwrap());
        assert!(stream.next_batch(&mut batch).unwrap());
        let error = stream.next_batch(&mut batch).unwrap_err().to_string();
        assert_eq!(error, "batch 2 is torn");
        assert!(stream.next_batch(&mut batch).unwrap());
        assert!(!stream.next_batch(&mut batch).unwrap());
    }
    let panics =
        torn().map(torn().example().clone(), |_, _, _| panic!("a wrong function"));
    let mut panics = panics.prefetch(1).unwrap();
    let error = panics.next_batch(&mut Batch::new()).unwrap_err().to_string();
    assert_eq!(error, "a thread ended: stream `torn` panicked");
    assert!(!panics.restart(0).unwrap());
}

#[test]
fn padding_is_by_name_and_axis() {
    let data = || {
        let x = [
            Tensor::new(vec![1.0f32, 2.0], [1, 2]).unwrap(),
            Tensor::new(vec![3.0f32, 4.0, 5.0], [3, 1]).unwrap(),
            Tensor::zeros(DType::F32, [0, 0]),
        ];
        let y =
            [[1i64].as_slice(), &[], &[2, 3]].map(|y| Tensor::new(y, [y.len()]).unwrap());
        Ragged::new().input("x", x).unwrap().target("y", y).unwrap()
    };
    let mut batch = Batch::new();
    let mut stream = data().padded_batch(2).unwrap().padding_value("y", 9.0).unwrap();
    assert!(stream.next_batch(&mut batch).unwrap());
    assert_eq!(batch.inputs[0].shape(), [2, 3, 2]);
    assert_eq!(
        batch.inputs[0].to_vec::<f32>().unwrap(),
        [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 4.0, 0.0, 5.0, 0.0]
    );
    assert_eq!(batch.targets[0].to_vec::<i64>().unwrap(), [1, 9]);
    assert!(stream.next_batch(&mut batch).unwrap());
    assert_eq!((batch.inputs[0].shape(), batch.len()), (&[1, 0, 0][..], 1));
    assert_eq!(batch.targets[0].to_vec::<i64>().unwrap(), [2, 3]);

    let mut stream =
        data().padded_batch(3).unwrap().padded_shape("x", [None, Some(2)]).unwrap();
    assert!(stream.next_batch(&mut batch).unwrap());
    assert_eq!(batch.inputs[0].shape(), [3, 3, 2]);

    let short = data().padded_batch(3).unwrap().padded_shape("x", [2, 2]).unwrap();
    let error = { short }.next_batch(&mut batch).unwrap_err().to_string();
    assert_eq!(
        error,
        "`padded_batch`: cannot take this input\n  \
         expected: `x` of float32 and at most (2, 2)\n       \
         got: float32 (3, 1)\n      \
         help: give a larger padded_shape, or None for the longest of the batch"
    );
    let new = || data().padded_batch(2).unwrap();
    let error = new().padded_shape("z", [1]).unwrap_err().to_string();
    assert!(error.ends_with("expected: a name of x, y\n       got: `z`"), "{error}");
    let error = new().padded_shape("y", [1, 2]).unwrap_err().to_string();
    assert!(
        error.ends_with("expected: 1 lengths for `y`\n       got: 2 lengths"),
        "{error}"
    );
    for value in [0.5, f64::NAN, 1e30] {
        assert!(new().padding_value("y", value).is_err(), "{value}");
    }
    assert!(new().padding_value("x", f64::NAN).is_ok());
    assert!(data().padded_batch(0).is_err());
    // Unpadded, they do not fit together.
    let error = data().batch(2).unwrap().next_batch(&mut batch).unwrap_err().to_string();
    assert!(error.contains("padded_batch makes examples equally long"), "{error}");
    let uneven = Ragged::new().input("a", [Tensor::scalar(1i64)]).unwrap();
    let error = uneven.target("b", []).unwrap_err().to_string();
    assert!(error.contains("1 examples, as in `a`"), "{error}");
    let scalar = || [Tensor::scalar(1i64)];
    let both = Ragged::new().input("a", scalar()).unwrap().target("a", scalar()).unwrap();
    for error in [both.clone().input("a", scalar()), both.target("a", scalar())] {
        assert_eq!(
            error.unwrap_err().to_string(),
            "`Ragged`: cannot take this input\n  expected: every name once\n       got: `a` twice"
        );
    }
}

#[test]
fn streams_stand_side_by_side() {
    let named = |name: &str, count: i64, size| {
        let none = [] as [(&str, Tensor); 0];
        let data = Arrays::named([(name, Tensor::arange(0i64..count))], none).unwrap();
        Loader::new(data, size).unwrap()
    };
    for (left, right) in [(7, 5), (5, 7), (4, 4)] {
        let mut both = named("a", left, 3).zip(named("b", right, 2)).unwrap();
        let mut batch = Batch::new();
        let mut all = Vec::new();
        while both.next_batch(&mut batch).unwrap() {
            assert_eq!(batch.inputs[0], batch.inputs[1]);
            all.extend(batch.inputs[0].to_vec::<i64>().unwrap());
        }
        assert!(all.into_iter().eq(0..left.min(right)));
    }
    assert!(named("a", 2, 1).zip(named("a", 2, 1)).is_err());
    check_seek(|| Box::new(named("a", 7, 3).zip(named("b", 6, 2)).unwrap()));
}

#[test]
fn nonsense_is_an_error() {
    assert!(numbers(3, 1).batch(0).is_err());
    assert!(StreamExt::shuffle(numbers(3, 1), 0, 1).is_err());
    assert!(StreamExt::prefetch(numbers(3, 1), 0).is_err());
    assert!(numbers(3, 1).shard(2, 2).is_err());
    let other = Arrays::of_inputs([Tensor::zeros(DType::F32, [2, 2])]).unwrap();
    assert!(numbers(3, 1).concatenate(Loader::new(other, 1).unwrap()).is_err());
    assert_eq!(rest(&mut numbers(3, 1).batch(usize::MAX).unwrap()), [[0, 1, 2]]);
    assert_eq!(rest(&mut numbers(3, 1).take(usize::MAX)).len(), 3);
    assert!(rest(&mut numbers(3, 1).skip(usize::MAX)).is_empty());
}

#[test]
fn workers_change_neither_order_nor_where_errors_and_panics_come() {
    let one = || Example::new().input("x0", Spec::scalar(DType::I64));
    // Of eight batches, the third and seventh cannot be read, the fourth not be changed, and the
    // sixth's change panics.
    let make = |workers| {
        let mut made = 0;
        let source = Generator::new("torn", one(), move |batch, example| {
            made += 1;
            batch.prepare(example, 1);
            batch.inputs[0].make_mut::<i64>()[0] = made;
            if [3, 7].contains(&made) {
                Err(Error::other("unread"))
            } else {
                Ok(made < 9)
            }
        });
        let change = |reading: Reading<'_>, from: &Batch, to: &mut Batch| {
            let number = from.inputs[0].to_vec::<i64>()?[0];
            if number == 4 {
                return Err(Error::other("unchanged"));
            }
            assert_ne!(number, 6, "a function that panics");
            to.inputs[0].make_mut::<i64>()[0] = 100 * reading.indices[0] as i64 + number;
            Ok(())
        };
        source.map(one(), change).workers(workers)
    };
    let ends = |workers| {
        let (mut stream, mut batch, mut all) = (make(workers), Batch::new(), Vec::new());
        for _ in 0..9 {
            let next = AssertUnwindSafe(|| stream.next_batch(&mut batch));
            all.push(match catch_unwind(next) {
                Ok(Ok(true)) => batch.inputs[0].to_vec::<i64>().unwrap()[0].to_string(),
                Ok(Ok(false)) => "end".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(panic) => {
                    assert!(panic.downcast::<String>().unwrap().contains("panics"));
                    "panic".to_owned()
                }
            });
        }
        all
    };
    let expected =
        ["1", "102", "unread", "unchanged", "305", "panic", "unread", "508", "end"];
    for workers in 1..9 {
        assert_eq!(ends(workers), expected, "{workers} workers");
        let mut ahead = make(workers).prefetch(2).unwrap();
        let mut batch = Batch::new();
        let read = [(); 3].map(|()| ahead.next_batch(&mut batch).is_ok());
        assert_eq!(read, [true, true, false], "{workers} workers");
    }
}

#[test]
fn a_stream_of_nothing_is_one() {
    let none = |_: &Batch| Ok(false);
    let empty = || numbers(5, 2).filter(none);
    let streams: [Box<dyn Fn() -> Box<dyn Stream>>; 12] = [
        Box::new(move || Box::new(empty())),
        Box::new(move || Box::new(empty().batch(3).unwrap())),
        Box::new(move || Box::new(empty().padded_batch(3).unwrap())),
        Box::new(move || Box::new(empty().shuffle(4, 1).unwrap())),
        Box::new(move || Box::new(empty().filter(none).take(3).skip(1))),
        Box::new(move || Box::new(empty().shard(2, 0).unwrap())),
        Box::new(move || Box::new(empty().concatenate(empty()).unwrap())),
        Box::new(move || Box::new(empty().repeat(None))),
        Box::new(move || Box::new(empty().cache().repeat(3))),
        Box::new(move || Box::new(empty().prefetch(2).unwrap())),
        Box::new(move || Box::new(doubled(empty(), 3))),
        Box::new(move || Box::new(numbers(5, 2).take(0))),
    ];
    for make in streams {
        assert!(check_seek(make).concat().is_empty());
    }
    let scratch = tempfile::TempDir::new().unwrap();
    let kept = empty().cache_to(scratch.path().join("nothing")).unwrap();
    assert!(crate::Dataset::is_empty(&kept));
}
