//! Batches of a stream that a thread reads ahead: [`Ahead`].

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use crate::{Batch, Error, Example, Result, Stream, error::at_least_one};

/// Batches that a thread reads ahead: [`StreamExt::prefetch`](super::StreamExt::prefetch).
///
/// The thread begins with the first batch of a pass and ends with the last, or when this is
/// dropped. What is read on several threads is a [`Loader`](crate::Loader), by its own `prefetch`,
/// or a [`Map`](super::Map), by its `workers`.
///
/// # Examples
///
/// ```
/// use deckle_data::{Batch, Example, Generator, Stream, StreamExt};
/// use deckle_tensor::{DType, Spec};
///
/// let example = Example::new().input("x", Spec::scalar(DType::F32));
/// let mut made = 0;
/// let mut stream = Generator::new("numbers", example, move |batch, example| {
///     batch.prepare(example, 1);
///     batch.inputs[0].make_mut::<f32>()[0] = made as f32;
///     made += 1;
///     Ok(made <= 3)
/// })
/// .prefetch(2)?;
/// let (mut batch, mut all) = (Batch::new(), Vec::new());
/// while stream.next_batch(&mut batch)? {
///     all.extend(batch.inputs[0].to_vec::<f32>()?);
/// }
/// assert_eq!(all, [0.0, 1.0, 2.0]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
pub struct Ahead<S> {
    name: String,
    example: Example,
    batches: Option<usize>,
    buffer_size: usize,
    state: State<S>,
    /// Batches that were read before the thread was ended.
    left: VecDeque<Result<Batch>>,
    /// Whether the pass is over, so that no thread has to find that out again.
    is_over: bool,
}

enum State<S> {
    Idle(S),
    Reading(Worker<S>),
    /// The stream panicked.
    Lost,
}

struct Worker<S> {
    filled: Receiver<Result<Batch>>,
    free: SyncSender<Batch>,
    has_to_end: Arc<AtomicBool>,
    thread: JoinHandle<S>,
}

impl<S: Stream + 'static> Ahead<S> {
    pub(super) fn new(stream: S, buffer_size: usize) -> Result<Self> {
        Ok(Self {
            name: stream.name(),
            example: stream.example().clone(),
            batches: stream.batches(),
            buffer_size: at_least_one("prefetch", "buffer_size", buffer_size)?,
            state: State::Idle(stream),
            left: VecDeque::new(),
            is_over: false,
        })
    }

    fn start(&self, mut stream: S) -> Result<Worker<S>> {
        let (filled_sender, filled) = sync_channel(self.buffer_size);
        let (free, free_receiver) = sync_channel::<Batch>(self.buffer_size + 2);
        let has_to_end = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&has_to_end);
        let work = move || {
            while !ends.load(Ordering::Relaxed) {
                let mut batch = free_receiver.try_recv().unwrap_or_default();
                let message = match stream.next_batch(&mut batch) {
                    Ok(false) => break,
                    Ok(true) => Ok(batch),
                    Err(error) => Err(error),
                };
                let failed = message.is_err();
                if filled_sender.send(message).is_err() || failed {
                    break;
                }
            }
            stream
        };
        let builder = Builder::new().name("deckle-data-ahead".to_owned());
        let thread = builder.spawn(work).map_err(Error::other)?;
        Ok(Worker { filled, free, has_to_end, thread })
    }

    /// Forgets what was read before the stream went elsewhere.
    fn forget(&mut self) {
        self.left.clear();
        self.is_over = false;
    }

    /// Ends the thread and keeps what it read.
    fn stop(&mut self) {
        let state = mem::replace(&mut self.state, State::Lost);
        self.state = match state {
            State::Reading(Worker { filled, free: _, has_to_end, thread }) => {
                has_to_end.store(true, Ordering::Relaxed);
                // Until the thread has ended: what it reads or waits to send is kept, too.
                self.left.extend(filled.iter());
                thread.join().map_or(State::Lost, State::Idle)
            }
            other => other,
        };
    }
}

impl<S: Stream + 'static> Stream for Ahead<S> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        if let Some(batch) = self.left.pop_front() {
            *into = batch?;
            return Ok(true);
        }
        if self.is_over {
            return Ok(false);
        }
        if let State::Idle(_) = self.state
            && let State::Idle(stream) = mem::replace(&mut self.state, State::Lost)
        {
            self.state = State::Reading(self.start(stream)?);
        }
        let State::Reading(worker) = &self.state else {
            return Err(Error::other(format!("stream `{}` panicked before", self.name)));
        };
        match worker.filled.recv() {
            Ok(Ok(batch)) => {
                let old = mem::replace(into, batch);
                let _ = worker.free.try_send(old);
                Ok(true)
            }
            Ok(Err(error)) => {
                self.stop();
                Err(error)
            }
            Err(_) => {
                self.stop();
                if matches!(self.state, State::Lost) {
                    let text = format!("a thread ended: stream `{}` panicked", self.name);
                    return Err(Error::other(text));
                }
                self.is_over = true;
                Ok(false)
            }
        }
    }

    fn batches(&self) -> Option<usize> {
        match &self.state {
            State::Idle(stream) => stream.batches(),
            _ => self.batches,
        }
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        self.stop();
        let State::Idle(stream) = &mut self.state else { return Ok(false) };
        let restarted = stream.restart(pass)?;
        if restarted {
            self.forget();
        }
        Ok(restarted)
    }

    fn seek(&mut self, pass: u64, batch: u64) -> Result<bool> {
        self.stop();
        let State::Idle(stream) = &mut self.state else { return Ok(false) };
        let found = stream.seek(pass, batch)?;
        if found {
            self.forget();
        }
        Ok(found)
    }
}

impl<S> Drop for Ahead<S> {
    fn drop(&mut self) {
        if let State::Reading(Worker { filled, thread, .. }) =
            mem::replace(&mut self.state, State::Lost)
        {
            drop(filled);
            let _ = thread.join();
        }
    }
}

impl<S> fmt::Debug for Ahead<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead")
            .field("name", &self.name)
            .field("buffer_size", &self.buffer_size)
            .finish_non_exhaustive()
    }
}
