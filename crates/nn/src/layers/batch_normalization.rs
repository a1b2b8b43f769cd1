//! The layer that normalizes by the batch's statistics.

mod renorm;

use deckle_autograd::{Axis, Var, Variable};
use deckle_tensor::{DType, Shape, keep, resolve_axis};
use serde::{Deserialize, Serialize};

use super::gamma_beta::check_epsilon;
use crate::{
    Built, Call, Constraint, Init, Initializer, Inputs, Layer, Regularizer, Result,
    expect, keras::yes,
};
pub use renorm::RenormClipping;

/// Normalizes each feature: `y = gamma · (x - mean) / √(variance + epsilon) + beta`.
///
/// In training, mean and (biased) variance are those of the whole batch over all axes but
/// `axis`, masked steps left out; the moving ones become
/// `momentum · moving + (1 - momentum) · batch` when the step is done. In inference, and if the
/// layer is not trainable, the moving ones are used and stay as they are. Half precision is
/// computed in `F32`.
///
/// With renormalization, training normalizes as inference does but for limits: what the batch's
/// statistics give is multiplied by `r = √(variance + epsilon) / renorm_stddev` and moved by
/// `d = (mean - renorm_mean) / renorm_stddev`, both clipped and without gradients.
///
/// # Shapes
///
/// | tensor                                                   | shape                     |
/// |----------------------------------------------------------|---------------------------|
/// | input, output                                            | `(batch, ..., features)`  |
/// | `gamma`, `beta`, `moving_mean`, `moving_variance`        | `(features,)`             |
/// | `moving_stddev`, `renorm_mean`, `renorm_stddev`          | so too, if there are such |
///
/// # Errors
///
/// Building fails if there is no such axis, its length is unknown, a momentum is no number from 0
/// to 1, `epsilon` is below 0, or a limit of renormalization makes no sense.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::BatchNormalization};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([1]).add(BatchNormalization::new().epsilon(3.0)).build()?;
/// let x = Var::constant(&Tensor::new(vec![6.0f32], [1, 1])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [3.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.BatchNormalization`; `synchronized`, the statistics of several devices, makes no
/// difference to one.
///
/// # References
///
/// Ioffe and Szegedy, *Batch normalization: accelerating deep network training by reducing
/// internal covariate shift* (2015). Ioffe, *Batch renormalization* (2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchNormalization {
    #[serde(default = "super::last_axis")]
    axis: isize,
    #[serde(default = "default_momentum")]
    momentum: f64,
    #[serde(default = "default_epsilon")]
    epsilon: f64,
    #[serde(default = "yes")]
    center: bool,
    #[serde(default = "yes")]
    scale: bool,
    #[serde(default = "Initializer::zeros")]
    beta_initializer: Initializer,
    #[serde(default = "Initializer::ones")]
    gamma_initializer: Initializer,
    #[serde(default = "Initializer::zeros")]
    moving_mean_initializer: Initializer,
    #[serde(default = "Initializer::ones")]
    moving_variance_initializer: Initializer,
    #[serde(default)]
    beta_regularizer: Option<Regularizer>,
    #[serde(default)]
    beta_constraint: Option<Constraint>,
    #[serde(default)]
    gamma_regularizer: Option<Regularizer>,
    #[serde(default)]
    gamma_constraint: Option<Constraint>,
    #[serde(default)]
    synchronized: bool,
    #[serde(default)]
    renorm: bool,
    #[serde(default)]
    renorm_clipping: Option<RenormClipping>,
    #[serde(default = "default_momentum")]
    renorm_momentum: f64,
}

fn default_momentum() -> f64 {
    0.99
}

fn default_epsilon() -> f64 {
    1e-3
}

impl Default for BatchNormalization {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchNormalization {
    /// The layer with Keras's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            axis: -1,
            momentum: default_momentum(),
            epsilon: default_epsilon(),
            center: true,
            scale: true,
            beta_initializer: Initializer::Zeros,
            gamma_initializer: Initializer::Ones,
            moving_mean_initializer: Initializer::Zeros,
            moving_variance_initializer: Initializer::Ones,
            beta_regularizer: None,
            beta_constraint: None,
            gamma_regularizer: None,
            gamma_constraint: None,
            synchronized: false,
            renorm: false,
            renorm_clipping: None,
            renorm_momentum: default_momentum(),
        }
    }

    /// Sets whether training renormalizes; false by default.
    #[must_use]
    pub fn renorm(mut self, renorm: bool) -> Self {
        self.renorm = renorm;
        self
    }

    /// Sets how far renormalization may go; anywhere by default.
    #[must_use]
    pub fn renorm_clipping(mut self, clipping: RenormClipping) -> Self {
        self.renorm_clipping = Some(clipping);
        self
    }

    /// Sets what the statistics of renormalization keep of themselves at each step; 0.99 by
    /// default.
    #[must_use]
    pub fn renorm_momentum(mut self, momentum: f64) -> Self {
        self.renorm_momentum = momentum;
        self
    }

    /// Sets the axis of the features; the last by default.
    #[must_use]
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    /// Sets what the moving statistics keep of themselves at each step; 0.99 by default.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Sets what is added to the variance; 0.001 by default.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Sets whether `beta` is added; true by default.
    #[must_use]
    pub fn center(mut self, center: bool) -> Self {
        self.center = center;
        self
    }

    /// Sets whether `gamma` multiplies; true by default.
    #[must_use]
    pub fn scale(mut self, scale: bool) -> Self {
        self.scale = scale;
        self
    }

    /// Sets the first values of `beta`; zeros by default.
    #[must_use]
    pub fn beta_initializer(mut self, initializer: Initializer) -> Self {
        self.beta_initializer = initializer;
        self
    }

    /// Sets the first values of `gamma`; ones by default.
    #[must_use]
    pub fn gamma_initializer(mut self, initializer: Initializer) -> Self {
        self.gamma_initializer = initializer;
        self
    }

    /// Sets the first moving mean; zeros by default.
    #[must_use]
    pub fn moving_mean_initializer(mut self, initializer: Initializer) -> Self {
        self.moving_mean_initializer = initializer;
        self
    }

    /// Sets the first moving variance; ones by default.
    #[must_use]
    pub fn moving_variance_initializer(mut self, initializer: Initializer) -> Self {
        self.moving_variance_initializer = initializer;
        self
    }

    /// Sets the penalty on `beta`; none by default.
    #[must_use]
    pub fn beta_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.beta_regularizer = Some(regularizer);
        self
    }

    /// Sets what `beta` is made to be after each step; free by default.
    #[must_use]
    pub fn beta_constraint(mut self, constraint: Constraint) -> Self {
        self.beta_constraint = Some(constraint);
        self
    }

    /// Sets the penalty on `gamma`; none by default.
    #[must_use]
    pub fn gamma_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.gamma_regularizer = Some(regularizer);
        self
    }

    /// Sets what `gamma` is made to be after each step; free by default.
    #[must_use]
    pub fn gamma_constraint(mut self, constraint: Constraint) -> Self {
        self.gamma_constraint = Some(constraint);
        self
    }
}

impl Layer for BatchNormalization {
    fn class_name(&self) -> &'static str {
        "BatchNormalization"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        expect::known(input, self.axis)?;
        expect::rate("momentum", self.momentum)?;
        expect::rate("renorm_momentum", self.renorm_momentum)?;
        self.renorm_clipping.unwrap_or_default().check()?;
        check_epsilon(self.epsilon)?;
        Ok(vec![input.clone()])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let shape = [expect::known(&inputs[0], self.axis)?];
        let mut gamma = None;
        if self.scale {
            let made = init.variable("gamma", shape, &self.gamma_initializer)?;
            init.regularize(&made, self.gamma_regularizer.as_ref());
            init.constrain(&made, self.gamma_constraint.as_ref());
            gamma = Some(made);
        }
        let mut beta = None;
        if self.center {
            let made = init.variable("beta", shape, &self.beta_initializer)?;
            init.regularize(&made, self.beta_regularizer.as_ref());
            init.constrain(&made, self.beta_constraint.as_ref());
            beta = Some(made);
        }
        let moving_mean =
            init.state("moving_mean", shape, &self.moving_mean_initializer)?;
        let moving_variance =
            init.state("moving_variance", shape, &self.moving_variance_initializer)?;
        let mut renorm = None;
        if self.renorm {
            let (mean, stddev) = (moving_mean.value()?, moving_variance.value()?.sqrt()?);
            renorm = Some(Renorm {
                momentum: self.renorm_momentum,
                clipping: self.renorm_clipping.unwrap_or_default(),
                moving_stddev: init.state_of("moving_stddev", &stddev)?,
                mean: init.state_of("renorm_mean", &mean)?,
                stddev: init.state_of("renorm_stddev", &stddev)?,
            });
        }
        Ok(Box::new(BuiltBatchNormalization {
            axis: resolve_axis("batch_normalization", self.axis, inputs[0].rank())?,
            momentum: self.momentum,
            epsilon: self.epsilon,
            gamma,
            beta,
            moving_mean,
            moving_variance,
            renorm,
        }))
    }

    fn has_constants(&self) -> bool {
        self.renorm
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct BuiltBatchNormalization {
    axis: usize,
    momentum: f64,
    epsilon: f64,
    gamma: Option<Variable>,
    beta: Option<Variable>,
    moving_mean: Variable,
    moving_variance: Variable,
    renorm: Option<Renorm>,
}

/// The state of renormalization.
#[derive(Debug)]
struct Renorm {
    momentum: f64,
    clipping: RenormClipping,
    moving_stddev: Variable,
    mean: Variable,
    stddev: Variable,
}

impl BuiltBatchNormalization {
    /// Mean and variance of the batch, with all axes kept; steps that a mask leaves out do not
    /// count.
    fn moments(&self, x: &Var, mask: Option<&Var>) -> Result<(Var, Var)> {
        let others: Vec<_> = (0..x.rank()).filter(|&axis| axis != self.axis).collect();
        let Some(mask) = mask else {
            return Ok(x.moments(keep(&others))?);
        };
        let mut mask = mask.clone();
        while mask.rank() < x.rank() {
            mask = mask.expand_dims(-1)?;
        }
        let counted = mask.cast(x.dtype())?.broadcast_like(x)?.sum(keep(&others))? + 1e-7;
        let mean = mask.select(x, 0.0)?.sum(keep(&others))?.div(&counted)?;
        let distance = mask.select(&x.sub(&mean)?, 0.0)?;
        let variance = distance.square()?.sum(keep(&others))?.div(&counted)?;
        Ok((mean, variance))
    }

    /// What multiplies and what is added to batch-normalized numbers, in place of `gamma` and
    /// `beta`; updates all statistics. `along` lays vectors along the features.
    fn renormalized(
        &self,
        renorm: &Renorm,
        (mean, variance): (&Var, &Var),
        along: impl Fn(&Var) -> Result<Var>,
        call: &mut Call<'_>,
    ) -> Result<(Var, Var)> {
        let stddev = variance.add(self.epsilon)?.sqrt()?;
        let smallest = self.epsilon.sqrt();
        let known = along(&call.read_exact(&renorm.stddev))?.maximum(smallest)?;
        let r = stddev.div(&known)?;
        let d = mean.sub(&along(&call.read_exact(&renorm.mean))?)?.div(&known)?;
        let (r, d) = renorm.clipping.clip(&r, &d)?;
        moved(&renorm.mean, mean, renorm.momentum, call)?;
        moved(&renorm.stddev, &stddev, renorm.momentum, call)?;
        moved(&self.moving_mean, mean, self.momentum, call)?;
        let deviation = moved(&renorm.moving_stddev, &stddev, self.momentum, call)?;
        let variance = deviation.square()?.sub(self.epsilon)?.relu()?;
        call.update(&self.moving_variance, &variance.stop_gradient()?);
        Ok((r.stop_gradient()?, d.stop_gradient()?))
    }
}

/// Gives a moving statistic its new value, and returns that.
fn moved(
    moving: &Variable,
    batch: &Var,
    momentum: f64,
    call: &mut Call<'_>,
) -> Result<Var> {
    let before = call.read_exact(moving);
    let batch = batch.reshape([moving.shape()[0]])?.cast(moving.dtype())?;
    let value = before.mul(momentum)?.add(&batch.mul(1.0 - momentum)?)?;
    let value = value.stop_gradient()?;
    call.update(moving, &value);
    Ok(value)
}

impl Built for BuiltBatchNormalization {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let input = inputs.only()?;
        let mask = inputs.named("mask").next().or_else(|| call.mask(input)).cloned();
        let half = matches!(call.dtype(), DType::F16 | DType::BF16);
        let wide = if half { DType::F32 } else { call.dtype() };
        let x = input.cast(wide)?;
        // A vector of features, with all axes of the input.
        let along = |vector: &Var| -> Result<Var> {
            let mut axes = vec![Axis::from(1); x.rank()];
            axes[self.axis] = Axis::Of(0);
            Ok(vector.cast(wide)?.reshape(axes)?)
        };
        let mut corrections = None;
        let (mean, variance) = if call.updates_state() {
            let (mean, variance) = self.moments(&x, mask.as_ref())?;
            if let Some(renorm) = &self.renorm {
                let statistics = (&mean, &variance);
                corrections = Some(self.renormalized(renorm, statistics, along, call)?);
            } else {
                moved(&self.moving_mean, &mean, self.momentum, call)?;
                moved(&self.moving_variance, &variance, self.momentum, call)?;
            }
            (mean, variance)
        } else {
            let (mean, variance) = (&self.moving_mean, &self.moving_variance);
            (along(&call.read_exact(mean))?, along(&call.read_exact(variance))?)
        };
        let mut factor = variance.add(self.epsilon)?.rsqrt()?;
        let mut shift = None;
        if let Some((r, d)) = corrections {
            factor = factor.mul(&r)?;
            shift = Some(d);
        }
        if let Some(gamma) = &self.gamma {
            let gamma = along(&call.read_exact(gamma))?;
            factor = factor.mul(&gamma)?;
            shift = shift.map(|shift| shift.mul(&gamma)).transpose()?;
        }
        let mut y = x.sub(&mean)?.mul(&factor)?;
        if let Some(shift) = shift {
            y = y.add(&shift)?;
        }
        if let Some(beta) = &self.beta {
            y = y.add(&along(&call.read_exact(beta))?)?;
        }
        Ok(vec![y.cast(call.dtype())?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_autograd::{Device, Function};
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{LayerExt, Model, Randomness, Sequential, Symbol, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&BatchNormalization::new(), [[3, 2]])?;
        check_layer(&BatchNormalization::new().axis(1).center(false), [[3, 2, 4]])?;
        check_layer(
            &BatchNormalization::new().scale(false).epsilon(0.1),
            [[2, 3, 2, 2]],
        )?;
        let clipping = RenormClipping { rmax: Some(2.0), rmin: None, dmax: Some(0.5) };
        check_layer(&BatchNormalization::new().renorm(true), [[3, 2]])?;
        let layer = BatchNormalization::new().renorm(true).renorm_momentum(0.5);
        check_layer(&layer.renorm_clipping(clipping).scale(false), [[3, 4, 2]])
    }

    /// One step of training on inputs, which returns the outputs.
    fn step(model: &Model, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let number = Var::constant(&Tensor::scalar(0i64));
        let mut call = Call::training(Randomness { seed: &number, step: &number });
        let inputs: Vec<_> = inputs.iter().map(Var::constant).collect();
        let y = model.call(&inputs, &mut call)?;
        let function = Function::new([], &y).updates(call.updates().to_vec());
        Ok(function.compile(&Device::reference())?.call(&[])?)
    }

    fn values(model: &Model) -> Vec<Vec<f32>> {
        let values = model.variables().into_iter().map(|v| v.value().unwrap());
        values.map(|value| value.to_vec().unwrap()).collect()
    }

    #[track_caller]
    fn close(a: &[f32], b: &[f32]) {
        assert!(
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5),
            "{a:?} is not {b:?}"
        );
    }

    /// Keras 3.15.1: one step on [[1, 2], [3, 6]].
    #[test]
    fn a_step_is_kerass() -> Result<()> {
        let model = Sequential::new([2]).add(BatchNormalization::new()).build()?;
        let x = Tensor::new(vec![1.0f32, 2.0, 3.0, 6.0], [2, 2])?;
        let y = step(&model, &[x])?;
        close(&y[0].to_vec()?, &[-0.9995, -0.999_875, 0.9995, 0.999_875]);
        let [gamma, beta, mean, variance] = &values(&model)[..] else { panic!() };
        close(gamma, &[1.0, 1.0]);
        close(beta, &[0.0, 0.0]);
        close(mean, &[0.02, 0.04]);
        close(variance, &[1.0, 1.03]);
        Ok(())
    }

    #[test]
    fn a_frozen_layer_uses_and_keeps_its_statistics() -> Result<()> {
        let layer = BatchNormalization::new().trainable(false);
        let model = Sequential::new([1]).add(layer).build()?;
        let y = step(&model, &[Tensor::new(vec![1.0f32, 3.0], [2, 1])?])?;
        let factor = 1.0 / 1.001f32.sqrt();
        close(&y[0].to_vec()?, &[factor, 3.0 * factor]);
        assert_eq!(values(&model)[2], [0.0]);
        Ok(())
    }

    #[test]
    fn masked_steps_do_not_count() -> Result<()> {
        let x = Symbol::input("x", [2, 1]);
        let mask = Symbol::typed_input("mask", [2], DType::Bool);
        let layer = BatchNormalization::new().momentum(0.0).shared();
        let y = layer.call([&x], [("mask", &mask)])?.remove(0);
        let model = Model::new([&x, &mask], [&y])?;
        let x = Tensor::new(vec![1.0f32, 9.0, 3.0, -7.0], [2, 2, 1])?;
        step(&model, &[x, Tensor::new(vec![true, false, true, false], [2, 2])?])?;
        close(&values(&model)[2], &[2.0]);
        close(&values(&model)[3], &[1.0]);
        Ok(())
    }

    /// Keras 3.15.1: of uses that are as far from the outputs, the last that is met is first.
    #[test]
    fn the_second_use_sees_the_firsts_update() -> Result<()> {
        let (a, b) = (Symbol::input("a", [1]), Symbol::input("b", [1]));
        let layer = BatchNormalization::new().momentum(0.5).shared();
        let (p, q) = (layer.apply(&a)?, layer.apply(&b)?);
        let both = crate::layers::Concatenate::new().join([&p, &q])?;
        // (0 / 2 + 8 / 2) / 2 + 4 / 2, and the other way around.
        for (outputs, mean) in
            [(vec![&p, &q], 4.0), (vec![&q, &p], 5.0), (vec![&both], 5.0)]
        {
            let model = Model::new([&a, &b], outputs)?;
            let x = [Tensor::full([1, 1], 4.0f32), Tensor::full([1, 1], 8.0f32)];
            step(&model, &x)?;
            close(&values(&model)[2], &[mean]);
        }
        Ok(())
    }

    #[test]
    fn an_unknown_axis_is_named() {
        let shape = [None, Some(2), None].into();
        let error = BatchNormalization::new().output_shape(&[shape]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot take this input\n  expected: a known length of axis -1\n       \
             got: (batch, 2, ?)\n      help: give the model's input that length"
        );
    }
}
