//! Saving the model while it is trained: [`ModelCheckpoint`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    monitor::{Monitor, monitor_setters},
    path_template::{Number, PathTemplate},
    save_freq::{SaveFreq, Since},
};
use crate::{Callback, Context, Error, Logs, Result, State};

/// Saves the model, or its weights, at epochs or batches: always, or when it is the best so far.
///
/// The file's name may hold the epoch, counted from 1, and values of the logs, as Python formats
/// them: `{epoch:02d}-{val_loss:.2f}.keras`. Folders are made.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Compile, Fit, Trainable, callbacks::ModelCheckpoint, load};
///
/// # let folder = std::env::temp_dir().join(format!("deckle-model-checkpoint-{}", std::process::id()));
/// let x = Tensor::zeros(DType::F32, [8, 2]);
/// let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
/// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
/// let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
/// let save = ModelCheckpoint::new(folder.join("{epoch:02d}-{loss:.2f}.keras"));
/// trainer.fit(&data, Fit::new().epochs(2).verbose(0).callback(save))?;
/// assert_eq!(load(folder.join("02-0.00.keras"))?.model.count_params(), 3);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `keras.callbacks.ModelCheckpoint`, with the same defaults; `.weights.h5` holds the
/// optimizer's state too. In an epoch without the monitored value, `save_best_only` saves
/// nothing.
#[derive(Clone, Debug)]
pub struct ModelCheckpoint {
    path: PathBuf,
    template: Option<PathTemplate>,
    monitor: Monitor,
    save_best_only: bool,
    save_weights_only: bool,
    save_freq: SaveFreq,
    verbose: bool,
    now: Now,
}

/// What changes while it watches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Now {
    best: Option<f64>,
    since: Since,
    saved: Option<PathBuf>,
}

impl ModelCheckpoint {
    /// Saves the whole model after each epoch.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_path_buf(),
            template: None,
            monitor: Monitor::new("val_loss", 0.0),
            save_best_only: false,
            save_weights_only: false,
            save_freq: SaveFreq::Epoch,
            verbose: false,
            now: Now::default(),
        }
    }

    monitor_setters!();

    /// Sets whether only a model that is better than all before is saved; false by default.
    #[must_use]
    pub fn save_best_only(mut self, only: bool) -> Self {
        self.save_best_only = only;
        self
    }

    /// Sets whether the weights alone are saved, as `.weights.h5` or `.safetensors`; false by
    /// default.
    #[must_use]
    pub fn save_weights_only(mut self, only: bool) -> Self {
        self.save_weights_only = only;
        self
    }

    /// Sets how often it saves: after every epoch by default, or every so many batches.
    #[must_use]
    pub fn save_freq(mut self, freq: impl Into<SaveFreq>) -> Self {
        self.save_freq = freq.into();
        self
    }

    /// Sets the value that has to be beaten first; none by default.
    #[must_use]
    pub fn initial_value_threshold(mut self, value: f64) -> Self {
        self.now.best = Some(value);
        self
    }

    /// Sets whether it says what it does; false by default.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// The best value so far.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.now.best
    }

    /// The file that was written last.
    #[must_use]
    pub fn saved(&self) -> Option<&Path> {
        self.now.saved.as_deref()
    }

    fn check(&self, context: &Context<'_>) -> Result<PathTemplate> {
        self.save_freq.check("save_freq")?;
        let path = self.path.to_str().ok_or_else(|| {
            Error::invalid("the file name cannot be filled in", "a name of Unicode")
                .got(self.path.display())
        })?;
        let (endings, wanted): (&[&str], _) = match self.save_weights_only {
            true => (&[".weights.h5", ".safetensors"], "weights alone"),
            false => (&[".keras", ".h5"], "a whole model"),
        };
        if !endings.iter().any(|ending| path.ends_with(ending)) {
            return Err(Error::invalid(
                format_args!("the file cannot hold {wanted}"),
                format_args!("a name that ends in {}", endings.join(" or ")),
            )
            .got(format_args!("`{path}`")));
        }
        let template: PathTemplate = path.parse()?;
        let by_batch = self.save_freq != SaveFreq::Epoch;
        let known = |name: &str| match name {
            "epoch" => true,
            "batch" => by_batch,
            _ => {
                let is_there = context.names().iter().any(|known| known == name);
                is_there && !(by_batch && name.starts_with("val_"))
            }
        };
        if let Some(name) = template.fields().find(|name| !known(name)) {
            let names: Vec<_> =
                context.names().iter().map(|name| format!("`{name}`")).collect();
            return Err(Error::invalid(
                format_args!("the file name `{path}` cannot be filled in"),
                format_args!("`epoch` and values of the logs: {}", names.join(", ")),
            )
            .got(format_args!("`{name}`")));
        }
        Ok(template)
    }

    /// Saves the model, if it is to be saved.
    fn save(
        &mut self,
        batch: Option<usize>,
        logs: &Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let Some(template) = &self.template else { return Ok(()) };
        let epoch = context.epoch() + 1;
        let path = PathBuf::from(template.fill(|name| match name {
            "epoch" => Some(Number::Whole(epoch)),
            "batch" => batch.map(|batch| Number::Whole(batch + 1)),
            name => logs.get(name).map(Number::Real),
        })?);
        let mut best = self.now.best;
        if self.save_best_only {
            let (name, known) = (&self.monitor.name, best);
            let Some(current) = self.monitor.value(logs) else { return Ok(()) };
            let than = known.map_or("None".to_owned(), |best| format!("{best:.5}"));
            if !self.monitor.is_better(current, known) {
                if self.verbose {
                    context.print(format!(
                        "Epoch {epoch}: {name} did not improve from {than}"
                    ));
                }
                return Ok(());
            }
            best = Some(current);
            if self.verbose {
                context.print(format!(
                    "Epoch {epoch}: {name} improved from {than} to {current:.5}, saving model \
                     to {}",
                    path.display()
                ));
            }
        } else if self.verbose {
            context.print(format!("Epoch {epoch}: saving model to {}", path.display()));
        }
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        match self.save_weights_only {
            true => context.save_weights(&path)?,
            false => context.save(&path)?,
        }
        self.now.best = best;
        self.now.saved = Some(path);
        Ok(())
    }
}

/// Makes a folder, and those that it is in.
pub(super) fn make_folder(folder: &Path) -> Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| deckle_tensor::Error::io(folder.display(), error).into())
}

impl Callback for ModelCheckpoint {
    fn name(&self) -> &'static str {
        "ModelCheckpoint"
    }

    fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        self.template = Some(self.check(context)?);
        if self.save_best_only {
            self.monitor.resolve(context)?;
        }
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        _: usize,
        logs: &mut Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        match self.save_freq {
            SaveFreq::Epoch => self.save(None, logs, context),
            SaveFreq::Batches(_) => Ok(()),
        }
    }

    fn on_train_batch_end(
        &mut self,
        batch: usize,
        context: &mut Context<'_>,
    ) -> Result<()> {
        if !self.now.since.batch(self.save_freq) {
            return Ok(());
        }
        let logs = context.logs()?.clone();
        self.save(Some(batch), &logs, context)
    }

    fn state(&self) -> Result<State> {
        State::of(&self.now)
    }

    fn restore(&mut self, state: &State, _: &mut Context<'_>) -> Result<()> {
        self.now = state.value()?;
        Ok(())
    }
}
