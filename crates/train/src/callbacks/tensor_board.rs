//! Training as TensorBoard shows it: [`TensorBoard`].

mod graph;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use deckle_formats::{
    Image,
    events::{EventFile, Histogram},
};
use deckle_nn::Model;
use deckle_tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::{SaveFreq, save_freq::Since};
use crate::{Callback, Context, History, Logs, Result, State};

/// Writes losses, metrics, the learning rate, weights and the graph of layers for TensorBoard.
///
/// Values of training go to the folder `train` of the log folder, those of validation to
/// `validation`; each file appears when it is first written to. `tensorboard --logdir logs`
/// shows them, also while they grow. Training that is resumed goes on in new files, which
/// TensorBoard shows as one with the old ones.
///
/// | tag                             | what, at which step                                      |
/// |---------------------------------|----------------------------------------------------------|
/// | `epoch_loss`, ...               | values of an epoch, at the epoch                         |
/// | `epoch_learning_rate`           | that of the next step, at the epoch                      |
/// | `batch_loss`, ...               | values so far, with [`update_freq`](Self::update_freq)   |
/// | `evaluation_loss_vs_iterations` | values of a validation, at the optimizer's steps         |
/// | `dense/kernel/histogram`        | a weight, with [`histogram_freq`](Self::histogram_freq)  |
/// | `dense/kernel/image`            | the same, with [`write_images`](Self::write_images)      |
///
/// It can also be told what to write without a training, by its methods named `write_...`.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Compile, Fit, Trainable, callbacks::TensorBoard};
///
/// let folder = std::env::temp_dir().join(format!("deckle-board-{}", std::process::id()));
/// let x = Tensor::zeros(DType::F32, [8, 2]);
/// let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
/// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
/// let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
/// let board = TensorBoard::new(&folder).histogram_freq(1).update_freq(1);
/// let fit = Fit::new().epochs(2).validation_split(0.25).verbose(0);
/// trainer.fit(&data, fit.callback(board))?;
/// assert_eq!(std::fs::read_dir(folder.join("train")).unwrap().count(), 1);
/// assert_eq!(std::fs::read_dir(folder.join("validation")).unwrap().count(), 1);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// `keras.callbacks.TensorBoard`, with its defaults, tags and steps. Profiles (see
/// `DECKLE_PROFILE`) and embeddings are not written.
#[derive(Debug)]
pub struct TensorBoard {
    log_dir: PathBuf,
    histogram_freq: usize,
    write_graph: bool,
    write_images: bool,
    write_steps_per_second: bool,
    update_freq: SaveFreq,
    train: Option<EventFile>,
    validation: Option<EventFile>,
    now: Now,
    /// When the epoch, or what is left of it after a resume, began, and after how many batches.
    epoch_began: (Instant, u64),
    batch_began: Instant,
}

/// What a checkpoint keeps.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Now {
    /// The number of batches trained on.
    batches: u64,
    since: Since,
}

/// As many images of one weight are written, at most.
const IMAGES: usize = 3;

impl TensorBoard {
    /// Writes to folders in that folder.
    #[must_use]
    pub fn new(log_dir: impl AsRef<Path>) -> Self {
        Self {
            log_dir: log_dir.as_ref().to_path_buf(),
            histogram_freq: 0,
            write_graph: true,
            write_images: false,
            write_steps_per_second: false,
            update_freq: SaveFreq::Epoch,
            train: None,
            validation: None,
            now: Now::default(),
            epoch_began: (Instant::now(), 0),
            batch_began: Instant::now(),
        }
    }

    /// Sets after how many epochs histograms of the weights are written; never (0) by default.
    #[must_use]
    pub const fn histogram_freq(mut self, epochs: usize) -> Self {
        self.histogram_freq = epochs;
        self
    }

    /// Sets whether the graph of the layers is written; true by default.
    #[must_use]
    pub const fn write_graph(mut self, write: bool) -> Self {
        self.write_graph = write;
        self
    }

    /// Sets whether weights are written as images too, where histograms are; false by default.
    #[must_use]
    pub const fn write_images(mut self, write: bool) -> Self {
        self.write_images = write;
        self
    }

    /// Sets whether steps per second are written, of epochs and, as `update_freq` has it, of
    /// batches; false by default.
    #[must_use]
    pub const fn write_steps_per_second(mut self, write: bool) -> Self {
        self.write_steps_per_second = write;
        self
    }

    /// Sets how often values are written: at the end of an epoch only, which is the default, or
    /// every so many batches besides. Each such time the device is read.
    #[must_use]
    pub fn update_freq(mut self, freq: impl Into<SaveFreq>) -> Self {
        self.update_freq = freq.into();
        self
    }

    /// The file of training, for events of your own.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn train(&mut self) -> Result<&mut EventFile> {
        opened(&mut self.train, || self.log_dir.join("train"))
    }

    /// The file of validation, for events of your own.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn validation(&mut self) -> Result<&mut EventFile> {
        opened(&mut self.validation, || self.log_dir.join("validation"))
    }

    /// Writes the values of an epoch: `loss` as `epoch_loss` of training, `val_loss` as
    /// `epoch_loss` of validation.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write_epoch(&mut self, epoch: usize, logs: &Logs) -> Result<()> {
        let step = epoch as i64;
        for (name, value) in logs.iter() {
            match name.strip_prefix("val_") {
                Some(name) => {
                    self.validation()?.scalar(&format!("epoch_{name}"), step, value)?;
                }
                None => self.train()?.scalar(&format!("epoch_{name}"), step, value)?,
            }
        }
        self.flush()
    }

    /// Writes the values of every epoch of a run, see [`TensorBoard::write_epoch`].
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write_history(&mut self, history: &History) -> Result<()> {
        history.rows().try_for_each(|(epoch, logs)| self.write_epoch(epoch, &logs))
    }

    /// Writes values after that many training steps: `loss` as `batch_loss`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write_batch(&mut self, step: u64, logs: &Logs) -> Result<()> {
        let (file, step) = (self.train()?, step as i64);
        for (name, value) in logs.iter() {
            file.scalar(&format!("batch_{name}"), step, value)?;
        }
        Ok(file.flush()?)
    }

    /// Writes the values of an evaluation after that many training steps: `loss` as
    /// `evaluation_loss_vs_iterations`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write_evaluation(&mut self, step: u64, logs: &Logs) -> Result<()> {
        let (file, step) = (self.validation()?, step as i64);
        for (name, value) in logs.iter() {
            file.scalar(&format!("evaluation_{name}_vs_iterations"), step, value)?;
        }
        Ok(file.flush()?)
    }

    /// Writes a histogram of each weight, as `dense/kernel/histogram`; with `as_images` also an
    /// image, or three.
    ///
    /// # Errors
    ///
    /// If the device cannot be read, or the file cannot be written.
    pub fn write_weights(
        &mut self,
        epoch: usize,
        model: &Model,
        as_images: bool,
    ) -> Result<()> {
        let (file, step) = (self.train()?, epoch as i64);
        for weight in model.weights() {
            let (name, value) = (weight.variable().name(), weight.variable().value()?);
            let numbers = value.cast(DType::F64).to_vec::<f64>()?;
            let buckets = Histogram::of(numbers, Histogram::BUCKETS);
            file.histogram(&format!("{name}/histogram"), step, &buckets)?;
            let images = if as_images { images(&value)? } else { Vec::new() };
            if !images.is_empty() {
                file.images(&format!("{name}/image"), step, &images)?;
            }
        }
        Ok(file.flush()?)
    }

    /// Writes the layers as the run's graph, and Keras's configuration of the model, which
    /// TensorBoard shows as its conceptual graph.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write_model(&mut self, model: &Model) -> Result<()> {
        let file = self.train()?;
        file.graph(&graph::nodes(model))?;
        // A model that Keras has no form for has still a graph.
        if let Ok(config) = model.config() {
            file.keras_model("keras", 0, &config.to_string())?;
        }
        Ok(file.flush()?)
    }

    /// Hands what was written to the operating system, for TensorBoard to find.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        for file in [&mut self.train, &mut self.validation].into_iter().flatten() {
            file.flush()?;
        }
        Ok(())
    }
}

impl Callback for TensorBoard {
    fn name(&self) -> &'static str {
        "TensorBoard"
    }

    fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        self.update_freq.check("update_freq")?;
        // Each run has files of its own, as in Keras.
        (self.train, self.validation) = (None, None);
        self.now = Now::default();
        self.epoch_began = (Instant::now(), 0);
        if self.write_graph && !context.is_resumed() {
            self.write_model(context.model())?;
        }
        Ok(())
    }

    fn on_epoch_begin(&mut self, _: usize, _: &mut Context<'_>) -> Result<()> {
        self.epoch_began = (Instant::now(), self.now.batches);
        Ok(())
    }

    fn on_train_batch_begin(&mut self, _: usize, _: &mut Context<'_>) -> Result<()> {
        self.batch_began = Instant::now();
        Ok(())
    }

    fn on_train_batch_end(&mut self, _: usize, context: &mut Context<'_>) -> Result<()> {
        self.now.batches += 1;
        if !self.now.since.batch(self.update_freq) {
            return Ok(());
        }
        let seconds = self.batch_began.elapsed().as_secs_f64();
        let mut logs = context.logs()?.clone();
        if self.write_steps_per_second {
            logs.set("steps_per_second", 1.0 / seconds);
        }
        self.write_batch(self.now.batches, &logs)
    }

    fn on_test_end(&mut self, logs: &Logs, context: &mut Context<'_>) -> Result<()> {
        let steps = context.trainer().optimizer().update_count()?;
        self.write_evaluation(steps, logs)
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let mut logs = logs.clone();
        logs.set("learning_rate", context.learning_rate()?);
        if self.write_steps_per_second {
            let (began, before) = self.epoch_began;
            let steps = (self.now.batches - before) as f64;
            logs.set("steps_per_second", steps / began.elapsed().as_secs_f64());
        }
        self.write_epoch(epoch, &logs)?;
        if self.histogram_freq > 0 && epoch.is_multiple_of(self.histogram_freq) {
            self.write_weights(epoch, context.model(), self.write_images)?;
        }
        Ok(())
    }

    fn on_train_end(&mut self, _: &mut Context<'_>) -> Result<()> {
        self.flush()?;
        (self.train, self.validation) = (None, None);
        Ok(())
    }

    fn state(&self) -> Result<State> {
        State::of(&self.now)
    }

    fn restore(&mut self, state: &State, _: &mut Context<'_>) -> Result<()> {
        self.now = state.value()?;
        self.epoch_began = (Instant::now(), self.now.batches);
        Ok(())
    }
}

/// The file, which is made when it is first asked for.
fn opened(
    file: &mut Option<EventFile>,
    folder: impl FnOnce() -> PathBuf,
) -> Result<&mut EventFile> {
    Ok(match file {
        Some(file) => file,
        None => file.insert(EventFile::create(folder())?),
    })
}

/// A weight as images, as Keras shows it: a plane on its side, filters one by one; none of what
/// cannot be shown.
fn images(weight: &Tensor) -> Result<Vec<Image>> {
    let plain = weight.squeeze(..)?;
    let all = match *plain.shape() {
        [len] => plain.reshape([1, len, 1, 1])?,
        [a, b] if a > b => plain.transpose().reshape([1, b, a, 1])?,
        [a, b] => plain.reshape([1, a, b, 1])?,
        [_, _, _] => plain.permute([2, 0, 1])?.expand_dims(-1)?,
        [_, _, _, 1 | 3 | 4] => plain,
        _ => return Ok(Vec::new()),
    };
    if all.size() == 0 {
        return Ok(Vec::new());
    }
    let count = all.shape()[0].min(IMAGES);
    let one = |i: usize| {
        let image = all.slice((i..i + 1,))?.squeeze([0])?;
        Ok(Image::from_tensor(&image)?)
    };
    (0..count).map(one).collect()
}

#[cfg(test)]
mod tests {
    use deckle_data::Arrays;
    use deckle_nn::{Sequential, layers::Dense};

    use super::*;
    use crate::{Compile, Fit, Trainable};

    /// How often the bytes of the folder's only file have that text.
    fn count(folder: &Path, text: &str) -> usize {
        let mut files = std::fs::read_dir(folder).unwrap();
        let bytes = std::fs::read(files.next().unwrap().unwrap().path()).unwrap();
        assert!(files.next().is_none(), "one file");
        bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
    }

    #[test]
    fn a_training_writes_each_tag_as_often_as_asked() -> Result<()> {
        let scratch = tempfile::TempDir::new().unwrap();
        let logs = scratch.path();
        let x = Tensor::full([8, 2], 1.0f32);
        let data = Arrays::new(x, Tensor::zeros(DType::F32, [8, 1]))?;
        let model = Sequential::new([2]).add(Dense::new(1)).build()?;
        let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
        // Three epochs of four batches.
        let fit = || Fit::new().epochs(3).batch_size(2).validation_data(&data).verbose(0);
        let board = TensorBoard::new(logs.join("a"))
            .update_freq(5)
            .histogram_freq(2)
            .write_steps_per_second(true);
        trainer.fit(&data, fit().callback(board))?;
        let train = logs.join("a/train");
        for (tag, expected) in [
            ("epoch_loss", 3),
            ("epoch_learning_rate", 3),
            ("epoch_steps_per_second", 3),
            ("batch_loss", 2),
            ("batch_steps_per_second", 2),
            ("dense/kernel/histogram", 2),
            ("/image", 0),
            ("graph_keras_model", 1),
        ] {
            assert_eq!(count(&train, tag), expected, "{tag}");
        }
        let validation = logs.join("a/validation");
        assert_eq!(count(&validation, "epoch_loss"), 3);
        assert_eq!(count(&validation, "evaluation_loss_vs_iterations"), 3);

        // As it comes, and again: a file for each run.
        let mut board = TensorBoard::new(logs.join("b")).write_graph(false);
        trainer.fit(&data, fit().callback(&mut board))?;
        let train = logs.join("b/train");
        assert_eq!(count(&train, "batch_loss") + count(&train, "graph_keras_model"), 0);
        trainer.fit(&data, fit().callback(&mut board))?;
        assert_eq!(std::fs::read_dir(&train).unwrap().count(), 2);

        let wrong = trainer.fit(&data, fit().callback(board.update_freq(0)));
        let text = wrong.unwrap_err().to_string();
        assert!(
            text.contains("update_freq") && text.contains("one batch or more"),
            "{text}"
        );
        Ok(())
    }

    #[test]
    fn weights_of_every_shape_are_images_or_none() -> Result<()> {
        let sizes = |shape: &[usize]| -> Result<Vec<[usize; 3]>> {
            let all = images(&Tensor::zeros(DType::F32, shape))?;
            Ok(all.iter().map(|i| [i.width(), i.height(), i.channels()]).collect())
        };
        assert_eq!(sizes(&[7])?, [[1, 7, 1]]);
        assert_eq!(sizes(&[784, 10])?, [[784, 10, 1]]);
        assert_eq!(sizes(&[10, 784])?, [[784, 10, 1]]);
        assert_eq!(sizes(&[3, 2, 1, 32])?, [[2, 3, 1]; 3]);
        assert_eq!(sizes(&[3, 2, 5, 3])?, [[5, 2, 3]; 3]);
        for shape in [&[][..], &[1, 1], &[3, 3, 4, 32], &[0], &[2, 3, 4, 5, 6]] {
            assert_eq!(sizes(shape)?, Vec::<[usize; 3]>::new(), "{shape:?}");
        }
        Ok(())
    }
}
