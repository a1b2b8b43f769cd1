//! A model's layers as a table: [`Summary`].

use std::fmt;

use deckle_tensor::Shape;

use crate::{Model, ModelLayer, Weight};

/// A model's layers, their outputs' shapes and numbers of weights, as Keras's table.
///
/// Models that are not sequential have a further column, of the tensors that a layer takes:
/// layer, number of its call, number of the output.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Sequential, layers::Dense};
///
/// let model = Sequential::new([784]).add(Dense::new(512)).add(Dense::new(10)).build()?;
/// let summary = model.summary().to_string();
/// assert!(summary.contains("│ dense (Dense)                   │ (None, 512)            │"));
/// assert!(summary.ends_with(
///     "
///  Total params: 407,050 (1.55 MB)
///  Trainable params: 407,050 (1.55 MB)
///  Non-trainable params: 0 (0.00 B)
/// "
/// ));
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `model.summary()` on a terminal of 80 columns; where Keras cuts a name, the column is wider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    name: String,
    has_connections: bool,
    rows: Vec<Row>,
    trainable: Size,
    fixed: Size,
}

/// A row's cells, which may have several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    layer: String,
    class: &'static str,
    shapes: Vec<String>,
    params: usize,
    connections: Vec<String>,
}

/// A number of weights and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    params: usize,
    bytes: usize,
}

impl Model {
    /// The layers as a table.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let has_connections = !self.is_chain();
        let layers = self.layers().iter().enumerate();
        let rows = layers
            .filter(|(_, layer)| !(self.is_sequential() && layer.is_input()))
            .map(|(at, layer)| Row {
                layer: layer.name().to_owned(),
                class: layer.class_name(),
                shapes: layer.output_shapes().iter().map(keras_shape).collect(),
                params: layer.count_params(),
                connections: self.connections(at, layer),
            });
        let sum = |weights: &mut dyn Iterator<Item = &Weight>| {
            weights.fold(Size::default(), |sum, weight| {
                let spec = weight.variable().spec();
                Size { params: sum.params + spec.size(), bytes: sum.bytes + spec.bytes() }
            })
        };
        let (all, trainable) =
            (sum(&mut self.weights()), sum(&mut self.trainable_weights()));
        let fixed = Size {
            params: all.params - trainable.params,
            bytes: all.bytes - trainable.bytes,
        };
        Summary {
            name: self.name().to_owned(),
            has_connections,
            rows: rows.collect(),
            trainable,
            fixed,
        }
    }

    /// Whether each layer is called once, on what the one before it makes.
    fn is_chain(&self) -> bool {
        let calls = self.calls().iter().enumerate();
        self.is_sequential()
            || (self.layers().len() == self.calls().len()
                && calls.skip(1).all(|(at, call)| {
                    let mut given: Vec<_> = call
                        .inputs
                        .iter()
                        .chain(call.named.iter().map(|(_, t)| t))
                        .collect();
                    given.dedup();
                    given.len() == 1 && given[0].call + 1 == at
                }))
    }

    /// The tensors that a layer takes, in all calls, as `dense[0][0]`.
    fn connections(&self, at: usize, layer: &ModelLayer) -> Vec<String> {
        if layer.is_input() {
            return vec!["-".to_owned()];
        }
        let calls = self.calls().iter().filter(|call| call.layer == at);
        let tensors = calls.flat_map(|call| {
            call.inputs.iter().chain(call.named.iter().map(|(_, tensor)| tensor))
        });
        tensors
            .map(|tensor| {
                let made = self.layers()[self.calls()[tensor.call].layer].name();
                format!("{made}[{}][{}]", self.call_number(*tensor), tensor.output)
            })
            .collect()
    }
}

/// A shape as Python writes it, `None` for lengths that are not known.
///
/// # Examples
///
/// ```
/// assert_eq!(deckle_nn::keras_shape(&[None, Some(3)].into()), "(None, 3)");
/// assert_eq!(deckle_nn::keras_shape(&[7].into()), "(7,)");
/// ```
#[must_use]
pub fn keras_shape(shape: &Shape) -> String {
    let lens: Vec<_> = (shape.dims().iter())
        .map(|dim| dim.known().map_or("None".to_owned(), |len| len.to_string()))
        .collect();
    if lens.len() == 1 {
        format!("({},)", lens[0])
    } else {
        format!("({})", lens.join(", "))
    }
}

/// A number with a comma between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["B", "KB", "MB", "GB", "TB", "PB"];
        let mut bytes = self.bytes as f64;
        let mut unit = 0;
        while bytes >= 1024.0 && unit + 1 < units.len() {
            bytes /= 1024.0;
            unit += 1;
        }
        write!(f, "{} ({bytes:.2} {})", grouped(self.params), units[unit])
    }
}

impl Row {
    /// The lines of each cell, for a first column of that width.
    fn cells(&self, width: usize) -> [Vec<String>; 4] {
        let one = format!("{} ({})", self.layer, self.class);
        let layer = if one.chars().count() <= width {
            vec![one]
        } else {
            vec![self.layer.clone(), format!("({})", self.class)]
        };
        let listed = |parts: &[String], open: &str, close: &str| -> Vec<String> {
            let last = parts.len().saturating_sub(1);
            let line = |(i, part): (usize, &String)| {
                let before = if i == 0 { open } else { "" };
                let after = if i == last { close } else { "," };
                format!("{before}{part}{after}")
            };
            parts.iter().enumerate().map(line).collect()
        };
        let shapes = match &self.shapes[..] {
            [one] => vec![one.clone()],
            several => listed(several, "[", "]"),
        };
        [layer, shapes, vec![grouped(self.params)], listed(&self.connections, "", "")]
    }
}

const HEADER: [&str; 4] = ["Layer (type)", "Output Shape", "Param #", "Connected to"];

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What Keras's columns hold on a terminal of 80 columns.
        let mut widths = match self.has_connections {
            false => vec![31, 22, 13],
            true => vec![19, 17, 10, 17],
        };
        let columns = widths.len();
        let rows: Vec<_> = self.rows.iter().map(|row| row.cells(widths[0])).collect();
        for cells in &rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                let longest = cell.iter().map(|line| line.chars().count()).max();
                *width = longest.unwrap_or(0).max(*width);
            }
        }
        let rule = |f: &mut fmt::Formatter<'_>, [left, line, cross, right]: [&str; 4]| {
            let lines: Vec<_> =
                widths.iter().map(|width| line.repeat(width + 2)).collect();
            writeln!(f, "{left}{}{right}", lines.join(cross))
        };
        let line = |f: &mut fmt::Formatter<'_>, bar: &str, cells: &[&str]| {
            for (i, (width, cell)) in widths.iter().zip(cells).enumerate() {
                let space = " ".repeat(width - cell.chars().count());
                match i {
                    2 => write!(f, "{bar} {space}{cell} ")?,
                    _ => write!(f, "{bar} {cell}{space} ")?,
                }
            }
            writeln!(f, "{bar}")
        };
        writeln!(f, "Model: \"{}\"", self.name)?;
        rule(f, ["┏", "━", "┳", "┓"])?;
        line(f, "┃", &HEADER[..columns])?;
        rule(f, ["┡", "━", "╇", "┩"])?;
        for (i, cells) in rows.iter().enumerate() {
            if i > 0 {
                rule(f, ["├", "─", "┼", "┤"])?;
            }
            let height = cells[..columns].iter().map(Vec::len).max().unwrap_or(1);
            for at in 0..height {
                let texts: Vec<_> = (cells[..columns].iter())
                    .map(|cell| cell.get(at).map_or("", String::as_str))
                    .collect();
                line(f, "│", &texts)?;
            }
        }
        rule(f, ["└", "─", "┴", "┘"])?;
        let total = Size {
            params: self.trainable.params + self.fixed.params,
            bytes: self.trainable.bytes + self.fixed.bytes,
        };
        writeln!(f, " Total params: {total}")?;
        writeln!(f, " Trainable params: {}", self.trainable)?;
        writeln!(f, " Non-trainable params: {}", self.fixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        LayerExt, Result, Sequential, Symbol,
        layers::{Add, BatchNormalization, Dense, Embedding, Flatten, LSTM, Rescaling},
    };

    /// What Keras 3.15.1 prints.
    #[test]
    fn a_sequential_model_looks_as_in_keras() -> Result<()> {
        let model = Sequential::new([28, 28])
            .add(Rescaling::new(1.0 / 255.0))
            .add(Flatten::new())
            .add(Dense::new(512))
            .add(BatchNormalization::new())
            .add(Dense::new(10))
            .build()?;
        let expected = "\
Model: \"sequential\"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ rescaling (Rescaling)           │ (None, 28, 28)         │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ flatten (Flatten)               │ (None, 784)            │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense (Dense)                   │ (None, 512)            │       401,920 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ batch_normalization             │ (None, 512)            │         2,048 │
│ (BatchNormalization)            │                        │               │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense_1 (Dense)                 │ (None, 10)             │         5,130 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 409,098 (1.56 MB)
 Trainable params: 408,074 (1.56 MB)
 Non-trainable params: 1,024 (4.00 KB)
";
        assert_eq!(model.summary().to_string(), expected);
        Ok(())
    }

    #[test]
    fn other_models_name_what_is_connected() -> Result<()> {
        let a = Symbol::input("right_hand_side", [3]);
        let b = Symbol::typed_input("left", [None], deckle_tensor::DType::I32);
        let words = Embedding::new(10, 4).apply(&b)?;
        let states = LSTM::new(4).return_state(true).shared().call([&words], [])?;
        let d = Dense::new(4).trainable(false).apply(&a)?;
        let y = Add::new().join([&d, &states[2]])?;
        let model = Model::new([&a, &b], [&y])?;
        let expected = "\
Model: \"functional\"
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━┓
┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃ Connected to          ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━┩
│ left (InputLayer)   │ (None, None)      │          0 │ -                     │
├─────────────────────┼───────────────────┼────────────┼───────────────────────┤
│ right_hand_side     │ (None, 3)         │          0 │ -                     │
│ (InputLayer)        │                   │            │                       │
├─────────────────────┼───────────────────┼────────────┼───────────────────────┤
│ embedding           │ (None, None, 4)   │         40 │ left[0][0]            │
│ (Embedding)         │                   │            │                       │
├─────────────────────┼───────────────────┼────────────┼───────────────────────┤
│ dense (Dense)       │ (None, 4)         │         16 │ right_hand_side[0][0] │
├─────────────────────┼───────────────────┼────────────┼───────────────────────┤
│ lstm (LSTM)         │ [(None, 4),       │        144 │ embedding[0][0]       │
│                     │ (None, 4),        │            │                       │
│                     │ (None, 4)]        │            │                       │
├─────────────────────┼───────────────────┼────────────┼───────────────────────┤
│ add (Add)           │ (None, 4)         │          0 │ dense[0][0],          │
│                     │                   │            │ lstm[0][2]            │
└─────────────────────┴───────────────────┴────────────┴───────────────────────┘
 Total params: 200 (800.00 B)
 Trainable params: 184 (736.00 B)
 Non-trainable params: 16 (64.00 B)
";
        assert_eq!(model.summary().to_string(), expected);
        Ok(())
    }

    #[test]
    fn sizes_have_kerass_units() {
        let text = |params: usize, bytes| Size { params, bytes }.to_string();
        assert_eq!(text(0, 0), "0 (0.00 B)");
        assert_eq!(text(209, 836), "209 (836.00 B)");
        assert_eq!(text(1_234_567_890, 4_938_271_560), "1,234,567,890 (4.60 GB)");
    }
}
