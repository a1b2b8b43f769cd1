//! The promises of every layer, checked: [`check_layer`].

use std::{any::Any, cell::RefCell, fmt};

use deckle_autograd::{
    Device, Error as GraphError, Function, Var, check_gradients, gradients,
};
use deckle_tensor::{DType, Shape, Tensor, random::Draw};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Call, Error, Functional, Layer, LayerHandle, Model, Randomness, Result, Symbol,
    layers::KerasShape,
};

/// Checks what every layer promises, on random inputs of these shapes, batch axis included.
///
/// - The configuration is the same after it was written as JSON and read again.
/// - The shapes that [`Layer::output_shape`] promises are computed, for any batch size, an
///   empty one included, and for each other axis that may be unknown.
/// - Weights have names that differ, and depend on the seed and nothing else.
/// - Outputs are finite, the same at each call, and in inference those of one example do not
///   depend on others.
/// - Gradients by every trained weight and floating-point input are right, in training and
///   inference, orders one and two; every trained weight has an effect. In training only if the
///   layer has no constants, see [`Layer::has_constants`].
/// - State changes in training only, and not if the layer is frozen; weights that are trained
///   are not updated by the layer itself.
///
/// # Errors
///
/// If a promise is broken, which is named; any error of the layer.
///
/// # Examples
///
/// ```
/// use deckle_nn::{check_layer, layers::Dense};
///
/// check_layer(&Dense::new(3), [[2, 4]])?;
/// # Ok::<(), deckle_nn::Error>(())
/// ```
pub fn check_layer<L>(
    config: &L,
    inputs: impl IntoIterator<Item = impl AsRef<[usize]>>,
) -> Result<()>
where
    L: Layer + Clone + PartialEq + Serialize + DeserializeOwned + Any,
{
    let inputs = inputs.into_iter().enumerate();
    let inputs = inputs.map(|(i, shape)| noise(shape.as_ref(), i as u64));
    check_layer_on(config, &inputs.collect::<Result<Vec<_>>>()?)
}

/// As [`check_layer`], on inputs that are given; those that are floating point are cast to
/// `F64`.
///
/// # Errors
///
/// As [`check_layer`].
pub fn check_layer_on<L>(config: &L, inputs: &[Tensor]) -> Result<()>
where
    L: Layer + Clone + PartialEq + Serialize + DeserializeOwned + Any,
{
    round_trip(config)?;
    let handle = LayerHandle::from(config.clone()).named("layer").dtype(DType::F64);
    let float = |input: &Tensor| {
        if input.dtype().is_float() { input.cast(DType::F64) } else { input.clone() }
    };
    let inputs = inputs.iter().map(float).collect();
    let checked = Checked { handle, inputs };
    checked.weights()?;
    checked.inference()?;
    checked.unknown_axes()?;
    checked.gradients(Mode::Inference)?;
    if !config.has_constants() {
        checked.gradients(Mode::Training)?;
    }
    checked.step()
}

fn broken(promise: impl fmt::Display, expected: impl fmt::Display) -> Error {
    Error::invalid(format_args!("a promise is broken: {promise}"), expected)
}

/// Random numbers from -1 to 1.
fn noise(shape: &[usize], stream: u64) -> Result<Tensor> {
    let draw = Draw::new(7, stream, 0);
    let size: usize = shape.iter().product();
    let values: Vec<_> = (0..size as u64).map(|i| 2.0 * draw.uniform(i) - 1.0).collect();
    Ok(Tensor::new(values, shape)?)
}

fn round_trip<L>(config: &L) -> Result<()>
where
    L: Layer + Clone + PartialEq + Serialize + DeserializeOwned + Any,
{
    let promise = "the configuration survives a round trip through JSON";
    let wrong = |error| broken(promise, "JSON that can be read").got(error);
    let json = serde_json::to_value(config).map_err(wrong)?;
    let back: L = serde_json::from_value(json.clone()).map_err(wrong)?;
    if back == *config {
        return Ok(());
    }
    Err(broken(promise, format_args!("{config:?}"))
        .got(format_args!("{back:?} from {json}")))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Inference,
    Training,
}

struct Checked {
    handle: LayerHandle,
    inputs: Vec<Tensor>,
}

/// A model of the layer alone, and its outputs for inputs in a mode.
struct Built {
    model: Model,
    inputs: Vec<Var>,
}

impl Checked {
    /// The model for examples of the inputs' shapes; that axis of the first is unknown.
    fn build(
        &self,
        handle: &LayerHandle,
        seed: u64,
        unknown: Option<usize>,
    ) -> Result<Built> {
        let mut symbols = Vec::new();
        for (i, input) in self.inputs.iter().enumerate() {
            let Some((_, lens)) = input.shape().split_first() else {
                return Err(Error::invalid(
                    "a layer is checked on batches",
                    "a batch axis",
                )
                .got("a number without axes"));
            };
            let mut lens: Vec<_> = lens.iter().map(|&len| Some(len)).collect();
            if let (0, Some(axis)) = (i, unknown) {
                lens[axis - 1] = None;
            }
            let name = format!("input_{i}");
            symbols.push(Symbol::typed_input(&name, KerasShape(lens), input.dtype()));
        }
        let outputs = handle.call(&symbols, [])?;
        let model = Functional::new(&symbols, &outputs).seed(seed).build()?;
        let inputs =
            model.inputs().map(|(name, shape, dtype)| Var::input(name, shape, dtype));
        let inputs = inputs.collect();
        Ok(Built { model, inputs })
    }

    fn promised(&self, shapes: &[Shape]) -> Result<Vec<Shape>> {
        let layer = self.handle.layer();
        layer
            .output_shape(shapes)
            .map_err(|error| error.in_layer("layer", layer.class_name()))
    }

    /// The inputs with that many examples.
    fn batch(&self, examples: usize) -> Result<Vec<Tensor>> {
        let inputs = self.inputs.iter();
        Ok(inputs.map(|input| input.slice(..examples)).collect::<Result<_, _>>()?)
    }

    /// Names that differ; values that depend on the seed alone.
    fn weights(&self) -> Result<()> {
        let (one, other) =
            (self.build(&self.handle, 1, None)?, self.build(&self.handle, 1, None)?);
        let mut names = std::collections::BTreeSet::new();
        for (a, b) in one.model.variables().iter().zip(other.model.variables()) {
            if !names.insert(a.name().to_owned()) || a.name().ends_with('/') {
                return Err(broken("weights have names that differ", "other names")
                    .got(format_args!("`{}` twice", a.name())));
            }
            if !a.value()?.bits_equal(&b.value()?) {
                return Err(broken(
                    "weights depend on the seed alone",
                    "the same values",
                )
                .got(format_args!("others for `{}`", a.name())));
            }
        }
        Ok(())
    }

    /// Shapes as promised for any batch, finite values, independent examples, no state change.
    fn inference(&self) -> Result<()> {
        let Built { model, inputs } = self.build(&self.handle, 1, None)?;
        randomize(&model)?;
        let mut call = Call::inference();
        let outputs = model.call(&inputs, &mut call)?;
        if !call.updates().is_empty() {
            return Err(broken(
                "state changes in training only",
                "no update in inference",
            )
            .got(format_args!("an update of {:?}", call.updates()[0].0)));
        }
        let function = Function::new(&inputs, &outputs).compile(&Device::reference())?;
        let all = self.inputs[0].shape()[0];
        let values = function.call(&self.inputs)?;
        if function.call(&self.inputs)? != values {
            return Err(broken(
                "nothing is random in inference",
                "the same outputs twice",
            ));
        }
        for value in &values {
            if value.dtype().is_float() && !value.isfinite().all(..)?.item::<bool>()? {
                return Err(
                    broken("outputs are finite", "finite numbers").got("inf or nan")
                );
            }
        }
        for examples in [all, 1, 0] {
            let batch = self.batch(examples)?;
            let shapes: Vec<Shape> =
                batch.iter().map(|input| input.shape().into()).collect();
            let promised = self.promised(&shapes)?;
            let made = function.call(&batch)?;
            compare_shapes(&promised, &made)?;
            for (made, value) in made.iter().zip(&values) {
                let expected = value.slice(..examples)?;
                if made.dtype().is_float() && !made.allclose(&expected, 1e-9, 1e-9)? {
                    return Err(broken(
                        "in inference, examples do not influence each other",
                        "the same outputs in smaller batches",
                    )
                    .got(format_args!("others for {examples} of {all} examples")));
                }
            }
        }
        Ok(())
    }

    /// Where an axis may be unknown, the layer computes the same.
    fn unknown_axes(&self) -> Result<()> {
        let known = self.build(&self.handle, 1, None)?;
        let expected = self.run(&known)?;
        for axis in 1..self.inputs[0].shape().len() {
            let mut shapes: Vec<Shape> =
                self.inputs.iter().map(|input| input.shape().into()).collect();
            shapes[0] =
                shapes[0].with(axis.cast_signed(), deckle_tensor::Dim::Unknown)?;
            if self.promised(&shapes).is_err() {
                continue;
            }
            let made = self.run(&self.build(&self.handle, 1, Some(axis))?)?;
            let same = made.iter().zip(&expected).all(|(a, b)| a.bits_equal(b));
            if made.len() != expected.len() || !same {
                return Err(broken(
                    "an axis that may be unknown changes nothing",
                    "the same outputs",
                )
                .got(format_args!("others with an unknown axis {axis}")));
            }
        }
        Ok(())
    }

    fn run(&self, built: &Built) -> Result<Vec<Tensor>> {
        let outputs = built.model.call(&built.inputs, &mut Call::inference())?;
        let function = Function::new(&built.inputs, &outputs);
        Ok(function.compile(&Device::reference())?.call(&self.inputs)?)
    }

    /// Right gradients by inputs and weights; every trained weight has an effect.
    fn gradients(&self, mode: Mode) -> Result<()> {
        let Built { model, .. } = self.build(&self.handle, 1, None)?;
        randomize(&model)?;
        let weights: Vec<_> =
            model.weights().filter(|weight| weight.is_trainable()).collect();
        let mut given = self.inputs.clone();
        for weight in &weights {
            given.push(weight.variable().value()?);
        }
        if !given.iter().any(|tensor| tensor.dtype().is_float()) {
            return Ok(());
        }
        let outputs = |vars: &[Var]| -> Result<Vec<Var>> {
            let (inputs, values) = vars.split_at(self.inputs.len());
            with_call(mode, |call| {
                // What a pass has updated is what it reads.
                for (weight, value) in weights.iter().zip(values) {
                    call.update(weight.variable(), value);
                }
                let mut made = model.call(inputs, call)?;
                made.extend(call.losses().iter().cloned());
                Ok(made)
            })
        };
        let vars: Vec<_> =
            given.iter().map(|x| Var::input("given", x.shape(), x.dtype())).collect();
        let made = outputs(&vars)?;
        let ones = made.iter().map(|made| {
            let float = made.dtype().is_float();
            float.then(|| made.full_like(1.0)).transpose()
        });
        let ones: Vec<_> = ones.collect::<Result<_, _>>()?;
        let wrt: Vec<_> = vars[self.inputs.len()..].iter().collect();
        for (weight, found) in weights.iter().zip(gradients(&made, &ones, &wrt)?) {
            if found.is_none() {
                return Err(broken(
                    "every weight that is trained has an effect",
                    format_args!("outputs that depend on `{}`", weight.name()),
                )
                .got("none does")
                .help("read weights with Call::read"));
            }
        }
        let failure = RefCell::new(None);
        let checked = check_gradients(
            |vars| {
                outputs(vars).map_err(|error| match error {
                    Error::Autograd(error) => error,
                    error => {
                        *failure.borrow_mut() = Some(error);
                        GraphError::Independent { wrt: String::new() }
                    }
                })
            },
            &given,
        );
        match failure.into_inner() {
            Some(error) => Err(error),
            None => checked.map_err(|error| {
                let promise = format_args!("gradients are right in {mode:?}").to_string();
                broken(promise, "gradients as found by small steps").got(error)
            }),
        }
    }

    /// One step of training changes state and nothing else; none if the layer is frozen.
    fn step(&self) -> Result<()> {
        let Built { model, inputs } = self.build(&self.handle, 1, None)?;
        let shapes: Vec<Shape> =
            self.inputs.iter().map(|input| input.shape().into()).collect();
        with_call(Mode::Training, |call| {
            let outputs = model.call(&inputs, call)?;
            let trained = |variable: &deckle_autograd::Variable| {
                model
                    .trainable_weights()
                    .any(|weight| weight.variable().is_same(variable))
            };
            if let Some((variable, _)) = call.updates().iter().find(|(v, _)| trained(v)) {
                return Err(broken(
                    "trained weights are left to the optimizer",
                    "no update",
                )
                .got(format_args!("an update of {variable:?}")));
            }
            let function =
                Function::new(&inputs, &outputs).updates(call.updates().to_vec());
            let made = function.compile(&Device::reference())?.call(&self.inputs)?;
            compare_shapes(&self.promised(&shapes)?, &made)
        })?;
        for variable in model.variables() {
            if !variable.value()?.isfinite().all(..)?.item::<bool>()? {
                return Err(broken("state stays finite", "finite numbers")
                    .got(format_args!("inf or nan in {variable:?}")));
            }
        }
        let frozen = self.build(&self.handle.trainable(false), 1, None)?;
        with_call(Mode::Training, |call| {
            frozen.model.call(&frozen.inputs, call)?;
            match call.updates().first() {
                None => Ok(()),
                Some((variable, _)) => {
                    Err(broken("a frozen layer's state does not change", "no update")
                        .got(format_args!("an update of {variable:?}")))
                }
            }
        })
    }
}

fn compare_shapes(promised: &[Shape], made: &[Tensor]) -> Result<()> {
    let fits = promised.len() == made.len()
        && promised.iter().zip(made).all(|(p, m)| p.may_equal(&m.shape().into()));
    if fits {
        return Ok(());
    }
    let list = |shapes: Vec<String>| shapes.join(" and ");
    let promised = list(promised.iter().map(Shape::to_string).collect());
    let made =
        list(made.iter().map(|made| deckle_tensor::shape_text(made.shape())).collect());
    Err(broken("outputs have the shapes of output_shape", promised).got(made))
}

fn with_call<T>(
    mode: Mode,
    action: impl FnOnce(&mut Call<'_>) -> Result<T>,
) -> Result<T> {
    let number = Var::constant(&Tensor::scalar(5i64));
    action(&mut match mode {
        Mode::Inference => Call::inference(),
        Mode::Training => Call::training(Randomness { seed: &number, step: &number }),
    })
}

/// Moves every weight a little, so that none is trivially 0 or 1.
fn randomize(model: &Model) -> Result<()> {
    for (i, variable) in model.variables().iter().enumerate() {
        if variable.dtype() == DType::F64 {
            let moved = noise(variable.shape(), 100 + i as u64)?.mul(0.3)?;
            variable.set(&variable.value()?.add(&moved)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
