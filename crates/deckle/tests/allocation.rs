//! A steady step of `fit` allocates nothing, on any thread.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use deckle::{
    data::{Batch, Example},
    prelude::*,
};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A data set that notes how many allocations there were at each batch.
struct Watched {
    data: Arrays,
    seen: Mutex<Vec<u64>>,
}

impl Dataset for Watched {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn example(&self) -> &Example {
        self.data.example()
    }

    fn read_batch(
        &self,
        indices: &[usize],
        into: &mut Batch,
    ) -> deckle::data::Result<()> {
        self.seen.lock().unwrap().push(ALLOCATIONS.load(Ordering::Relaxed));
        self.data.read_batch(indices, into)
    }
}

/// Allocations between the batches of the last of three epochs, of 110 batches each, the last
/// one smaller.
fn steady(model: &Sequential, x: Tensor) -> Vec<u64> {
    let count = x.shape()[0];
    let labels: Vec<i64> = (0..count).map(|i| (i % 3) as i64).collect();
    let data = Arrays::new(x, Tensor::new(labels, [count]).unwrap()).unwrap();
    let watched = Watched { data, seen: Mutex::new(Vec::with_capacity(10_000)) };
    let device = Device::new(Cpu::with_threads(2));
    let compile = Compile::new(RmsProp::new(), SparseCategoricalCrossentropy::new());
    let mut trainer = (model.build().unwrap())
        .compile(compile.metric(Accuracy::new()).device(&device))
        .unwrap();
    trainer.fit(&watched, Fit::new().epochs(3).batch_size(4).verbose(0)).unwrap();
    // The last, smaller batch too.
    let mut full = Batch::new();
    let mut last = Batch::new();
    watched.data.read_batch(&[0, 1, 2, 3], &mut full).unwrap();
    watched.data.read_batch(&[0, 1, 2], &mut last).unwrap();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..50 {
        trainer.train_step(&full).unwrap();
        trainer.train_step(&last).unwrap();
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), before, "batches of two sizes");
    let seen = watched.seen.lock().unwrap();
    let batches = count.div_ceil(4);
    assert!(batches > 100 && !count.is_multiple_of(4) && seen.len() == 3 * batches);
    seen[2 * batches..].windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_steady_step_allocates_nothing() {
    let convnet = Sequential::new([8, 8, 2])
        .add(Conv2D::new(4, 3))
        .add(BatchNormalization::new())
        .add(MaxPooling2D::new(2))
        .add(Dropout::new(0.5))
        .add(Flatten::new())
        .add(Dense::new(3).activation(Softmax));
    let found = steady(&convnet, Tensor::random_uniform([439, 8, 8, 2], 0.0..1.0, 1));
    assert!(found.iter().all(|&count| count == 0), "convnet: {found:?}");

    let lstm = Sequential::typed([7], DType::I32)
        .add(Embedding::new(20, 4).mask_zero(true))
        .add(LSTM::new(5))
        .add(Dense::new(3).activation(Softmax));
    let ids: Vec<i32> = (0..439 * 7).map(|i| i * 5 % 20).collect();
    let found = steady(&lstm, Tensor::new(ids, [439, 7]).unwrap());
    assert!(found.iter().all(|&count| count == 0), "lstm: {found:?}");
}
