//! What is drawn of a model: boxes with texts, models as clusters of them, arrows.

use deckle_nn::{Model, ModelLayer, TensorRef, keras_shape};
use deckle_tensor::Shape;

use super::PlotModel;

/// Boxes, clusters of boxes, and arrows between boxes.
pub(super) struct Graph {
    pub(super) items: Vec<Item>,
    /// Boxes by their numbers, each pair once.
    pub(super) edges: Vec<(usize, usize)>,
}

pub(super) enum Item {
    Box(LayerBox),
    Cluster(String, Graph),
}

/// A layer.
pub(super) struct LayerBox {
    /// A number that no other box of the picture has.
    pub(super) number: usize,
    /// The name, if it is shown.
    pub(super) name: Option<String>,
    pub(super) class: &'static str,
    pub(super) activation: Option<String>,
    /// What each cell says: a word before it, and what is said in bold.
    pub(super) cells: Vec<(&'static str, String)>,
    pub(super) trainable: Option<bool>,
}

/// Numbers the boxes of a picture.
struct Maker<'a> {
    plot: &'a PlotModel,
    count: usize,
}

/// A model's layers as items, and which box stands for each layer's inputs and outputs.
struct Made {
    graph: Graph,
    /// For each layer of the model, `None` for one that is not shown.
    layers: Vec<Option<Ends>>,
}

/// The boxes that arrows to a layer's inputs and from its outputs are drawn to and from.
enum Ends {
    One(usize),
    /// By input, and by output; `None` where no box is shown.
    Model(Vec<Option<usize>>, Vec<Option<usize>>),
}

impl Graph {
    pub(super) fn of(model: &Model, plot: &PlotModel) -> Self {
        Maker { plot, count: 0 }.model(model).graph
    }
}

impl Maker<'_> {
    fn model(&mut self, model: &Model) -> Made {
        let (mut items, mut layers) = (Vec::new(), Vec::new());
        for (at, layer) in model.layers().iter().enumerate() {
            if model.is_sequential() && layer.is_input() {
                layers.push(None);
                continue;
            }
            match layer.model().filter(|_| self.plot.expand_nested) {
                Some(inner) => {
                    let made = self.model(inner);
                    layers.push(Some(ends(inner, &made.layers)));
                    items.push(Item::Cluster(layer.name().to_owned(), made.graph));
                }
                None => {
                    layers.push(Some(Ends::One(self.count)));
                    items.push(Item::Box(self.layer(model, at, layer)));
                }
            }
        }
        let mut edges = Vec::new();
        for call in model.calls() {
            let given = call.inputs.iter().chain(call.named.iter().map(|(_, t)| t));
            for (input, tensor) in given.enumerate() {
                let from = source(model, &layers, *tensor);
                let to = match &layers[call.layer] {
                    Some(Ends::One(to)) => Some(*to),
                    Some(Ends::Model(inputs, _)) => inputs.get(input).copied().flatten(),
                    None => None,
                };
                if let (Some(from), Some(to)) = (from, to)
                    && !edges.contains(&(from, to))
                {
                    edges.push((from, to));
                }
            }
        }
        Made { graph: Graph { items, edges }, layers }
    }

    fn layer(&mut self, model: &Model, at: usize, layer: &ModelLayer) -> LayerBox {
        let plot = self.plot;
        let number = self.count;
        self.count += 1;
        let call = model.calls().iter().find(|call| call.layer == at);
        let made: Vec<_> = call.map_or(Vec::new(), |call| call.outputs.iter().collect());
        let mut cells = Vec::new();
        if plot.show_shapes {
            if !layer.is_input() {
                let given = call.into_iter().flat_map(|call| {
                    call.inputs.iter().chain(call.named.iter().map(|(_, t)| t))
                });
                let shapes =
                    given.map(|t| &model.calls()[t.call].outputs[t.output].shape);
                cells.push(("Input shape: ", shape_list(shapes)));
            }
            let shapes = made.iter().map(|signature| &signature.shape);
            cells.push(("Output shape: ", shape_list(shapes)));
        }
        if plot.show_dtype {
            let dtypes: Vec<_> = made.iter().map(|s| s.dtype.name()).collect();
            cells.push(("Output dtype: ", dtypes.join(", ")));
        }
        let is_weighted = !layer.weights().is_empty();
        let shows_trainable = plot.show_trainable && is_weighted;
        LayerBox {
            number,
            name: plot.show_layer_names.then(|| layer.name().to_owned()),
            class: layer.class_name(),
            activation: plot.show_layer_activations.then(|| activation(layer)).flatten(),
            cells,
            trainable: shows_trainable.then(|| layer.handle().is_trainable()),
        }
    }
}

/// The boxes at a nested model's ends.
fn ends(model: &Model, layers: &[Option<Ends>]) -> Ends {
    let inputs = model.input_refs().iter().map(|tensor| {
        let own = source(model, layers, *tensor);
        // A sequential model shows no input: what takes it is shown instead.
        own.or_else(|| {
            let taker = model.calls().iter().find(|call| call.inputs.contains(tensor))?;
            match layers[taker.layer].as_ref()? {
                Ends::One(number) => Some(*number),
                Ends::Model(inputs, _) => inputs.first().copied().flatten(),
            }
        })
    });
    let outputs = model.output_refs().iter().map(|t| source(model, layers, *t));
    Ends::Model(inputs.collect(), outputs.collect())
}

/// The box that a tensor comes from.
fn source(model: &Model, layers: &[Option<Ends>], tensor: TensorRef) -> Option<usize> {
    match layers[model.calls()[tensor.call].layer].as_ref()? {
        Ends::One(number) => Some(*number),
        Ends::Model(_, outputs) => outputs.get(tensor.output).copied().flatten(),
    }
}

fn shape_list<'a>(shapes: impl Iterator<Item = &'a Shape>) -> String {
    let shapes: Vec<_> = shapes.map(keras_shape).collect();
    match &shapes[..] {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

/// The activation's name, if the layer has that setting.
fn activation(layer: &ModelLayer) -> Option<String> {
    let config = layer.handle().layer().config().ok()?;
    let value = config.get("activation")?;
    let name = value.as_str().or_else(|| value.get("class_name")?.as_str())?;
    Some(name.to_owned())
}
