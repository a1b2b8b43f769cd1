//! Examples that a function makes of a stream's: [`Map`].

use std::{
    collections::VecDeque,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

use crate::{Batch, Example, Reading, Result, Stream};

/// Examples that a function makes, a batch at a time: [`StreamExt::map`](super::StreamExt::map).
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Example, Loader, Stream, StreamExt};
/// use deckle_tensor::{DType, Spec, Tensor};
///
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..4)])?;
/// let example = Example::new().input("x0", Spec::scalar(DType::F32));
/// let mut halves = Loader::new(numbers, 3)?
///     .map(example, |_, from, to| {
///         let from = from.inputs[0].to_vec::<i64>()?;
///         for (to, from) in to.inputs[0].make_mut::<f32>().iter_mut().zip(from) {
///             *to = from as f32 / 2.0;
///         }
///         Ok(())
///     })
///     .workers(2);
/// let mut batch = Batch::new();
/// assert!(halves.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].to_vec::<f32>()?, [0.0, 0.5, 1.0]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
pub struct Map<S, F> {
    stream: S,
    example: Example,
    change: F,
    workers: usize,
    pass: u64,
    /// The number of the next example in this pass.
    number: usize,
    tasks: Vec<Task>,
    /// Which tasks were done and not yet given out, and how they ended, in order.
    done: VecDeque<(usize, thread::Result<Result<()>>)>,
}

/// A batch that is changed.
#[derive(Default)]
struct Task {
    numbers: Vec<usize>,
    from: Batch,
    to: Batch,
}

impl<S: Stream, F> Map<S, F>
where
    F: Fn(Reading<'_>, &Batch, &mut Batch) -> Result<()> + Send + Sync,
{
    pub(super) fn new(stream: S, example: Example, change: F) -> Self {
        let (tasks, done) = (Vec::new(), VecDeque::new());
        Self { stream, example, change, workers: 1, pass: 0, number: 0, tasks, done }
    }

    /// Sets how many batches are changed at once, each on a thread; 1, this one, by default.
    ///
    /// What comes out does not depend on it; nor does where an error or a panic comes. Batches are
    /// changed in rounds of as many, and the next round is read when all of one were given out:
    /// [`prefetch`](super::StreamExt::prefetch) after it lets a thread work ahead of who reads.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Reads as many batches as there are threads, and changes them.
    fn fill(&mut self) {
        let Self { stream, example, change, workers, pass, number, tasks, done } = self;
        tasks.resize_with(*workers, Task::default);
        let (mut read, mut failed) = (0, None);
        for task in &mut *tasks {
            match stream.next_batch(&mut task.from) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    failed = Some((read, Ok(Err(error))));
                    break;
                }
            }
            let len = task.from.len();
            task.numbers.clear();
            task.numbers.extend(*number..*number + len);
            *number += len;
            read += 1;
        }
        let work = |task: &mut Task| {
            task.to.prepare(example, task.numbers.len());
            let reading = Reading { epoch: *pass, indices: &task.numbers };
            change(reading, &task.from, &mut task.to)
        };
        match &mut tasks[..read] {
            [one] => {
                done.push_back((0, catch_unwind(AssertUnwindSafe(|| work(one)))));
            }
            several => thread::scope(|scope| {
                let threads = several.iter_mut().map(|task| scope.spawn(|| work(task)));
                let threads: Vec<_> = threads.collect();
                done.extend(
                    threads.into_iter().map(thread::ScopedJoinHandle::join).enumerate(),
                );
            }),
        }
        done.extend(failed);
    }
}

impl<S: Stream, F> Stream for Map<S, F>
where
    F: Fn(Reading<'_>, &Batch, &mut Batch) -> Result<()> + Send + Sync,
{
    fn name(&self) -> String {
        self.stream.name()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        if self.done.is_empty() {
            self.fill();
        }
        let Some((at, ended)) = self.done.pop_front() else { return Ok(false) };
        ended.unwrap_or_else(|panic| resume_unwind(panic))?;
        mem::swap(into, &mut self.tasks[at].to);
        Ok(true)
    }

    fn batches(&self) -> Option<usize> {
        self.stream.batches()
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        let restarted = self.stream.restart(pass)?;
        if restarted {
            self.done.clear();
            (self.pass, self.number) = (pass, 0);
        }
        Ok(restarted)
    }

    fn seek(&mut self, pass: u64, batch: u64) -> Result<bool> {
        if !self.restart(pass)? {
            return Ok(false);
        }
        // Reads what it was made of, to number the examples, but changes none.
        let mut dropped = Batch::new();
        for _ in 0..batch {
            if !self.stream.next_batch(&mut dropped)? {
                return Ok(false);
            }
            self.number += dropped.len();
        }
        Ok(true)
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Map<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("stream", &self.stream)
            .field("example", &self.example)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}
