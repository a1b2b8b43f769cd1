//! Training that survives an interruption: [`BackupAndRestore`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    model_checkpoint::make_folder,
    save_freq::{SaveFreq, Since},
};
use crate::{Callback, Context, Logs, Result, State, checkpoint};

/// Writes checkpoints, and goes on from the last one when training begins.
///
/// A checkpoint is one file with all that decides how training goes on: weights, the
/// optimizer's state, positions of random numbers and data, metrics, callbacks, history. `fit`
/// that was interrupted at any moment and is called again in the same way ends with the same
/// bits as without the interruption. What is there is replaced only by a complete new file.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Compile, Fit, Trainable, callbacks::BackupAndRestore};
///
/// # let folder = std::env::temp_dir().join(format!("deckle-backup-{}", std::process::id()));
/// let x = Tensor::full([8, 2], 1.0f32);
/// let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
/// let backup = || BackupAndRestore::new(&folder).delete_checkpoint(false);
/// let fit = |epochs| -> Result<_, deckle_train::Error> {
///     let model = Sequential::new([2]).add(Dense::new(1)).build()?;
///     let mut trainer = model.compile(Compile::named("adam", "mse")?)?;
///     trainer.fit(&data, Fit::new().epochs(epochs).verbose(0).callback(backup()))
/// };
/// fit(2)?;
/// // Another process: epochs 0 and 1 are not trained again.
/// assert_eq!(fit(3)?.epochs(), [0, 1, 2]);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `keras.callbacks.BackupAndRestore`, which goes on from weights and epoch alone.
#[derive(Clone, Debug)]
pub struct BackupAndRestore {
    path: PathBuf,
    /// The folder that was made for the file.
    folder: Option<PathBuf>,
    save_freq: SaveFreq,
    delete_checkpoint: bool,
    resume: bool,
    since: Since,
}

/// What a checkpoint keeps.
#[derive(Serialize, Deserialize)]
struct Now {
    since: Since,
}

impl BackupAndRestore {
    /// Keeps its checkpoint in that folder, which is made; deletes both after training.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let folder_made = Some(folder.to_path_buf());
        Self { folder: folder_made, ..Self::file(folder.join("latest.checkpoint")) }
    }

    /// Keeps its checkpoint in that file; deletes it after training.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_path_buf(),
            folder: None,
            save_freq: SaveFreq::Epoch,
            delete_checkpoint: true,
            resume: true,
            since: Since::default(),
        }
    }

    /// Sets how often a checkpoint is written: after every epoch by default, or every so many
    /// batches.
    #[must_use]
    pub fn save_freq(mut self, freq: impl Into<SaveFreq>) -> Self {
        self.save_freq = freq.into();
        self
    }

    /// Sets whether the checkpoint is deleted when training has ended; true by default.
    #[must_use]
    pub fn delete_checkpoint(mut self, delete: bool) -> Self {
        self.delete_checkpoint = delete;
        self
    }

    /// Sets whether training goes on from a checkpoint that is there; true by default. Else it
    /// begins anew.
    #[must_use]
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Callback for BackupAndRestore {
    fn name(&self) -> &'static str {
        "BackupAndRestore"
    }

    fn resume_from(&self) -> Result<Option<PathBuf>> {
        Ok((self.resume && self.path.exists()).then(|| self.path.clone()))
    }

    fn on_train_begin(&mut self, _: &mut Context<'_>) -> Result<()> {
        self.save_freq.check("save_freq")?;
        self.since = Since::default();
        if let Some(folder) = &self.folder {
            make_folder(folder)?;
        }
        checkpoint::check_writable(&self.path)
    }

    fn on_train_batch_end(&mut self, _: usize, context: &mut Context<'_>) -> Result<()> {
        if self.since.batch(self.save_freq) {
            context.write_checkpoint(&self.path);
        }
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        _: usize,
        _: &mut Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        if self.save_freq == SaveFreq::Epoch {
            context.write_checkpoint(&self.path);
        }
        Ok(())
    }

    fn on_train_end(&mut self, _: &mut Context<'_>) -> Result<()> {
        if !self.delete_checkpoint {
            return Ok(());
        }
        let fail = |error| deckle_tensor::Error::io(self.path.display(), error);
        if self.path.exists() {
            std::fs::remove_file(&self.path).map_err(fail)?;
        }
        if let Some(folder) = &self.folder {
            // Whatever else is in it stays.
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }

    fn state(&self) -> Result<State> {
        State::of(&Now { since: self.since })
    }

    fn restore(&mut self, state: &State, _: &mut Context<'_>) -> Result<()> {
        self.since = state.value::<Now>()?.since;
        Ok(())
    }
}
