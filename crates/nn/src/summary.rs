//! A model's layers as a table: [`Summary`].

use std::fmt;

use deckle_tensor::Shape;

use crate::{Model, ModelLayer, Weight, config::is_operation};

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
    expand_nested: bool,
    show_trainable: bool,
    rows: Vec<Row>,
    trainable: Size,
    fixed: Size,
}

/// A row's cells, which may have several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    /// In how many models of the model its layer is.
    depth: usize,
    layer: String,
    class: &'static str,
    shapes: Vec<String>,
    params: usize,
    connections: Vec<String>,
    /// Nothing for a layer without weights.
    is_trainable: Option<bool>,
}

impl Row {
    fn new(layer: &ModelLayer, depth: usize, connections: Vec<String>) -> Self {
        let is_trainable =
            layer.model().map_or(layer.handle().is_trainable(), Model::is_trainable);
        Self {
            depth,
            layer: layer.name().to_owned(),
            class: layer.class_name(),
            shapes: layer.output_shapes().iter().map(keras_shape).collect(),
            params: layer.count_params(),
            connections,
            is_trainable: (!layer.weights().is_empty()).then_some(is_trainable),
        }
    }

    /// The rows of the layers in a model, which Keras does not connect.
    fn inside(model: &Model, depth: usize, rows: &mut Vec<Self>) {
        for layer in model.layers() {
            let is_left_out = match layer.is_input() {
                true => model.is_sequential(),
                false => is_operation(layer.handle().layer().module()),
            };
            if !is_left_out {
                rows.push(Self::new(layer, depth, vec!["-".to_owned()]));
                if let Some(model) = layer.model() {
                    Self::inside(model, depth + 1, rows);
                }
            }
        }
    }
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
        let mut rows = Vec::new();
        for (at, layer) in
            layers.filter(|(_, layer)| !(self.is_sequential() && layer.is_input()))
        {
            rows.push(Row::new(layer, 0, self.connections(at, layer)));
            if let Some(model) = layer.model() {
                Row::inside(model, 1, &mut rows);
            }
        }
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
            expand_nested: false,
            show_trainable: false,
            rows,
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

impl Summary {
    /// Sets whether the layers of models that are layers have rows of their own; they do not by
    /// default.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{Sequential, layers::Dense};
    ///
    /// let encoder = Sequential::new([4]).add(Dense::new(3)).name("encoder").build()?;
    /// let model = Sequential::new([4]).add(&encoder).add(Dense::new(1)).build()?;
    /// let summary = model.summary().expand_nested(true).to_string();
    /// assert!(summary.contains("│    └ dense (Dense)"));
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    #[must_use]
    pub fn expand_nested(mut self, expand: bool) -> Self {
        self.expand_nested = expand;
        self
    }

    /// Sets whether a column says which layers are trained (`Y`) or frozen (`N`); it does not
    /// by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_nn::{LayerExt, Sequential, layers::Dense};
    ///
    /// let model = Sequential::new([4]).add(Dense::new(3).trainable(false)).build()?;
    /// let summary = model.summary().show_trainable(true).to_string();
    /// assert!(summary.contains("│     N     │"));
    /// # Ok::<(), deckle_nn::Error>(())
    /// ```
    #[must_use]
    pub fn show_trainable(mut self, show: bool) -> Self {
        self.show_trainable = show;
        self
    }

    /// The columns' headers and the widths that Keras gives them on a terminal of 80 columns.
    fn columns(&self) -> Vec<(Column, usize)> {
        let widths: &[usize] = match (self.has_connections, self.show_trainable) {
            (false, false) => &[31, 22, 13],
            (true, false) => &[19, 17, 10, 17],
            (false, true) => &[27, 21, 10, 5],
            (true, true) => &[17, 15, 9, 14, 5],
        };
        let columns = [Column::Layer, Column::Shape, Column::Params]
            .into_iter()
            .chain(self.has_connections.then_some(Column::Connections))
            .chain(self.show_trainable.then_some(Column::Trainable));
        columns.zip(widths.iter().copied()).collect()
    }
}

/// What a column shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Layer,
    Shape,
    Params,
    Connections,
    Trainable,
}

impl Column {
    const fn header(self) -> &'static str {
        match self {
            Self::Layer => "Layer (type)",
            Self::Shape => "Output Shape",
            Self::Params => "Param #",
            Self::Connections => "Connected to",
            Self::Trainable => "Trainable",
        }
    }

    /// The spaces before and after a text in a cell with that much left.
    fn spaces(self, left: usize) -> (usize, usize) {
        match self {
            Self::Params => (left, 0),
            Self::Trainable => (left / 2, left - left / 2),
            _ => (0, left),
        }
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
    /// The lines of a cell.
    fn cell(&self, column: Column, width: usize) -> Vec<String> {
        let listed = |parts: &[String], open: &str, close: &str| -> Vec<String> {
            let last = parts.len().saturating_sub(1);
            let line = |(i, part): (usize, &String)| {
                let before = if i == 0 { open } else { "" };
                let after = if i == last { close } else { "," };
                format!("{before}{part}{after}")
            };
            parts.iter().enumerate().map(line).collect()
        };
        match column {
            Column::Layer => {
                let mark = if self.depth == 0 { "" } else { "└ " };
                let name = format!("{}{mark}{}", "   ".repeat(self.depth), self.layer);
                let one = format!("{name} ({})", self.class);
                if one.chars().count() <= width {
                    vec![one]
                } else {
                    vec![name, format!("({})", self.class)]
                }
            }
            Column::Shape => match &self.shapes[..] {
                [one] => vec![one.clone()],
                several => listed(several, "[", "]"),
            },
            Column::Params => vec![grouped(self.params)],
            Column::Connections => listed(&self.connections, "", ""),
            Column::Trainable => {
                let text = match self.is_trainable {
                    None => "-",
                    Some(true) => "Y",
                    Some(false) => "N",
                };
                vec![text.to_owned()]
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut columns = self.columns();
        let rows: Vec<Vec<_>> = (self.rows.iter())
            .filter(|row| self.expand_nested || row.depth == 0)
            .map(|row| {
                columns.iter().map(|&(column, width)| row.cell(column, width)).collect()
            })
            .collect();
        for (at, (column, width)) in columns.iter_mut().enumerate() {
            let cells = rows.iter().flat_map(|cells| &cells[at]);
            let longest = cells.map(|line| line.chars().count()).max();
            let header = column.header().chars().count();
            *width = (*width).max(longest.unwrap_or(0)).max(header);
        }
        let rule = |f: &mut fmt::Formatter<'_>, [left, line, cross, right]: [&str; 4]| {
            let lines: Vec<_> =
                columns.iter().map(|(_, width)| line.repeat(width + 2)).collect();
            writeln!(f, "{left}{}{right}", lines.join(cross))
        };
        let line = |f: &mut fmt::Formatter<'_>, bar: &str, cells: &[&str]| {
            for ((column, width), cell) in columns.iter().zip(cells) {
                let (before, after) = column.spaces(width - cell.chars().count());
                write!(f, "{bar} {}{cell}{} ", " ".repeat(before), " ".repeat(after))?;
            }
            writeln!(f, "{bar}")
        };
        writeln!(f, "Model: \"{}\"", self.name)?;
        rule(f, ["┏", "━", "┳", "┓"])?;
        let headers: Vec<_> = columns.iter().map(|(column, _)| column.header()).collect();
        line(f, "┃", &headers)?;
        rule(f, ["┡", "━", "╇", "┩"])?;
        for (i, cells) in rows.iter().enumerate() {
            if i > 0 {
                rule(f, ["├", "─", "┼", "┤"])?;
            }
            let height = cells.iter().map(Vec::len).max().unwrap_or(1);
            for at in 0..height {
                let texts: Vec<_> = (cells.iter())
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
        layers::{
            Add, BatchNormalization, Dense, Embedding, Flatten, LSTM, Operation,
            Rescaling,
        },
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

    /// What Keras 3.15.1 prints, in columns that are wide enough.
    #[test]
    fn models_in_models_are_expanded_as_in_keras() -> Result<()> {
        let inner = Sequential::new([4])
            .add(Dense::new(3).named("in_a").trainable(false))
            .add(BatchNormalization::new().named("norm"))
            .name("inner")
            .build()?;
        let x = Symbol::input("x", [4]);
        let y = Operation::new("Tanh")?.apply(&inner.apply(&x)?)?;
        let middle = Model::new([&x], [&Dense::new(4).named("mid_dense").apply(&y)?])?;
        let chain = Sequential::new([4])
            .add(middle.named("middle"))
            .add(Dense::new(2).named("head"))
            .name("chain")
            .build()?;
        let expected = "\
Model: \"chain\"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ middle (Functional)             │ (None, 4)              │            43 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│    └ x (InputLayer)             │ (None, 4)              │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│    └ inner (Sequential)         │ (None, 3)              │            27 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│       └ in_a (Dense)            │ (None, 3)              │            15 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│       └ norm                    │ (None, 3)              │            12 │
│ (BatchNormalization)            │                        │               │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│    └ mid_dense (Dense)          │ (None, 4)              │            16 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ head (Dense)                    │ (None, 2)              │            10 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 53 (212.00 B)
 Trainable params: 32 (128.00 B)
 Non-trainable params: 21 (84.00 B)
";
        let summary = chain.summary().expand_nested(true);
        assert_eq!(summary.to_string(), expected);
        let expected = "\
Model: \"chain\"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━┓
┃ Layer (type)                ┃ Output Shape          ┃    Param # ┃ Trainable ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━┩
│ middle (Functional)         │ (None, 4)             │         43 │     Y     │
├─────────────────────────────┼───────────────────────┼────────────┼───────────┤
│    └ x (InputLayer)         │ (None, 4)             │          0 │     -     │
├─────────────────────────────┼───────────────────────┼────────────┼───────────┤
│    └ inner (Sequential)     │ (None, 3)             │         27 │     Y     │
├─────────────────────────────┼───────────────────────┼────────────┼───────────┤
│       └ in_a (Dense)        │ (None, 3)             │         15 │     N     │
├─────────────────────────────┼───────────────────────┼────────────┼───────────┤
│       └ norm                │ (None, 3)             │         12 │     Y     │
│ (BatchNormalization)        │                       │            │           │
├─────────────────────────────┼───────────────────────┼────────────┼───────────┤
│    └ mid_dense (Dense)      │ (None, 4)             │         16 │     Y     │
├─────────────────────────────┼───────────────────────┼────────────┼───────────┤
│ head (Dense)                │ (None, 2)             │         10 │     Y     │
└─────────────────────────────┴───────────────────────┴────────────┴───────────┘
 Total params: 53 (212.00 B)
 Trainable params: 32 (128.00 B)
 Non-trainable params: 21 (84.00 B)
";
        assert_eq!(summary.show_trainable(true).to_string(), expected);
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
