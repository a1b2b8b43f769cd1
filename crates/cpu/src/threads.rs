//! Persistent threads that share the work of one operation: [`Threads`].
#![expect(
    unsafe_code,
    reason = "tasks borrow from the caller's stack; control registers"
)]

use std::{
    any::Any,
    fmt,
    marker::PhantomData,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread,
    time::{Duration, Instant},
};

/// How often a thread looks again before it lets others have its core; some microseconds.
const SPINS: u32 = 100;

/// How long a thread looks again before it sleeps: several times what it takes to wake one on a
/// virtual machine, and more than most of what a training does between two runs.
const PATIENCE: Duration = Duration::from_micros(300);

/// The `index`-th of `count` nearly equal parts of `len`.
pub(crate) const fn part(len: usize, count: usize, index: usize) -> Range<usize> {
    let (each, rest) = (len / count, len % count);
    index * each + index * rest / count..(index + 1) * each + (index + 1) * rest / count
}

/// Threads that stay, and share the tasks of each [`run`](Threads::run).
///
/// A run hands numbered tasks to the caller and to the other threads, every other of which begins
/// with the last: over the same data, the next run finds much in its own caches. Which thread takes
/// which task is chance; so work has to be cut into tasks by its shape alone, never by the number
/// of threads, and tasks must not depend on each other. Then results are the same bits on any
/// number of threads.
///
/// While tasks run, subnormal numbers count as zero (x86-64 and 64-bit Arm), on every thread
/// alike; the caller's setting is restored afterwards.
///
/// # Examples
///
/// ```
/// use deckle_cpu::Threads;
///
/// let threads = Threads::new(2);
/// let mut squares = [0; 10];
/// threads.run_chunks(&mut squares, 3, |start, chunk| {
///     for (i, square) in chunk.iter_mut().enumerate() {
///         *square = (start + i) * (start + i);
///     }
/// });
/// assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
/// ```
pub struct Threads {
    shared: Arc<Shared>,
    workers: Vec<thread::JoinHandle<()>>,
}

/// What all threads see.
struct Shared {
    /// The number of the current run; in 16 bits each, how many of its groups of tasks were taken
    /// from the front, and are left. All in one word, so that a late thread cannot take a task of a
    /// later run for one of the run that it knows.
    tickets: AtomicU64,
    /// The current run; valid as long as one of its tasks is unfinished.
    run: AtomicPtr<Run<'static>>,
    /// The groups of tasks of the current run that are not finished.
    unfinished: AtomicUsize,
    /// Whether a run is going on.
    busy: AtomicBool,
    /// The threads that sleep, or are about to.
    sleepers: AtomicUsize,
    /// Whether the caller sleeps, or is about to.
    caller_sleeps: AtomicBool,
    stop: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
    done: Condvar,
}

/// One call of [`Threads::run`], on the caller's stack.
struct Run<'a> {
    tasks: usize,
    /// The tasks are taken in so many groups: of one, if there are not very many.
    groups: u16,
    task: &'a (dyn Fn(usize, usize) + Sync),
    /// What the first task that panicked said.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Threads {
    /// `count` threads, the caller being one of them; at least 1.
    ///
    /// Where the system refuses a thread, there are fewer.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let shared = Arc::new(Shared {
            tickets: AtomicU64::new(0),
            run: AtomicPtr::new(ptr::null_mut()),
            unfinished: AtomicUsize::new(0),
            busy: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            caller_sleeps: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
            done: Condvar::new(),
        });
        let workers = (1..count)
            .map_while(|slot| {
                let shared = Arc::clone(&shared);
                thread::Builder::new()
                    .name(format!("deckle-cpu-{slot}"))
                    .spawn(move || shared.work(slot))
                    .ok()
            })
            .collect();
        Self { shared, workers }
    }

    /// The number of threads, the caller being one of them.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task` with each number from 0 to `tasks - 1`, and returns when all are done.
    ///
    /// Nothing is allocated. A run inside a task, and a run while another caller's goes on,
    /// run on the calling thread alone.
    ///
    /// # Panics
    ///
    /// If a task panics, with what that task said, after all tasks are done.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        self.run_with_slot(tasks, &|index, _| task(index));
    }

    /// As [`run`](Self::run), but also tells each task its thread's slot, a number below
    /// [`count`](Self::count) that no other task of this run has at the same time.
    ///
    /// Slots are for scratch memory; a result must not depend on them.
    ///
    /// # Panics
    ///
    /// If a task panics, with what that task said, after all tasks are done.
    pub fn run_with_slot(&self, tasks: usize, task: &(dyn Fn(usize, usize) + Sync)) {
        let _flush = FlushSubnormals::new();
        let shared = &*self.shared;
        let alone = tasks <= 1
            || self.workers.is_empty()
            || shared.busy.swap(true, Ordering::Acquire);
        let groups = u16::try_from(tasks).unwrap_or(u16::MAX);
        let run = Run { tasks, groups, task, panic: Mutex::new(None) };
        if alone {
            (0..groups).for_each(|group| run.execute(group, 0));
        } else {
            shared.lead(&run);
            shared.busy.store(false, Ordering::Release);
        }
        let panic = run.panic.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }

    /// Cuts `data` into chunks of `chunk` elements (the last may be shorter), and runs `task`
    /// with each chunk and the position of its first element.
    ///
    /// # Panics
    ///
    /// If `chunk` is 0, or a task panics.
    pub fn run_chunks<T: Send>(
        &self,
        data: &mut [T],
        chunk: usize,
        task: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let len = data.len();
        let data = Disjoint::new(data);
        self.run(len.div_ceil(chunk), &|index| {
            let start = index * chunk;
            // SAFETY: the chunks of different tasks do not overlap, and each task runs once.
            let part = unsafe { data.slice(start..len.min(start + chunk)) };
            task(start, part);
        });
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("count", &self.count()).finish()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(self.shared.guard());
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of tasks, and has no other.
            let _ = worker.join();
        }
    }
}

impl Run<'_> {
    fn execute(&self, group: u16, slot: usize) {
        for index in part(self.tasks, self.groups.into(), group.into()) {
            let result = catch_unwind(AssertUnwindSafe(|| (self.task)(index, slot)));
            if let Err(payload) = result {
                let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(payload);
            }
        }
    }
}

impl Shared {
    fn guard(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a run, takes part in it, and waits for its end.
    fn lead(&self, run: &Run<'_>) {
        let pointer = ptr::from_ref(run).cast_mut().cast::<Run<'static>>();
        self.unfinished.store(run.groups.into(), Ordering::Relaxed);
        self.run.store(pointer, Ordering::Relaxed);
        let number = (self.tickets.load(Ordering::Relaxed) >> 32).wrapping_add(1);
        self.tickets.store(number << 32 | u64::from(run.groups), Ordering::SeqCst);
        // Either a worker that goes to sleep sees the tickets, or its counting is seen here.
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            drop(self.guard());
            for _ in 1..run.tasks.min(1 + self.sleepers.load(Ordering::Relaxed)) {
                self.wake.notify_one();
            }
        }
        self.take_part(0);
        let finished = || self.unfinished.load(Ordering::Acquire) == 0;
        if spin_until(finished) {
            return;
        }
        let mut guard = self.guard();
        self.caller_sleeps.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        while !finished() {
            guard = self.done.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.caller_sleeps.store(false, Ordering::Relaxed);
    }

    /// Takes tasks of the current run until none is left: odd slots from the back.
    fn take_part(&self, slot: usize) {
        let from_front = slot.is_multiple_of(2);
        let mut tickets = self.tickets.load(Ordering::Acquire);
        while tickets as u16 != 0 {
            let run = self.run.load(Ordering::Relaxed);
            if let Err(now) = self.tickets.compare_exchange_weak(
                tickets,
                tickets - 1 + (u64::from(from_front) << 16),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                tickets = now;
                continue;
            }
            // SAFETY: the exchange succeeded, so the run that `tickets` belongs to still had
            // an untaken task, and `run` is that run: it was stored before its tickets, and is
            // replaced only when all of its tasks are finished, ours included. Until then its
            // caller keeps it alive.
            let current = unsafe { &*run };
            let (taken, left) = ((tickets >> 16) as u16, tickets as u16);
            current.execute(if from_front { taken } else { taken + (left - 1) }, slot);
            if self.unfinished.fetch_sub(1, Ordering::SeqCst) == 1 && slot != 0 {
                // Either the caller sees that all is finished, or its flag is seen here.
                fence(Ordering::SeqCst);
                if self.caller_sleeps.load(Ordering::Relaxed) {
                    drop(self.guard());
                    self.done.notify_one();
                }
            }
            tickets = self.tickets.load(Ordering::Acquire);
        }
    }

    /// What each worker does all its life.
    fn work(&self, slot: usize) {
        let _flush = FlushSubnormals::new();
        let called = || {
            self.tickets.load(Ordering::Acquire) as u16 != 0
                || self.stop.load(Ordering::Relaxed)
        };
        while !self.stop.load(Ordering::Relaxed) {
            self.take_part(slot);
            if spin_until(called) {
                continue;
            }
            let mut guard = self.guard();
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            while !called() {
                guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Looks for a while whether `done` holds; tells whether it does.
fn spin_until(done: impl Fn() -> bool) -> bool {
    for _ in 0..SPINS {
        if done() {
            return true;
        }
        std::hint::spin_loop();
    }
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if done() {
            return true;
        }
        thread::yield_now();
    }
    done()
}

/// A slice that several tasks change at once, each its own part.
///
/// # Examples
///
/// ```
/// use deckle_cpu::threads::{Disjoint, Threads};
///
/// let mut data = [0; 4];
/// let shared = Disjoint::new(&mut data);
/// Threads::new(2).run(2, &|task| {
///     // SAFETY: the tasks' ranges do not overlap.
///     unsafe { shared.slice(2 * task..2 * task + 2) }.fill(task + 1);
/// });
/// assert_eq!(data, [1, 1, 2, 2]);
/// ```
pub struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: access goes through `unsafe` methods only, whose callers promise that no two threads
// use the same elements; handing `&mut T` to another thread needs `T: Send`.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}
// SAFETY: it stands for a `&mut [T]`.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    /// Makes parts of `data` accessible to many tasks.
    #[must_use]
    pub const fn new(data: &'a mut [T]) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len(), lifetime: PhantomData }
    }

    /// The number of elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first element's address, for strided access.
    #[must_use]
    pub const fn as_ptr(&self) -> *mut T {
        self.start
    }

    /// The elements of a range.
    ///
    /// # Safety
    ///
    /// As long as the slice is used, nobody else may use any of its elements.
    ///
    /// # Panics
    ///
    /// If the range does not lie within the slice.
    #[must_use]
    pub unsafe fn slice(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "range within slice");
        // SAFETY: the range lies within the slice that `self` was made of, which is borrowed
        // for `'a`; that nobody else uses these elements is the caller's promise.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.start.add(range.start),
                range.end - range.start,
            )
        }
    }
}

impl<T> fmt::Debug for Disjoint<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disjoint").field("len", &self.len).finish_non_exhaustive()
    }
}

/// As long as it lives, this thread takes subnormal numbers for zero.
struct FlushSubnormals {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    before: u64,
    /// It belongs to the thread that made it.
    thread: PhantomData<*const ()>,
}

impl FlushSubnormals {
    /// Flush to zero, and on x86-64 denormals are zero.
    #[cfg(target_arch = "x86_64")]
    const BITS: u64 = 1 << 15 | 1 << 6;
    #[cfg(target_arch = "aarch64")]
    const BITS: u64 = 1 << 24;

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn new() -> Self {
        let before = control();
        if before & Self::BITS != Self::BITS {
            set_control(before | Self::BITS);
        }
        Self { before, thread: PhantomData }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn new() -> Self {
        Self { thread: PhantomData }
    }
}

impl Drop for FlushSubnormals {
    fn drop(&mut self) {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        if self.before & Self::BITS != Self::BITS {
            set_control(self.before);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn control() -> u64 {
    let mut mxcsr = 0_u32;
    // SAFETY: writes the four bytes of `mxcsr`, nothing else.
    unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags));
    }
    u64::from(mxcsr)
}

#[cfg(target_arch = "x86_64")]
fn set_control(value: u64) {
    let mxcsr = value as u32;
    // SAFETY: `value` differs from what was read by the two flushing bits only, so no
    // exception is unmasked and the rounding mode stays.
    unsafe {
        std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack));
    }
}

#[cfg(target_arch = "aarch64")]
fn control() -> u64 {
    let fpcr: u64;
    // SAFETY: reads a register.
    unsafe {
        std::arch::asm!("mrs {}, fpcr", out(reg) fpcr, options(nomem, nostack));
    }
    fpcr
}

#[cfg(target_arch = "aarch64")]
fn set_control(value: u64) {
    // SAFETY: `value` differs from what was read by the flushing bit only.
    unsafe {
        std::arch::asm!("msr fpcr, {}", in(reg) value, options(nostack));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_on_any_number_of_threads() {
        for count in [1, 2, 3, 5] {
            let threads = Threads::new(count);
            for tasks in [0, 1, 2, 7, 100, 65_535, 100_003] {
                for _ in 0..if tasks > 100 { 1 } else { 50 } {
                    let runs: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                    threads.run_with_slot(tasks, &|task, slot| {
                        assert!(slot < count);
                        runs[task].fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(runs.iter().all(|n| n.load(Ordering::Relaxed) == 1));
                }
            }
        }
    }

    #[test]
    fn odd_slots_begin_with_the_last_task() {
        let (both, begun) =
            (std::sync::Barrier::new(2), [const { AtomicBool::new(false) }; 2]);
        Threads::new(2).run_with_slot(4, &|task, slot| {
            if !begun[slot].swap(true, Ordering::Relaxed) {
                both.wait();
                assert_eq!(task, 3 * slot);
            }
        });
    }

    #[test]
    fn a_slot_has_one_task_at_a_time() {
        let threads = Threads::new(4);
        let taken: Vec<_> = (0..4).map(|_| AtomicBool::new(false)).collect();
        threads.run_with_slot(200, &|_, slot| {
            assert!(!taken[slot].swap(true, Ordering::SeqCst));
            thread::yield_now();
            taken[slot].store(false, Ordering::SeqCst);
        });
    }

    #[test]
    fn nested_and_concurrent_runs_finish() {
        let threads = Threads::new(3);
        let total = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        threads.run(5, &|_| {
                            threads.run(3, &|_| {
                                total.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 4 * 100 * 5 * 3);
    }

    #[test]
    fn a_panic_comes_back_after_all_tasks_and_the_threads_live_on() {
        let threads = Threads::new(2);
        for _ in 0..20 {
            let finished = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                threads.run(10, &|task| {
                    assert!(task != 4, "task four");
                    finished.fetch_add(1, Ordering::Relaxed);
                });
            }));
            let payload = result.unwrap_err();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"task four"));
            assert_eq!(finished.into_inner(), 9);
        }
    }

    #[test]
    fn sleeping_threads_wake() {
        let threads = Threads::new(3);
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(2));
            let seen = AtomicUsize::new(0);
            threads.run(3, &|_| {
                seen.fetch_add(1, Ordering::Relaxed);
                // Longer than the caller spins, so that it sleeps too.
                thread::sleep(Duration::from_millis(1));
            });
            assert_eq!(seen.into_inner(), 3);
        }
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn tasks_take_subnormal_numbers_for_zero_and_the_caller_does_not() {
        let half = || f32::MIN_POSITIVE * std::hint::black_box(0.5);
        for count in [1, 2] {
            let mut values = [1.0; 8];
            Threads::new(count).run_chunks(&mut values, 1, |_, value| value[0] = half());
            assert!(values.iter().all(|value: &f32| value.to_bits() == 0));
            assert!(half() > 0.0);
        }
    }
}
