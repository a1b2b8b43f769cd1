//! Training as TensorBoard shows it: [`TensorBoard`].

use std::path::{Path, PathBuf};

use deckle_formats::{
    Image,
    events::{EventFile, GraphNode, Histogram},
};
use deckle_nn::{LayerCall, Model, TensorRef};
use deckle_tensor::{DType, Tensor};

use crate::{History, Logs, Result};

/// Writes losses, metrics, weights and the graph of layers for TensorBoard.
///
/// Values of training go to the folder `train` of the log folder, those of validation to
/// `validation`; each file appears when it is first written to. `tensorboard --logdir logs`
/// shows them, also while they grow.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_train::{Logs, TensorBoard};
///
/// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
/// let folder = std::env::temp_dir().join(format!("deckle-board-{}", std::process::id()));
/// let mut board = TensorBoard::new(&folder);
/// board.write_graph(&model)?;
/// let logs = [("loss", 0.5), ("val_loss", 0.6)].map(|(name, value)| (name.to_owned(), value));
/// board.write_epoch(0, &Logs::from_iter(logs))?;
/// board.write_weights(0, &model, true)?;
/// assert_eq!(std::fs::read_dir(folder.join("train")).unwrap().count(), 1);
/// assert_eq!(std::fs::read_dir(folder.join("validation")).unwrap().count(), 1);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # Keras
///
/// The files of `keras.callbacks.TensorBoard`, with its tags; profiles and embeddings are not
/// written.
#[derive(Debug)]
pub struct TensorBoard {
    log_dir: PathBuf,
    train: Option<EventFile>,
    validation: Option<EventFile>,
}

/// As many images of one weight are written, at most.
const IMAGES: usize = 3;

impl TensorBoard {
    /// Writes to folders in that folder.
    #[must_use]
    pub fn new(log_dir: impl AsRef<Path>) -> Self {
        let log_dir = log_dir.as_ref().to_path_buf();
        Self { log_dir, train: None, validation: None }
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
        for (row, &epoch) in history.epochs().iter().enumerate() {
            let value =
                |name: &str| Some((name.to_owned(), *history.get(name)?.get(row)?));
            self.write_epoch(epoch, &history.names().filter_map(value).collect())?;
        }
        Ok(())
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
    pub fn write_graph(&mut self, model: &Model) -> Result<()> {
        let file = self.train()?;
        let mut nodes = Vec::new();
        add_nodes(model, "", &[], &mut nodes);
        file.graph(&nodes)?;
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

/// Adds a node for each call of a layer, in models of models with the path before it; returns
/// the names of the model's outputs.
fn add_nodes(
    model: &Model,
    path: &str,
    given: &[String],
    nodes: &mut Vec<GraphNode>,
) -> Vec<String> {
    // For each call the names of what it makes.
    let mut made: Vec<Vec<String>> = Vec::with_capacity(model.calls().len());
    for (at, call) in model.calls().iter().enumerate() {
        let layer = &model.layers()[call.layer];
        let name = match call.number {
            0 => format!("{path}{}", layer.name()),
            number => format!("{path}{}.call_{number}", layer.name()),
        };
        let tensors =
            call.inputs.iter().chain(call.named.iter().map(|(_, tensor)| tensor));
        let mut inputs: Vec<_> =
            tensors.map(|tensor| made[tensor.call][tensor.output].clone()).collect();
        if let Some(inner) = layer.model() {
            made.push(add_nodes(inner, &format!("{name}/"), &inputs, nodes));
            continue;
        }
        let is_input = |tensor: &TensorRef| tensor.call == at;
        if let Some(which) = model.input_refs().iter().position(is_input) {
            inputs.extend(given.get(which).cloned());
        }
        let outputs = 0..call.outputs.len();
        made.push(
            outputs
                .map(|i| if i == 0 { name.clone() } else { format!("{name}:{i}") })
                .collect(),
        );
        let op = layer.class_name().to_owned();
        nodes.push(GraphNode { name, op, inputs, output_shapes: shapes(call) });
    }
    let outputs = model.output_refs().iter();
    outputs.map(|tensor| made[tensor.call][tensor.output].clone()).collect()
}

fn shapes(call: &LayerCall) -> Vec<Vec<Option<usize>>> {
    let lens = call.outputs.iter().map(|output| output.shape.dims().iter());
    lens.map(|dims| dims.map(deckle_tensor::Dim::known).collect()).collect()
}

#[cfg(test)]
mod tests {
    use deckle_nn::{
        LayerExt, LayerHandle, Sequential, Symbol,
        layers::{Add, Dense, Embedding, LSTM},
    };

    use super::*;

    #[test]
    fn graphs_name_calls_outputs_and_models_in_models() -> Result<()> {
        let words = Symbol::typed_input("words", [5], DType::I32);
        let states = LSTM::new(4).return_state(true).shared();
        let states = states.call([&Embedding::new(10, 4).apply(&words)?], [])?;
        let tower = Model::new([&words], [&states[0], &states[2]])?;
        let tower = LayerHandle::from(tower.named("tower"));
        let (a, b) = (
            Symbol::typed_input("a", [5], DType::I32),
            Symbol::typed_input("b", [5], DType::I32),
        );
        let (left, right) = (tower.call([&a], [])?, tower.call([&b], [])?);
        let head = Sequential::new([4]).add(Dense::new(1)).build()?;
        let head = LayerHandle::from(head.named("head"));
        let y = head.apply(&Add::new().join([&left[1], &right[0]])?)?;
        let model = Model::new([&a, &b], [&y])?;
        let mut nodes = Vec::new();
        let outputs = add_nodes(&model, "", &[], &mut nodes);
        assert_eq!(outputs, ["head/dense"]);
        let find = |name: &str| nodes.iter().find(|node| node.name == name);
        let inputs = |name: &str| find(name).map(|node| node.inputs.join(" "));
        assert_eq!(inputs("tower/words").as_deref(), Some("a"));
        assert_eq!(inputs("tower.call_1/words").as_deref(), Some("b"));
        assert_eq!(inputs("tower/lstm").as_deref(), Some("tower/embedding"));
        assert_eq!(inputs("add").as_deref(), Some("tower/lstm:2 tower.call_1/lstm"));
        let lstm = find("tower/lstm").map(|node| node.output_shapes.clone());
        assert_eq!(lstm, Some(vec![vec![None, Some(4)]; 3]));
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
