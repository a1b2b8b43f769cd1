//! Streams of streams that break off, end, or hold what they should not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

fn one(name: &str) -> Example {
    Example::new().input(name, Spec::scalar(DType::I64))
}

/// Batches of two numbers below `count`; the third, when it is asked for first, cannot be read.
fn torn(name: &str, count: i64) -> impl Stream + 'static {
    let (mut next, mut calls) = (0, 0);
    Generator::new("torn", one(name), move |batch: &mut Batch, example: &Example| {
        calls += 1;
        if calls == 3 {
            return Err(Error::other("batch 2 is torn"));
        }
        let len = (count - next).clamp(0, 2);
        batch.prepare(example, len as usize);
        for number in batch.inputs[0].make_mut::<i64>() {
            *number = next;
            next += 1;
        }
        Ok(len > 0)
    })
}

/// All batches, and how many errors there were.
fn go_on(stream: &mut dyn Stream) -> (Vec<Batch>, usize) {
    let (mut batch, mut all, mut errors) = (Batch::new(), Vec::new(), 0);
    loop {
        match stream.next_batch(&mut batch) {
            Ok(true) => all.push(batch.clone()),
            Ok(false) => return (all, errors),
            Err(error) => {
                assert_eq!(error.to_string(), "batch 2 is torn");
                errors += 1;
            }
        }
    }
}

fn values(batches: &[Batch], input: usize) -> Vec<i64> {
    batches.iter().flat_map(|b| b.inputs[input].to_vec::<i64>().unwrap()).collect()
}

#[test]
fn nothing_is_lost_by_going_on_after_an_error() {
    let torn = || torn("x0", 11);
    let sizes = |batches: &[Batch]| batches.iter().map(Batch::len).collect::<Vec<_>>();
    for size in 1..13 {
        let whole = [vec![size; 11 / size], vec![11 % size]].concat();
        let whole = whole.into_iter().filter(|&len| len > 0).collect::<Vec<_>>();
        let streams: [Box<dyn Stream>; 3] = [
            Box::new(torn().batch(size).unwrap()),
            Box::new(torn().padded_batch(size).unwrap()),
            Box::new(torn().batch(3).unwrap().batch(size).unwrap()),
        ];
        for mut stream in streams {
            let (all, errors) = go_on(&mut stream);
            assert!(values(&all, 0).into_iter().eq(0..11), "{size}: {all:?}");
            assert_eq!((errors, sizes(&all)), (1, whole.clone()));
        }
        let (all, errors) = go_on(&mut torn().skip(size));
        assert!(values(&all, 0).into_iter().eq(size as i64..11), "{size}: {all:?}");
        assert_eq!(errors, 1);
        // Shuffled as if there had been no error.
        let (all, errors) = go_on(&mut torn().shuffle(size, 3).unwrap());
        let whole = rest(&mut StreamExt::shuffle(numbers(11, 2), size, 3).unwrap());
        assert_eq!((errors, values(&all, 0)), (1, whole.concat()));
    }
}

#[test]
fn examples_stay_side_by_side_after_an_error() {
    let whole = |name, size| torn(name, 11).batch(size).unwrap();
    let check = |mut both: Box<dyn Stream>, errors| {
        let (all, found) = go_on(&mut both);
        assert!(values(&all, 0).into_iter().eq(0..11));
        assert!(values(&all, 1).into_iter().eq(0..11));
        assert_eq!(found, errors);
    };
    for size in 1..13 {
        check(Box::new(torn("a", 11).zip(whole("b", size)).unwrap()), 2);
        check(Box::new(whole("a", size).zip(torn("b", 11)).unwrap()), 2);
    }
}

#[test]
fn what_could_only_half_begin_again_is_over() {
    let named = |name: &str| {
        let none = [] as [(&str, Tensor); 0];
        let data = Arrays::named([(name, Tensor::arange(0i64..4))], none).unwrap();
        Loader::new(data, 1).unwrap()
    };
    let streams: [Box<dyn Stream>; 4] = [
        Box::new(numbers(4, 2).concatenate(once(2)).unwrap()),
        Box::new(named("a").zip(once(4)).unwrap()),
        Box::new(once(2).concatenate(numbers(4, 2)).unwrap()),
        Box::new(once(4).zip(named("a")).unwrap()),
    ];
    for (number, mut stream) in streams.into_iter().enumerate() {
        let mut batch = Batch::new();
        assert!(stream.next_batch(&mut batch).unwrap());
        assert!(!stream.restart(1).unwrap());
        // If the first refused, nothing has changed.
        let goes_on = number >= 2;
        assert_eq!(stream.next_batch(&mut batch).unwrap(), goes_on, "{number}");
        assert!(!stream.seek(0, 0).unwrap());
        assert_eq!(stream.next_batch(&mut batch).unwrap(), goes_on, "{number}");
    }
}

#[test]
fn the_end_is_asked_for_once() {
    let ends = Arc::new(AtomicUsize::new(0));
    let source = |width: usize| {
        let (counted, mut made) = (Arc::clone(&ends), 0);
        Generator::new(
            "counted",
            one("x0"),
            move |batch: &mut Batch, example: &Example| {
                batch.prepare(example, width);
                made += 1;
                counted.fetch_add(usize::from(made > 20), Ordering::Relaxed);
                Ok(made <= 20)
            },
        )
    };
    let streams: [Box<dyn Stream>; 8] = [
        Box::new(source(1).prefetch(2).unwrap()),
        Box::new(source(1).prefetch(2).unwrap().shuffle(16, 1).unwrap()),
        Box::new(source(1).shuffle(16, 1).unwrap()),
        Box::new(source(2).batch(3).unwrap()),
        Box::new(source(2).padded_batch(3).unwrap()),
        Box::new(source(1).skip(3)),
        Box::new(source(1).skip(1000)),
        Box::new(source(1).cache()),
    ];
    for (number, mut stream) in streams.into_iter().enumerate() {
        ends.store(0, Ordering::Relaxed);
        rest(&mut stream);
        assert!(!stream.next_batch(&mut Batch::new()).unwrap());
        assert_eq!(ends.load(Ordering::Relaxed), 1, "stream {number}");
    }
}

#[test]
fn memory_is_used_again() {
    let fresh = Arc::new(AtomicUsize::new(0));
    let source = || {
        let (counted, mut made) = (Arc::clone(&fresh), 0);
        Generator::new(
            "counted",
            one("x0"),
            move |batch: &mut Batch, example: &Example| {
                counted
                    .fetch_add(usize::from(batch.inputs.is_empty()), Ordering::Relaxed);
                batch.prepare(example, 2);
                made += 1;
                Ok(made <= 20)
            },
        )
    };
    let streams: [(Box<dyn Stream>, usize); 5] = [
        (Box::new(source().batch(2).unwrap()), 1),
        (Box::new(source().batch(4).unwrap()), 2),
        (Box::new(source().batch(3).unwrap()), 3),
        (Box::new(source().padded_batch(2).unwrap()), 1),
        (Box::new(source().shuffle(4, 1).unwrap()), 1),
    ];
    for (number, (mut stream, most)) in streams.into_iter().enumerate() {
        fresh.store(0, Ordering::Relaxed);
        rest(&mut stream);
        let fresh = fresh.load(Ordering::Relaxed);
        assert!(fresh <= most, "stream {number}: {fresh} batches");
    }
}

#[test]
fn a_pass_without_its_end_is_kept_but_not_a_torn_one() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let change = move |_: Reading<'_>, from: &Batch, to: &mut Batch| {
        counted.fetch_add(1, Ordering::Relaxed);
        let from = from.inputs[0].to_vec::<i64>()?;
        to.inputs[0].make_mut::<i64>().copy_from_slice(&from);
        Ok(())
    };
    let mut stream = StreamExt::map(numbers(6, 2), one("x0"), change).cache();
    let batches = stream.batches().unwrap();
    let mut batch = Batch::new();
    for pass in 0..4 {
        assert!(stream.restart(pass).unwrap());
        for number in 0..batches as i64 {
            assert!(stream.next_batch(&mut batch).unwrap());
            let expected = [2 * number, 2 * number + 1];
            assert_eq!(batch.inputs[0].to_vec::<i64>().unwrap(), expected);
        }
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }
    assert!(!stream.next_batch(&mut batch).unwrap());

    let tries = AtomicUsize::new(0);
    let fails_once = move |_: Reading<'_>, from: &Batch, to: &mut Batch| {
        if tries.fetch_add(1, Ordering::Relaxed) == 1 {
            return Err(Error::other("batch 2 is torn"));
        }
        to.inputs[0] = from.inputs[0].clone();
        Ok(())
    };
    let mut stream = StreamExt::map(numbers(6, 2), one("x0"), fails_once).cache();
    let (all, errors) = go_on(&mut stream);
    assert_eq!((values(&all, 0), errors), (vec![0, 1, 4, 5], 1));
    for number in 1..4 {
        assert!(pass(&mut stream, number).concat().into_iter().eq(0..6));
    }
}

#[test]
fn a_batch_that_is_not_as_the_stream_says_is_an_error() {
    let example = || one("x").target("y", Spec::scalar(DType::Bool));
    let stream = |inputs: Vec<Tensor>, targets: Vec<Tensor>| {
        Generator::new("wrong", example(), move |batch: &mut Batch, _: &Example| {
            (batch.inputs, batch.targets) = (inputs.clone(), targets.clone());
            Ok(true)
        })
    };
    let i64s = |len| Tensor::zeros(DType::I64, [len]);
    let bools = |len| Tensor::zeros(DType::Bool, [len]);
    let uneven = "data set: arrays disagree in their number of examples\n  \
                  expected: 4 examples, as in `x`\n       got: 3 examples in `y`\n      \
                  help: the first axis of every array counts the examples";
    let other = "`batch`: cannot take this input\n  \
                 expected: examples of `x`: int64 (), `y`: bool ()\n       got: ";
    let cases = [
        ((vec![i64s(4)], vec![bools(3)]), uneven.to_owned()),
        ((vec![i64s(4)], vec![i64s(4)]), format!("{other}`y`: int64 (4,)")),
        ((vec![Tensor::scalar(1i64)], vec![bools(1)]), format!("{other}`x`: int64 ()")),
        (
            (vec![], vec![i64s(4), bools(4)]),
            format!("{other}0 inputs, 2 targets and 0 weights"),
        ),
    ];
    for ((inputs, targets), expected) in cases {
        let wrong = || stream(inputs.clone(), targets.clone());
        let streams: [Box<dyn Stream>; 10] = [
            Box::new(wrong().batch(2).unwrap()),
            Box::new(wrong().padded_batch(2).unwrap()),
            Box::new(wrong().shuffle(2, 1).unwrap()),
            Box::new(wrong().filter(|_| Ok(true))),
            Box::new(wrong().shard(2, 1).unwrap()),
            Box::new(wrong().take(3)),
            Box::new(wrong().skip(1)),
            Box::new(wrong().cache()),
            Box::new(wrong().zip(torn("z", 9)).unwrap()),
            Box::new(torn("z", 9).zip(wrong()).unwrap()),
        ];
        for (number, mut stream) in streams.into_iter().enumerate() {
            let error = stream.next_batch(&mut Batch::new()).unwrap_err().to_string();
            assert_eq!(error, expected, "stream {number}");
        }
    }
}

#[test]
fn rows_of_views_are_those_that_are_seen() {
    let columns = || {
        let mut left = 2;
        let example = Example::new().input("x0", Spec::new(DType::I64, [2]));
        Generator::new("columns", example, move |batch: &mut Batch, _: &Example| {
            let x = Tensor::arange(0i64..6).reshape([2, 3])?.permute([1, 0])?;
            batch.inputs = vec![x];
            left -= 1;
            Ok(left >= 0)
        })
    };
    let all = [0, 3, 1, 4, 2, 5, 0, 3, 1, 4, 2, 5];
    let read = |mut stream: Box<dyn Stream>| values(&go_on(&mut stream).0, 0);
    assert_eq!(read(Box::new(columns().batch(4).unwrap())), all);
    assert_eq!(read(Box::new(columns().cache())), all);
    assert_eq!(read(Box::new(columns().skip(1))), all[2..]);
    assert_eq!(read(Box::new(columns().take(5))), all[..10]);
    assert_eq!(read(Box::new(columns().shard(3, 1).unwrap())), [1, 4, 1, 4]);
    let odd = |one: &Batch| Ok(one.inputs[0].to_vec::<i64>()?[0] != 1);
    assert_eq!(read(Box::new(columns().filter(odd))), [0, 3, 2, 5, 0, 3, 2, 5]);
    let rows = columns().shuffle(1, 1).unwrap();
    assert_eq!(read(Box::new(rows)), all);
}

#[test]
fn a_shard_of_very_many_is_one() {
    let most = usize::MAX;
    let mut first = numbers(7, 3).shard(most, 0).unwrap();
    assert_eq!(rest(&mut first), [[0]]);
    assert_eq!(rest(&mut numbers(7, 3).shard(most, 4).unwrap()), [[4]]);
    assert!(rest(&mut numbers(7, 3).shard(most, most - 1).unwrap()).is_empty());
}
