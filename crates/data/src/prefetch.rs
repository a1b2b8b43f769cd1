//! Batches that threads read ahead: [`Prefetch`].

use std::{
    fmt, mem,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{Builder, JoinHandle},
};

use crate::{
    Batch, Dataset, Error, Example, Loader, Result, Stream, error::at_least_one,
};

/// The batches of a [`Loader`], read ahead by threads, in its order.
///
/// Which thread reads which batch is fixed, so the batches are the same whatever their number.
/// At most `ahead` batches wait for each thread, besides the one it reads; their memory is used
/// again. The threads begin with the first batch and end when this is dropped.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Loader, Stream};
/// use deckle_tensor::Tensor;
///
/// let data = Arrays::of_inputs([Tensor::arange(0i64..5)])?;
/// let mut batches = Loader::new(data, 2)?.prefetch(2, 1)?;
/// let (mut batch, mut all) = (Batch::new(), Vec::new());
/// while batches.next_batch(&mut batch)? {
///     all.extend(batch.inputs[0].to_vec::<i64>()?);
/// }
/// assert_eq!(all, [0, 1, 2, 3, 4]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `workers` of `keras.utils.PyDataset`; `Dataset.prefetch` of `tf.data`.
pub struct Prefetch<D> {
    loader: Loader<D>,
    workers: Vec<Worker>,
    count: usize,
    ahead: usize,
    pass: u64,
    /// The batch that is next.
    batch: u64,
}

struct Worker {
    filled: Receiver<Result<Batch>>,
    free: SyncSender<Batch>,
    thread: JoinHandle<()>,
}

impl<D: Dataset + Clone + 'static> Loader<D> {
    /// Reads the batches ahead on `workers` threads, at most `ahead` for each.
    ///
    /// # Errors
    ///
    /// If either is 0.
    pub fn prefetch(self, workers: usize, ahead: usize) -> Result<Prefetch<D>> {
        let (pass, batch) = self.place();
        Ok(Prefetch {
            loader: self,
            workers: Vec::new(),
            count: at_least_one("prefetch", "workers", workers)?,
            ahead: at_least_one("prefetch", "ahead", ahead)?,
            pass,
            batch,
        })
    }
}

impl<D: Dataset + Clone + 'static> Prefetch<D> {
    fn start(&mut self) -> Result<()> {
        for first in 0..self.count as u64 {
            let (filled_sender, filled) = sync_channel(self.ahead);
            let (free, free_receiver) = sync_channel(self.ahead + 2);
            let mut loader = self.loader.clone();
            let (start, step) = ((self.pass, self.batch), self.count as u64);
            let work = move || {
                work(&mut loader, start, first, step, &filled_sender, &free_receiver);
            };
            let thread = Builder::new()
                .name(format!("deckle-data-{first}"))
                .spawn(work)
                .map_err(Error::other)?;
            self.workers.push(Worker { filled, free, thread });
        }
        Ok(())
    }
}

impl<D> Prefetch<D> {
    /// Ends the threads.
    fn stop(&mut self) {
        for Worker { filled, free, thread } in self.workers.drain(..) {
            // A thread that waits for either channel ends when it is gone.
            drop((filled, free));
            let _ = thread.join();
        }
    }
}

/// Reads the batches of every pass whose number leaves `first` when divided by `step`.
fn work<D: Dataset>(
    loader: &mut Loader<D>,
    (pass, start): (u64, u64),
    first: u64,
    step: u64,
    filled: &SyncSender<Result<Batch>>,
    free: &Receiver<Batch>,
) {
    let count = loader.count() as u64;
    if first >= count {
        // More threads than batches.
        return;
    }
    // The first of this thread's batches that is not before the start.
    let mut next = start + (first + step - start % step) % step;
    for pass in pass.. {
        while next < count {
            let mut batch = free.try_recv().unwrap_or_default();
            let read =
                loader.seek(pass, next).and_then(|_| loader.next_batch(&mut batch));
            let failed = read.is_err();
            if filled.send(read.map(|_| batch)).is_err() || failed {
                return;
            }
            next += step;
        }
        next = first;
    }
}

impl<D: Dataset + Clone + 'static> Stream for Prefetch<D> {
    fn name(&self) -> String {
        self.loader.name()
    }

    fn example(&self) -> &Example {
        self.loader.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> Result<bool> {
        if self.batch >= self.loader.count() as u64 {
            return Ok(false);
        }
        if self.workers.is_empty() {
            self.start()?;
        }
        let worker = &self.workers[(self.batch % self.count as u64) as usize];
        match worker.filled.recv() {
            Ok(Ok(batch)) => {
                let old = mem::replace(into, batch);
                // A thread that is gone needs no memory.
                let _ = worker.free.try_send(old);
                self.batch += 1;
                Ok(true)
            }
            Ok(Err(error)) => {
                // Reading again begins at this batch.
                self.stop();
                Err(error)
            }
            Err(_) => {
                self.stop();
                Err(Error::other(
                    "a thread that reads batches ended: the data set panicked",
                ))
            }
        }
    }

    fn batches(&self) -> Option<usize> {
        self.loader.batches()
    }

    fn restart(&mut self, pass: u64) -> Result<bool> {
        self.seek(pass, 0)
    }

    fn seek(&mut self, pass: u64, batch: u64) -> Result<bool> {
        let count = self.loader.count() as u64;
        if batch > count {
            return Ok(false);
        }
        // From the end of a pass, the threads have gone on to the next by themselves.
        let is_next = self.batch == count && (pass, batch) == (self.pass + 1, 0);
        if !is_next && (pass, batch) != (self.pass, self.batch) {
            self.stop();
        }
        (self.pass, self.batch) = (pass, batch);
        Ok(true)
    }
}

impl<D> Drop for Prefetch<D> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<D: Dataset> fmt::Debug for Prefetch<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetch")
            .field("loader", &self.loader)
            .field("workers", &self.count)
            .field("ahead", &self.ahead)
            .field("pass", &self.pass)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use deckle_tensor::{DType, Spec, Tensor};

    use super::*;
    use crate::Arrays;

    fn loader(batch_size: usize) -> Loader<Arrays> {
        let data = Arrays::of_inputs([Tensor::arange(0i64..23)]).unwrap();
        Loader::new(data, batch_size).unwrap().shuffle(5)
    }

    fn pass(stream: &mut dyn Stream, pass: u64) -> Vec<Vec<i64>> {
        assert!(stream.restart(pass).unwrap());
        rest(stream)
    }

    fn rest(stream: &mut dyn Stream) -> Vec<Vec<i64>> {
        let (mut batch, mut all) = (Batch::new(), Vec::new());
        while stream.next_batch(&mut batch).unwrap() {
            all.push(batch.inputs[0].to_vec().unwrap());
        }
        assert!(!stream.next_batch(&mut batch).unwrap());
        all
    }

    #[test]
    fn batches_do_not_depend_on_the_number_of_threads() {
        for batch_size in [1, 4, 23, 50] {
            let mut plain = loader(batch_size);
            let expected: Vec<_> =
                (0..3).map(|number| pass(&mut plain, number)).collect();
            for workers in 1..5 {
                let mut ahead = loader(batch_size).prefetch(workers, 2).unwrap();
                let got: Vec<_> = (0..3).map(|number| pass(&mut ahead, number)).collect();
                assert_eq!(got, expected, "{workers} threads");
            }
        }
    }

    #[test]
    fn every_position_can_be_gone_to() {
        let mut plain = loader(4);
        let expected = [1, 2].map(|number| pass(&mut plain, number));
        let mut ahead = loader(4).prefetch(3, 1).unwrap();
        for batch in [5, 0, 3, 6, 1] {
            assert!(ahead.seek(1, batch).unwrap());
            assert_eq!(rest(&mut ahead), expected[0][batch as usize..]);
            assert_eq!(pass(&mut ahead, 2), expected[1]);
        }
        assert!(!ahead.seek(0, 7).unwrap());
        let mut late = loader(4);
        assert!(late.seek(2, 5).unwrap());
        assert_eq!(rest(&mut late.prefetch(2, 1).unwrap()), expected[1][5..]);
        assert!(loader(4).prefetch(0, 1).is_err());
        assert!(loader(4).prefetch(1, 0).is_err());
    }

    #[test]
    fn memory_is_used_again() {
        let mut ahead = loader(1).prefetch(2, 2).unwrap();
        let (mut batch, mut places) = (Batch::new(), BTreeSet::new());
        for pass in 0..20 {
            assert!(ahead.restart(pass).unwrap());
            while ahead.next_batch(&mut batch).unwrap() {
                places.insert(batch.inputs[0].as_bytes().unwrap().as_ptr() as usize);
            }
        }
        // Of each thread: two that wait, one that it reads, and as many that come back.
        assert!(places.len() <= 14, "{} batches", places.len());
    }

    /// Cannot read one of its examples.
    #[derive(Clone)]
    struct Torn(Example, bool);

    impl Dataset for Torn {
        fn len(&self) -> usize {
            6
        }

        fn example(&self) -> &Example {
            &self.0
        }

        fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
            if indices.contains(&3) {
                assert!(!self.1, "a data set that panics");
                return Err(Error::other("example 3 is torn"));
            }
            into.prepare(&self.0, indices.len());
            Ok(())
        }
    }

    #[test]
    fn an_error_comes_where_its_batch_would() {
        let example = Example::new().input("x0", Spec::scalar(DType::F32));
        for panics in [false, true] {
            let torn = Torn(example.clone(), panics);
            let mut ahead = Loader::new(torn, 1).unwrap().prefetch(2, 3).unwrap();
            let mut batch = Batch::new();
            for _ in 0..3 {
                assert!(ahead.next_batch(&mut batch).unwrap());
            }
            for _ in 0..2 {
                let error = ahead.next_batch(&mut batch).unwrap_err().to_string();
                assert_eq!(error.contains("torn"), !panics, "{error}");
            }
            assert!(ahead.seek(0, 4).unwrap());
            assert!(ahead.next_batch(&mut batch).unwrap());
        }
    }
}
