//! The layer that bounds how much another one stretches its input.

use deckle_autograd::{Result as GraphResult, Signature, Var, Variable};
use deckle_tensor::{DType, Shape, keep};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    gamma_beta::narrow,
    setters::setters,
    wrapped::{BuiltWrapped, Wrapped},
};
use crate::{
    Built, Call, Error, FromConfig, Init, Initializer, Inputs, Layer, Registry, Result,
    expect,
};

/// Divides a layer's kernel by its largest singular value in training.
///
/// The value is estimated by some steps of the power method, from the vector of the step before.
/// The layer's `kernel`, or its `embeddings`, itself is trained as it is; in inference the layer
/// uses it as it is. In training, penalties on it are those of the divided one.
///
/// # Shapes
///
/// | tensor        | shape                                  |
/// |---------------|----------------------------------------|
/// | input, output | the layer's; both of one element type  |
/// | `layer/...`   | the layer's weights                    |
/// | `vector_u`    | `(1, last length of the kernel)`       |
///
/// # Errors
///
/// Building fails if the layer has no kernel and no embeddings, or `power_iterations` is 0 or
/// above 1000.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::{Dense, SpectralNormalization}};
///
/// let layer = SpectralNormalization::new(Dense::new(4));
/// assert_eq!(layer.output_shape(&[[None, Some(3)].into()])?[0].to_string(), "(batch, 4)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.SpectralNormalization`, as on JAX; so of whole numbers, as an `Embedding` takes
/// them, come whole numbers. On TensorFlow, a training step also stores the divided kernel; on
/// both it stores a frozen one, and the next vector, which stay here.
///
/// # References
///
/// Miyato et al., *Spectral normalization for generative adversarial networks* (2018).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpectralNormalization {
    layer: Wrapped,
    #[serde(default = "one")]
    power_iterations: usize,
}

/// Each step is part of the graph.
const MOST_ITERATIONS: usize = 1000;

fn one() -> usize {
    1
}

impl SpectralNormalization {
    /// The layer that runs that one with a divided kernel.
    #[must_use]
    pub fn new(layer: impl Into<Wrapped>) -> Self {
        Self { layer: layer.into(), power_iterations: 1 }
    }

    setters! {
        /// Sets the number of steps of the power method; 1 by default.
        power_iterations: usize;
    }
}

impl FromConfig for SpectralNormalization {
    fn from_config(config: Value, registry: &Registry) -> serde_json::Result<Self> {
        let layer = Wrapped::read(config.get("layer").unwrap_or(&Value::Null), registry)?;
        let power_iterations = match config.get("power_iterations") {
            Some(number) => serde_json::from_value(number.clone())?,
            None => one(),
        };
        Ok(Self { layer, power_iterations })
    }
}

impl Layer for SpectralNormalization {
    fn class_name(&self) -> &'static str {
        "SpectralNormalization"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        expect::positive("power_iterations", self.power_iterations)?;
        if self.power_iterations > MOST_ITERATIONS {
            let expected = format!("{MOST_ITERATIONS} or fewer");
            return Err(Error::invalid("`power_iterations` makes no sense", expected)
                .got(self.power_iterations));
        }
        self.layer.output_shape(inputs)
    }

    /// Whole numbers stay whole.
    fn outputs(&self, inputs: &[Signature], dtype: DType) -> Result<Vec<Signature>> {
        let shapes: Vec<_> = inputs.iter().map(|input| input.shape.clone()).collect();
        let outputs = self.output_shape(&shapes)?.into_iter();
        let given = inputs.first().map(|input| input.dtype);
        let dtype = given.filter(|given| !given.is_float()).unwrap_or(dtype);
        Ok(outputs.map(|shape| Signature::new(dtype, shape)).collect())
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let first = init.weights_made();
        let layer = self.layer.build("layer", inputs, init)?;
        let kernel = init.find(first, "layer", &["kernel", "embeddings"]);
        let kernel = kernel.ok_or_else(|| {
            let expected = "a layer with a `kernel` or `embeddings`";
            Error::invalid("cannot normalize this layer", expected)
                .got(self.layer.layer().class_name())
        })?;
        init.also_here(&kernel);
        let last = kernel.shape().last().copied().unwrap_or(1);
        let first_values = Initializer::TruncatedNormal { mean: 0.0, stddev: 0.02 };
        let u = init.state("vector_u", [1, last], &first_values)?;
        let iterations = self.power_iterations;
        Ok(Box::new(BuiltSpectralNormalization { layer, kernel, u, iterations }))
    }

    fn has_constants(&self) -> bool {
        true
    }

    fn passes_mask(&self) -> bool {
        self.layer.layer().passes_mask()
    }
}

#[derive(Debug)]
struct BuiltSpectralNormalization {
    layer: BuiltWrapped,
    kernel: Variable,
    u: Variable,
    iterations: usize,
}

/// Scaled to length 1.
fn unit(x: &Var) -> GraphResult<Var> {
    let square = x.square()?.sum(keep([0, 1]))?;
    x.mul(&square.maximum(1e-14)?.rsqrt()?)
}

impl BuiltSpectralNormalization {
    /// The divided kernel, and the next vector.
    fn divided(&self, kernel: &Var, call: &Call<'_>) -> GraphResult<(Var, Var)> {
        let matrix = kernel.merge_axes(0, kernel.rank() - 1)?;
        let mut u = call.read(&self.u);
        let mut v = u.clone();
        for _ in 0..self.iterations {
            v = unit(&u.matmul_with(&matrix, false, true)?)?;
            u = unit(&v.matmul(&matrix)?)?;
        }
        let (u, v) = (u.stop_gradient()?, v.stop_gradient()?);
        let sigma = v.matmul(&matrix)?.matmul_with(&u, false, true)?.squeeze([0, 1])?;
        // A kernel of zeros stays what it is, and so does the vector.
        let nothing = kernel.equal(0.0)?.all(..)?;
        let divided = kernel.div(&nothing.select(&sigma.ones_like()?, &sigma)?)?;
        let next = nothing.select(&call.read(&self.u), &u)?;
        Ok((divided, next))
    }
}

impl Built for BuiltSpectralNormalization {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        if call.is_training() {
            let kernel = call.read(&self.kernel);
            let (divided, next) = self.divided(&kernel, call)?;
            if call.updates_state() {
                call.update(&self.u, &next);
            }
            call.replace(&self.kernel, &divided)?;
        }
        let outputs = self.layer.call(inputs, call)?;
        let dtype = inputs.only()?.dtype();
        outputs.iter().map(|y| Ok(narrow(y, dtype)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};

    use super::*;
    use crate::{
        LayerExt, Randomness, Regularizer, Sequential, check_layer,
        layers::{Conv1D, Dense, Embedding, ReLU},
    };

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&SpectralNormalization::new(Dense::new(2)), [[2, 3]])?;
        let layer = SpectralNormalization::new(Conv1D::new(2, 2));
        check_layer(&layer.power_iterations(3), [[1, 3, 2]])
    }

    #[test]
    fn a_training_step_divides_by_the_largest_singular_value() -> Result<()> {
        let dense = Dense::new(2).use_bias(false).kernel_initializer(Initializer::Ones);
        let layer = SpectralNormalization::new(dense).power_iterations(3);
        let model = Sequential::new([2]).add(layer).build()?;
        let x = Var::constant(&Tensor::new(vec![1.0f32, 3.0], [1, 2])?);
        let inference = model.call(std::slice::from_ref(&x), &mut Call::inference())?;
        assert_eq!(inference[0].eval()?.to_vec::<f32>()?, [4.0, 4.0]);
        let number = Var::constant(&Tensor::scalar(1i64));
        let mut call = Call::training(Randomness { seed: &number, step: &number });
        let y = model.call(&[x], &mut call)?[0].eval()?.to_vec::<f32>()?;
        // The matrix of ones has the singular value 2.
        assert!(y.iter().all(|y| (y - 2.0).abs() < 1e-5), "{y:?}");
        assert_eq!(call.updates().len(), 1);
        let u = call.updates()[0].1.eval()?.to_vec::<f32>()?;
        assert!((u[0].abs() - 0.5f32.sqrt()).abs() < 1e-5, "{u:?}");
        Ok(())
    }

    #[test]
    fn penalties_are_those_of_the_divided_kernel() -> Result<()> {
        let dense = Dense::new(2)
            .use_bias(false)
            .kernel_initializer(Initializer::Ones)
            .kernel_regularizer(Regularizer::l2(0.5));
        let model =
            Sequential::new([2]).add(SpectralNormalization::new(dense)).build()?;
        let number = Var::constant(&Tensor::scalar(1i64));
        let mut training = Call::training(Randomness { seed: &number, step: &number });
        // The matrix of ones has the singular value 2.
        for (call, expected) in [(&mut training, 0.5), (&mut Call::inference(), 2.0)] {
            model.call(&[Var::constant(&Tensor::ones(DType::F32, [1, 2]))], call)?;
            let penalty = model.regularization(call)?.expect("there is one").eval()?;
            assert!((penalty.item::<f32>()? - expected).abs() < 1e-5, "{penalty}");
        }
        Ok(())
    }

    #[test]
    fn whole_numbers_come_of_whole_numbers() -> Result<()> {
        let layer = SpectralNormalization::new(
            Embedding::new(4, 2).embeddings_initializer(Initializer::Constant(2.75)),
        );
        let model = Sequential::typed([2], DType::I32).add(layer).build()?;
        let x = Var::constant(&Tensor::new(vec![1i32, 3], [1, 2])?);
        let y = model.call(&[x], &mut Call::inference())?[0].eval()?;
        assert_eq!(y.to_vec::<i32>()?, [2; 4]);
        Ok(())
    }

    #[test]
    fn configurations_survive_and_other_layers_are_an_error() -> Result<()> {
        for layer in [
            SpectralNormalization::new(Conv1D::new(2, 2)),
            SpectralNormalization::new(Embedding::new(4, 2)).power_iterations(2),
        ] {
            let json = serde_json::to_value(&layer).unwrap();
            let again: SpectralNormalization = serde_json::from_value(json).unwrap();
            assert_eq!(again, layer);
        }
        let layer = SpectralNormalization::new(ReLU::new()).named("spectral");
        let error = Sequential::new([2]).add(layer).build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "layer `spectral` (SpectralNormalization): cannot normalize this layer\n  expected: \
             a layer with a `kernel` or `embeddings`\n       got: ReLU"
        );
        assert!(check_layer(&SpectralNormalization::new(ReLU::new()), [[2, 2]]).is_err());
        Ok(())
    }
}
