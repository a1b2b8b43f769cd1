//! The loop of `fit` and `evaluate`: [`Run`], and what of [`Trainer`] goes through data.

use std::path::PathBuf;

use deckle_tensor::Tensor;

use crate::{
    Callback, Context, Error, Evaluate, Fit, History, Logs, Result, Source, Trainer,
    Verbose,
    checkpoint::{Checkpoint, Position},
    class_weight::ClassWeights,
    feed::{Feed, batch_size, empty},
    fit::ValidationFreq,
    progress::Progress,
    step::Mode,
};

/// What is going on in a run of `fit` or `evaluate`.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) epochs: usize,
    pub(crate) steps: Option<usize>,
    pub(crate) epoch: usize,
    /// The loss of the last step.
    pub(crate) loss: f32,
    pub(crate) stop: bool,
    pub(crate) is_resumed: bool,
    /// Loss and metrics so far, if they were read since the last step.
    pub(crate) logs: Option<Logs>,
    pub(crate) history: History,
    /// The names of the values in the logs.
    pub(crate) names: Vec<String>,
    pub(crate) messages: Vec<String>,
    /// Where a checkpoint is to be written.
    pub(crate) checkpoint: Option<PathBuf>,
}

impl Run {
    pub(crate) fn new(epochs: usize, steps: Option<usize>, names: Vec<String>) -> Self {
        Self {
            epochs,
            steps,
            epoch: 0,
            loss: f32::NAN,
            stop: false,
            is_resumed: false,
            logs: None,
            history: History::default(),
            names,
            messages: Vec::new(),
            checkpoint: None,
        }
    }
}

/// The callbacks of a run.
pub(crate) struct Callbacks<'a>(pub(crate) Vec<Box<dyn Callback + 'a>>);

impl Callbacks<'_> {
    /// Calls a hook of each.
    fn each(
        &mut self,
        trainer: &mut Trainer,
        run: &mut Run,
        mut hook: impl FnMut(&mut dyn Callback, &mut Context<'_>) -> Result<()>,
    ) -> Result<()> {
        for callback in &mut self.0 {
            let mut context = Context { trainer: &mut *trainer, run: &mut *run };
            hook(&mut **callback, &mut context)
                .map_err(|error| error.in_callback(callback.name()))?;
        }
        Ok(())
    }

    /// The checkpoint to resume from.
    fn resume_from(&self) -> Result<Option<PathBuf>> {
        for callback in &self.0 {
            let path = callback.resume_from();
            if let Some(path) = path.map_err(|e| e.in_callback(callback.name()))? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }
}

/// The data of a run of `fit`.
struct Feeds<'a> {
    train: Feed<'a>,
    held_out: Option<Feed<'a>>,
    /// The training data in order, if they are measured after each epoch.
    again: Option<Feed<'a>>,
}

impl Trainer {
    /// Trains the model on a data set, `&data`, or a stream, `&mut stream`.
    ///
    /// # Errors
    ///
    /// If the data are empty or do not fit the model, a setting makes no sense, a callback
    /// fails, or the loss becomes NaN or infinite; the weights are then those from before that
    /// batch.
    pub fn fit<'a>(
        &mut self,
        data: impl Into<Source<'a>>,
        fit: Fit<'a>,
    ) -> Result<History> {
        self.fit_source(data.into(), fit)
    }

    fn fit_source<'a>(&mut self, data: Source<'a>, mut fit: Fit<'a>) -> Result<History> {
        check(&fit)?;
        let mut callbacks = Callbacks(std::mem::take(&mut fit.callbacks));
        let seed = fit.seed.unwrap_or(self.model().seed());
        let (class, sample) = (fit.class_weight, fit.sample_weight);
        let validation_data = fit.validation_data.take();
        let is_apart = validation_data.is_some();
        let mut feeds = self.feeds(data, validation_data, &fit, seed)?;
        feeds.train.check_order(self.model())?;
        if let Some(held_out) = feeds.held_out.as_ref().filter(|_| is_apart) {
            self.try_out(held_out).map_err(Error::in_validation)?;
        }
        let steps = fit.steps_per_epoch.or(feeds.train.batches());
        let mut names = self.names();
        if feeds.held_out.is_some() {
            let validation: Vec<_> =
                names.iter().map(|name| format!("val_{name}")).collect();
            names.extend(validation);
        }
        for name in callbacks.0.iter().flat_map(Callback::adds) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let mut run = Run::new(fit.epochs, steps, names);
        let settings = settings(&fit, seed, class, sample, &feeds);
        let resumed = callbacks.resume_from()?;
        let resumed = resumed.map(|path| Checkpoint::read(&path)).transpose()?;
        run.is_resumed = resumed.is_some();
        self.set_seed(seed)?;
        let mut position = Position { epoch: fit.initial_epoch, ..Position::default() };
        if let Some(checkpoint) = &resumed {
            position = checkpoint.restore(self, &mut run, &settings, &callbacks)?;
            if position.epoch < fit.epochs && !run.stop {
                let next = position.pass.unwrap_or(position.passes);
                feeds.train.seek(next, position.read)?;
                if let Some(held_out) = &mut feeds.held_out {
                    held_out.seek(position.epoch as u64, 0)?;
                }
            }
            feeds.train.pass = position.pass;
        } else if self.is_averaged() {
            self.use_averages(false)?;
        }
        callbacks
            .each(self, &mut run, |callback, context| callback.on_train_begin(context))?;
        if let Some(checkpoint) = &resumed {
            let mut states = checkpoint.states();
            callbacks.each(self, &mut run, |callback, context| {
                match states.take(callback.name()) {
                    Some(state) => callback.restore(&state, context),
                    None => Ok(()),
                }
            })?;
        }
        let mut progress = Progress::new(fit.verbose, Some(fit.epochs));
        progress.lines(&mut run.messages);
        let mut at = position.batch;
        for epoch in position.epoch..fit.epochs {
            if run.stop && at == 0 {
                break;
            }
            run.epoch = epoch;
            let more = self.epoch(
                &mut feeds,
                &fit,
                &mut callbacks,
                &mut run,
                at,
                &mut progress,
                &settings,
            )?;
            at = 0;
            if !more {
                break;
            }
        }
        self.finalize()?;
        callbacks
            .each(self, &mut run, |callback, context| callback.on_train_end(context))?;
        progress.lines(&mut run.messages);
        Ok(run.history)
    }

    /// Training data, validation data, and the training data once more if they are measured.
    fn feeds<'a>(
        &self,
        data: Source<'a>,
        validation_data: Option<Source<'a>>,
        fit: &Fit<'a>,
        seed: u64,
    ) -> Result<Feeds<'a>> {
        let class = || {
            let weights = fit.class_weight;
            let outputs: Vec<_> =
                self.model().outputs().map(|(_, shape)| shape).collect();
            weights.map(|weights| ClassWeights::new(weights, &outputs)).transpose()
        };
        let shuffled = fit.shuffle.then_some(seed);
        let validation_size = fit.validation_batch_size.or(fit.batch_size);
        let device = self.model().group().device();
        let data = match data {
            Source::Dataset(data) => data,
            Source::Stream(stream) => {
                let problem = match (fit.validation_split, fit.exact_metrics) {
                    (Some(_), _) if validation_data.is_none() => Some("validation_split"),
                    (_, true) => Some("exact_metrics"),
                    _ => None,
                };
                if let Some(problem) = problem {
                    return Err(Error::invalid(problem, "a data set")
                        .got(format_args!("stream `{}`", stream.name())));
                }
                let train = Feed::streamed(stream).weigh(class()?, fit.sample_weight)?;
                let held_out = validation_data.map(|data| {
                    Feed::all(data, validation_size, fit.validation_steps)
                        .map_err(Error::in_validation)
                });
                let held_out = held_out.transpose()?.map(|feed| feed.on(&device));
                return Ok(Feeds { train, held_out, again: None });
            }
        };
        if data.is_empty() {
            return Err(empty());
        }
        let mut train = 0..data.len();
        let mut split = None;
        if let (Some(fraction), None) = (fit.validation_split, &validation_data) {
            train.end = deckle_data::split_at(data.len(), fraction)?;
            split = Some(train.end..data.len());
        }
        let size = batch_size(fit.batch_size, fit.steps_per_epoch, train.len());
        let held_out = match (split, validation_data) {
            (Some(range), _) => {
                let size = batch_size(validation_size, fit.validation_steps, range.len());
                let feed = Feed::indexed(data, range, size, None)?.on(&device);
                Some(feed.weigh(None, fit.sample_weight)?)
            }
            (None, Some(data)) => Some(
                Feed::all(data, validation_size, fit.validation_steps)
                    .map_err(Error::in_validation)?
                    .on(&device),
            ),
            (None, None) => None,
        };
        let feed = |seed| -> Result<_> {
            Feed::indexed(data, train.clone(), size, seed)?
                .on(&device)
                .weigh(class()?, fit.sample_weight)
        };
        let again = fit.exact_metrics.then(|| feed(None)).transpose()?;
        Ok(Feeds { train: feed(shuffled)?.for_training(), held_out, again })
    }

    /// Fails if data do not fit that are needed only when an epoch has been trained.
    fn try_out(&mut self, feed: &Feed<'_>) -> Result<()> {
        feed.check_order(self.model())?;
        match feed.blank() {
            Some(batch) => self.fits(Mode::Evaluate, &batch),
            None => Ok(()),
        }
    }

    /// Trains one epoch, from a batch on; says whether there are data for another one.
    #[expect(clippy::too_many_arguments, reason = "the loop of `fit`, cut in two")]
    fn epoch(
        &mut self,
        feeds: &mut Feeds<'_>,
        fit: &Fit<'_>,
        callbacks: &mut Callbacks<'_>,
        run: &mut Run,
        from: usize,
        progress: &mut Progress,
        settings: &[(String, String)],
    ) -> Result<bool> {
        let epoch = run.epoch;
        // The epoch's last batch was trained on before the interruption.
        let is_done = from > 0 && run.stop;
        let train = &mut feeds.train;
        if from == 0 {
            self.reset()?;
            run.logs = None;
            if train.pass.is_none() {
                // Without a fixed number of steps, an epoch is a pass and keys its shuffle.
                let key = match fit.steps_per_epoch {
                    None => self.passes.max(epoch as u64),
                    Some(_) => self.passes,
                };
                if !train.begin(key)? {
                    run.messages.push(ran_out(train));
                    progress.lines(&mut run.messages);
                    return Ok(false);
                }
            }
            callbacks.each(self, run, |c, context| c.on_epoch_begin(epoch, context))?;
        }
        progress.begin(epoch, run.steps);
        progress.lines(&mut run.messages);
        let (mut at, mut is_over, mut broken) = (from, false, None);
        while !is_done && fit.steps_per_epoch.is_none_or(|steps| at < steps) {
            if !train.advance()? {
                // The pass may have ended with the last epoch's steps.
                if at == 0 && train.read > 0 && fit.steps_per_epoch.is_some() {
                    self.passes = train.pass.map_or(self.passes, |pass| pass + 1);
                    if train.begin(self.passes)? {
                        continue;
                    }
                    run.messages.push(ran_out(train));
                    progress.lines(&mut run.messages);
                    return Ok(false);
                }
                is_over = true;
                break;
            }
            callbacks
                .each(self, run, |c, context| c.on_train_batch_begin(at, context))?;
            let (loss, finite) = match fit.debug {
                true => self.debug_step(train.batch(), epoch, at)?,
                false => self.run(Mode::Train, train.batch())?,
            };
            (run.loss, run.logs) = (loss, None);
            if !finite {
                callbacks.each(self, run, |c, context| c.on_not_finite(at, context))?;
                if !run.stop {
                    let (epoch, batch) = (epoch + 1, at + 1);
                    return Err(Error::NotFinite { loss, epoch, batch });
                }
                broken = Some(f64::from(loss));
                break;
            }
            callbacks.each(self, run, |c, context| c.on_train_batch_end(at, context))?;
            at += 1;
            if run.checkpoint.is_some() {
                let position =
                    Position { epoch, batch: at, ..train_position(train, self) };
                self.write_checkpoint(run, callbacks, settings, position)?;
            }
            if progress.is_due(at) {
                progress.show(&self.logs()?);
            }
            if !run.messages.is_empty() {
                progress.lines(&mut run.messages);
            }
            if run.stop {
                break;
            }
        }
        if at == 0 && is_over {
            return Err(empty());
        }
        let mut logs = match &mut feeds.again {
            Some(again) => self.measure(again, None, None, run, None)?,
            None => self.logs()?,
        };
        if let Some(loss) = broken {
            logs.set("loss", loss);
        }
        if let Some(held_out) = &mut feeds.held_out
            && fit.validation_freq.includes(epoch)
        {
            let callbacks = Some(&mut *callbacks);
            let measured = self
                .measure(held_out, fit.validation_steps, callbacks, run, None)
                .map_err(Error::in_validation)?;
            logs.extend(measured.prefixed("val_"));
        }
        callbacks
            .each(self, run, |c, context| c.on_epoch_end(epoch, &mut logs, context))?;
        progress.end(epoch, &logs);
        run.history.push(epoch, &logs);
        // A pass ends with its data; without a fixed number of steps, with its epoch too.
        let all_read = feeds.train.batches().is_some_and(|all| feeds.train.read >= all);
        if fit.steps_per_epoch.is_none() || is_over || all_read {
            if let Some(pass) = feeds.train.pass.take() {
                self.passes = pass + 1;
            }
            if is_over && fit.steps_per_epoch.is_some_and(|steps| at < steps) {
                run.messages.push(ran_out(&feeds.train));
            }
        }
        if run.checkpoint.is_some() {
            let next = train_position(&feeds.train, self);
            let position = Position { epoch: epoch + 1, batch: 0, ..next };
            self.write_checkpoint(run, callbacks, settings, position)?;
        }
        progress.lines(&mut run.messages);
        Ok(true)
    }

    fn write_checkpoint(
        &self,
        run: &mut Run,
        callbacks: &Callbacks<'_>,
        settings: &[(String, String)],
        position: Position,
    ) -> Result<()> {
        match run.checkpoint.take() {
            Some(path) => {
                Checkpoint::of(self, run, settings, callbacks, position)?.write(&path)
            }
            None => Ok(()),
        }
    }

    /// The loss and the metrics of a data set or stream, with Keras's defaults.
    ///
    /// # Errors
    ///
    /// If the data are empty or do not fit the model.
    pub fn evaluate<'a>(&mut self, data: impl Into<Source<'a>>) -> Result<Logs> {
        self.evaluate_with(data, Evaluate::new())
    }

    /// The loss and the metrics of a data set or stream.
    ///
    /// # Errors
    ///
    /// If the data are empty or do not fit the model, or a callback fails.
    pub fn evaluate_with<'a>(
        &mut self,
        data: impl Into<Source<'a>>,
        evaluate: Evaluate<'a>,
    ) -> Result<Logs> {
        check_count("steps", evaluate.steps)?;
        let device = self.model().group().device();
        let mut feed =
            Feed::all(data.into(), evaluate.batch_size, evaluate.steps)?.on(&device);
        feed.check_order(self.model())?;
        let mut callbacks = Callbacks(evaluate.callbacks);
        let mut progress = Progress::new(evaluate.verbose, None);
        let steps = evaluate.steps.or(feed.batches());
        let mut run = Run::new(0, steps, self.names());
        progress.begin(0, steps);
        let (callbacks, shown) = (Some(&mut callbacks), Some(&mut progress));
        let logs = self.measure(&mut feed, evaluate.steps, callbacks, &mut run, shown)?;
        progress.end(0, &logs);
        if evaluate.verbose != Verbose::Silent || !run.messages.is_empty() {
            progress.lines(&mut run.messages);
        }
        Ok(logs)
    }

    /// Loss and metrics of data, with the current weights.
    fn measure(
        &mut self,
        feed: &mut Feed<'_>,
        steps: Option<usize>,
        callbacks: Option<&mut Callbacks<'_>>,
        run: &mut Run,
        mut progress: Option<&mut Progress>,
    ) -> Result<Logs> {
        let mut none = Callbacks(Vec::new());
        let callbacks = callbacks.unwrap_or(&mut none);
        self.reset()?;
        run.logs = None;
        // A stream that has one pass only goes on in it, as long as steps are counted.
        if !feed.begin(run.epoch as u64)? && steps.is_none() {
            let error = Error::invalid(ran_out(feed), "a stream that can begin again");
            return Err(error.got("one that cannot").help("set validation_steps"));
        }
        callbacks.each(self, run, |c, context| c.on_test_begin(context))?;
        let mut at = 0;
        while steps.is_none_or(|steps| at < steps) && feed.advance()? {
            callbacks.each(self, run, |c, context| c.on_test_batch_begin(at, context))?;
            self.run(Mode::Evaluate, feed.batch())?;
            run.logs = None;
            callbacks.each(self, run, |c, context| c.on_test_batch_end(at, context))?;
            at += 1;
            if let Some(progress) = progress.as_deref_mut()
                && progress.is_due(at)
            {
                progress.show(&self.logs()?);
            }
        }
        if at == 0 {
            return Err(empty());
        }
        let logs = self.logs()?;
        callbacks.each(self, run, |c, context| c.on_test_end(&logs, context))?;
        run.logs = None;
        Ok(logs)
    }
}

/// Fails where a setting makes no sense.
fn check(fit: &Fit<'_>) -> Result<()> {
    let counts = [
        ("epochs", Some(fit.epochs)),
        ("steps_per_epoch", fit.steps_per_epoch),
        ("validation_steps", fit.validation_steps),
        ("validation_batch_size", fit.validation_batch_size),
    ];
    for (setting, value) in counts {
        check_count(setting, value)?;
    }
    match &fit.validation_freq {
        ValidationFreq::Every(freq) => check_count("validation_freq", Some(*freq))?,
        ValidationFreq::Epochs(epochs) if epochs.contains(&0) => {
            return Err(Error::invalid("validation_freq", "epochs counted from 1")
                .got(format_args!("{epochs:?}")));
        }
        ValidationFreq::Epochs(_) => {}
    }
    if fit.initial_epoch > fit.epochs {
        return Err(Error::invalid(
            "initial_epoch",
            format_args!("at most {}, as training ends before that epoch", fit.epochs),
        )
        .got(fit.initial_epoch)
        .help("epochs is where training ends, not how many epochs follow"));
    }
    Ok(())
}

/// Fails where there is nothing to count.
fn check_count(setting: &str, value: Option<usize>) -> Result<()> {
    match value {
        Some(0) => Err(Error::invalid(setting, "1 or more").got(0)),
        _ => Ok(()),
    }
}

/// What has to be the same when training is resumed.
fn settings(
    fit: &Fit<'_>,
    seed: u64,
    class: Option<&[(i64, f64)]>,
    sample: Option<&Tensor>,
    feeds: &Feeds<'_>,
) -> Vec<(String, String)> {
    let held_out = feeds.held_out.as_ref().map(Feed::description);
    let sample = sample.map(|weights| {
        let values = weights.cast(deckle_tensor::DType::F32);
        crc32fast::hash(values.as_bytes().unwrap_or_default())
    });
    [
        ("data", feeds.train.description()),
        ("seed", seed.to_string()),
        ("shuffle", fit.shuffle.to_string()),
        ("steps_per_epoch", format!("{:?}", fit.steps_per_epoch)),
        ("class_weight", format!("{class:?}")),
        ("sample_weight", format!("{sample:x?}")),
        ("validation data", format!("{held_out:?}")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Where the training data are read.
const fn train_position(train: &Feed<'_>, trainer: &Trainer) -> Position {
    let (pass, read, passes) = (train.pass, train.read, trainer.passes);
    Position { epoch: 0, batch: 0, pass, read, passes }
}

fn ran_out(feed: &Feed<'_>) -> String {
    match feed.stream_name() {
        Some(name) => format!("stream `{name}` ran out of data"),
        None => "the data set ran out of batches before the epoch's steps were done"
            .to_owned(),
    }
}
