//! TensorBoard's event files: [`EventFile`].
//!
//! Scalars, histograms, images, text and graphs, as `tf.summary` of TensorFlow 2 writes them.

mod histogram;
mod protobuf;
mod record;

use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{Error, Image, Result};
pub use histogram::Histogram;
use protobuf::Message;
use record::record;

/// A file of events that TensorBoard reads, also while it grows.
///
/// # Examples
///
/// ```
/// use deckle_formats::events::{EventFile, Histogram};
///
/// let folder = std::env::temp_dir().join("deckle-events");
/// let mut file = EventFile::create(&folder)?;
/// file.scalar("epoch_loss", 0, 0.5)?;
/// file.histogram("dense/kernel/histogram", 0, &Histogram::of([0.1, 0.2], 30))?;
/// file.text("notes", 0, "a *first* try")?;
/// file.flush()?;
/// assert!(file.path().to_string_lossy().contains("tfevents"));
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), deckle_formats::Error>(())
/// ```
///
/// # References
///
/// TensorFlow, `core/util/event.proto`, `core/framework/summary.proto`,
/// `core/framework/graph.proto`.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

/// One node of a graph: a layer, or an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraphNode {
    /// Its name; parts between slashes are groups that can be opened.
    pub name: String,
    /// What it computes, as `Dense`.
    pub op: String,
    /// The names of the nodes whose outputs it takes; `name:1` is a second output.
    pub inputs: Vec<String>,
    /// The shapes of its outputs; `None` for lengths that are not known.
    pub output_shapes: Vec<Vec<Option<usize>>>,
}

/// What TensorBoard does with a summary: its plugin, and the class of its data.
#[derive(Clone, Copy)]
struct Plugin {
    name: &'static str,
    content: &'static [u8],
    class: i64,
}

const SCALARS: Plugin = Plugin { name: "scalars", content: b"", class: 1 };
const HISTOGRAMS: Plugin = Plugin { name: "histograms", content: b"", class: 2 };
const IMAGES: Plugin = Plugin { name: "images", content: b"", class: 3 };
const TEXT: Plugin = Plugin { name: "text", content: b"", class: 2 };
const KERAS_MODEL: Plugin = Plugin { name: "graph_keras_model", content: b"1", class: 0 };

/// TensorFlow's numbers of element types.
const FLOAT: i64 = 1;
const DOUBLE: i64 = 2;
const STRING: i64 = 7;

/// A summary's tensor with its element type and shape: its `value` is already a field.
fn tensor(
    dtype: i64,
    shape: &[usize],
    value: impl FnOnce(Message) -> Message,
) -> Message {
    let mut dims = Message::new();
    for &len in shape {
        dims = dims.message(2, &Message::new().integer(1, len as i64));
    }
    value(Message::new().integer(1, dtype).message(2, &dims))
}

/// The event of one summary.
fn summary(tag: &str, step: i64, plugin: Plugin, tensor: &Message) -> Message {
    let mut data = Message::new().bytes(1, plugin.name);
    if !plugin.content.is_empty() {
        data = data.bytes(2, plugin.content);
    }
    let metadata = Message::new().message(1, &data).integer(4, plugin.class);
    let value = Message::new().bytes(1, tag).message(8, tensor).message(9, &metadata);
    Message::new().integer(2, step).message(5, &Message::new().message(1, &value))
}

fn scalar(tag: &str, step: i64, value: f64) -> Message {
    let packed = (value as f32).to_le_bytes();
    let tensor = tensor(FLOAT, &[], |tensor| tensor.bytes(5, packed));
    summary(tag, step, SCALARS, &tensor)
}

fn histogram(tag: &str, step: i64, histogram: &Histogram) -> Message {
    let rows = histogram.buckets();
    let numbers = rows.iter().flatten().flat_map(|number| number.to_le_bytes());
    let numbers: Vec<u8> = numbers.collect();
    let shape = [rows.len(), 3];
    summary(tag, step, HISTOGRAMS, &tensor(DOUBLE, &shape, |t| t.bytes(4, numbers)))
}

/// Width and height of the first, then the files, all as text or bytes.
fn images(tag: &str, step: i64, size: [usize; 2], files: &[Vec<u8>]) -> Message {
    let size = size.map(|side| side.to_string().into_bytes());
    let tensor = tensor(STRING, &[2 + files.len()], |tensor| {
        size.iter().chain(files).fold(tensor, |tensor, part| tensor.bytes(8, part))
    });
    summary(tag, step, IMAGES, &tensor)
}

fn text(tag: &str, step: i64, text: &str, plugin: Plugin) -> Message {
    summary(tag, step, plugin, &tensor(STRING, &[], |tensor| tensor.bytes(8, text)))
}

fn graph(nodes: &[GraphNode]) -> Message {
    let mut graph = Message::new();
    for node in nodes {
        let mut message = Message::new().bytes(1, &node.name).bytes(2, &node.op);
        for input in &node.inputs {
            message = message.bytes(3, input);
        }
        let mut shapes = Message::new();
        for shape in &node.output_shapes {
            let mut dims = Message::new();
            for len in shape {
                let len = len.map_or(-1, |len| len as i64);
                dims = dims.message(2, &Message::new().integer(1, len));
            }
            shapes = shapes.message(7, &dims);
        }
        let attribute = Message::new()
            .bytes(1, "_output_shapes")
            .message(2, &Message::new().message(1, &shapes));
        graph = graph.message(1, &message.message(5, &attribute));
    }
    // The oldest producer whose graphs readers of today take.
    let graph = graph.message(4, &Message::new().integer(1, 22));
    Message::new().bytes(4, graph.as_bytes())
}

impl EventFile {
    /// A new file in a folder, which is made if there is none.
    ///
    /// Files that are there already stay, and TensorBoard shows all of them as one.
    ///
    /// # Errors
    ///
    /// If the folder or the file cannot be made.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let time = now();
        let process = std::process::id();
        let mut number = 0;
        let (path, file) = loop {
            // TensorBoard reads files in the order of their names.
            let name = format!(
                "events.out.tfevents.{:010}.deckle.{process}.{number}.v2",
                time as u64
            );
            let path = folder.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::io(&path, error)),
                Ok(file) => break (path, file),
            }
        };
        let mut events = Self { path, file: BufWriter::new(file) };
        events.write(&Message::new().bytes(3, "brain.Event:2"), time)?;
        events.flush()?;
        Ok(events)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a number.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: i64, value: f64) -> Result<()> {
        self.write(&scalar(tag, step, value), now())
    }

    /// Adds a histogram.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn histogram(&mut self, tag: &str, step: i64, values: &Histogram) -> Result<()> {
        self.write(&histogram(tag, step, values), now())
    }

    /// Adds images, which are shown side by side.
    ///
    /// # Errors
    ///
    /// If an image is too large, or the file cannot be written.
    pub fn images(&mut self, tag: &str, step: i64, all: &[Image]) -> Result<()> {
        let size = all.first().map_or([0, 0], |first| [first.width(), first.height()]);
        let files = all.iter().map(Image::to_png).collect::<Result<Vec<_>>>()?;
        self.write(&images(tag, step, size, &files), now())
    }

    /// Adds a text, which is shown as Markdown.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn text(&mut self, tag: &str, step: i64, value: &str) -> Result<()> {
        self.write(&text(tag, step, value, TEXT), now())
    }

    /// Adds the graph, of which a run has one.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn graph(&mut self, nodes: &[GraphNode]) -> Result<()> {
        self.write(&graph(nodes), now())
    }

    /// Adds Keras's JSON of a model, which is shown as its conceptual graph.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn keras_model(&mut self, tag: &str, step: i64, json: &str) -> Result<()> {
        self.write(&text(tag, step, json, KERAS_MODEL), now())
    }

    /// Hands what was added to the operating system, for TensorBoard to find.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|error| Error::io(&self.path, error))
    }

    fn write(&mut self, event: &Message, wall_time: f64) -> Result<()> {
        let bytes = stamped(event, wall_time);
        self.file.write_all(&bytes).map_err(|error| Error::io(&self.path, error))
    }
}

/// The record of an event that happened at that time.
fn stamped(event: &Message, wall_time: f64) -> Vec<u8> {
    let mut bytes = Message::new().double(1, wall_time).as_bytes().to_vec();
    bytes.extend(event.as_bytes());
    record(&bytes)
}

/// Seconds since 1970.
fn now() -> f64 {
    // A clock before 1970 is a wrong clock; events are shown in order of steps anyway.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests;
