//! A run allocates nothing, on any thread.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use deckle_cpu::Cpu;
use deckle_tensor::Backend;

mod common;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_hundred_steady_runs_allocate_nothing() {
    for program in
        [common::mlp(64, 100, 120, 10), common::mixed(), common::recurrent(9, 4, 8)]
    {
        for threads in [1, 3] {
            let cpu = Cpu::with_threads(threads);
            let executable = cpu.compile(&program).unwrap();
            let buffers = common::Buffers::new(&cpu, &program);
            let run = || {
                let common::Buffers { inputs, variables, outputs } = &buffers;
                executable.run(inputs, variables, outputs).unwrap();
            };
            // Threads allocate when they start, which may be late: not in every hundred.
            let steady = (0..100).any(|_| {
                let before = ALLOCATIONS.load(Ordering::SeqCst);
                (0..100).for_each(|_| run());
                ALLOCATIONS.load(Ordering::SeqCst) == before
            });
            assert!(steady, "{threads} threads");
        }
    }
}
