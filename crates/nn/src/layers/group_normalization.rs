//! The layer that normalizes groups of channels.

use deckle_autograd::{Axis, Var, Variable};
use deckle_tensor::{Shape, keep, resolve_axis};
use serde::{Deserialize, Serialize};

use super::{
    gamma_beta::{Maybe, check_epsilon, narrow, vector, wide},
    setters::setters,
};
use crate::{
    Built, Call, Constraint, Error, Init, Initializer, Inputs, Layer, Regularizer,
    Result, expect, keras::yes,
};

/// Normalizes groups of channels of each example by themselves.
///
/// `y = gamma · (x - mean) / √(variance + epsilon) + beta`, with mean and (biased) variance over
/// a group's channels and all other axes but the batch. Half precision is computed in `F32`; of
/// whole numbers the result is made whole, as in Keras.
///
/// # Shapes
///
/// | tensor          | shape                                              |
/// |-----------------|----------------------------------------------------|
/// | input, output   | `(batch, ..., channels)`, or another `axis`        |
/// | `gamma`, `beta` | `(channels,)`                                      |
///
/// # Errors
///
/// Building fails if `groups` does not divide the channels, their number is unknown, the axis
/// is the batch, or `epsilon` is negative.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::GroupNormalization};
/// use deckle_tensor::Tensor;
///
/// let layer = GroupNormalization::new(2).epsilon(0.0);
/// let model = Sequential::new([4]).add(layer).build()?;
/// let x = Var::constant(&Tensor::new(vec![1.0f32, 3.0, 10.0, 30.0], [1, 4])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [-1.0, 1.0, -1.0, 1.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.GroupNormalization`. There, `groups` is 32 by default, and -1 stands for one
/// group for each channel: [`GroupNormalization::of_each_channel`].
///
/// # References
///
/// Wu and He, *Group normalization* (2018).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupNormalization {
    #[serde(default = "default_groups")]
    groups: isize,
    #[serde(default = "super::last_axis")]
    axis: isize,
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
    #[serde(default)]
    beta_regularizer: Option<Regularizer>,
    #[serde(default)]
    beta_constraint: Option<Constraint>,
    #[serde(default)]
    gamma_regularizer: Option<Regularizer>,
    #[serde(default)]
    gamma_constraint: Option<Constraint>,
}

fn default_groups() -> isize {
    32
}

fn default_epsilon() -> f64 {
    1e-3
}

impl GroupNormalization {
    /// The layer with that many groups.
    #[must_use]
    pub fn new(groups: usize) -> Self {
        Self {
            groups: isize::try_from(groups).unwrap_or(isize::MAX),
            axis: -1,
            epsilon: default_epsilon(),
            center: true,
            scale: true,
            beta_initializer: Initializer::Zeros,
            gamma_initializer: Initializer::Ones,
            beta_regularizer: None,
            beta_constraint: None,
            gamma_regularizer: None,
            gamma_constraint: None,
        }
    }

    /// The layer with a group for each channel, also called instance normalization.
    #[must_use]
    pub fn of_each_channel() -> Self {
        Self { groups: -1, ..Self::new(1) }
    }

    setters! {
        /// Sets the axis of the channels; the last by default.
        axis: isize;
        /// Sets what is added to the variance; 0.001 by default.
        epsilon: f64;
        /// Sets whether `beta` is added; true by default.
        center: bool;
        /// Sets whether `gamma` multiplies; true by default.
        scale: bool;
        /// Sets the first values of `beta`; zeros by default.
        beta_initializer: Initializer;
        /// Sets the first values of `gamma`; ones by default.
        gamma_initializer: Initializer;
        /// Sets the penalty on `beta`; none by default.
        beta_regularizer: into Option<Regularizer>;
        /// Sets what `beta` is made to be after each step; free by default.
        beta_constraint: into Option<Constraint>;
        /// Sets the penalty on `gamma`; none by default.
        gamma_regularizer: into Option<Regularizer>;
        /// Sets what `gamma` is made to be after each step; free by default.
        gamma_constraint: into Option<Constraint>;
    }

    /// The number of groups of that many channels.
    fn groups(&self, channels: usize) -> Result<usize> {
        let groups = match self.groups {
            -1 => Some(channels),
            groups => usize::try_from(groups).ok(),
        };
        let fits = |groups: &usize| *groups > 0 && channels.is_multiple_of(*groups);
        groups.filter(fits).ok_or_else(|| {
            Error::invalid("`groups` makes no sense", "a divisor of the channels")
                .got(format_args!("{} groups of {channels} channels", self.groups))
        })
    }
}

impl Layer for GroupNormalization {
    fn class_name(&self) -> &'static str {
        "GroupNormalization"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = expect::one_input(inputs)?;
        if resolve_axis("group_normalization", self.axis, input.rank())? == 0 {
            return Err(Error::invalid("`axis` makes no sense", "an axis of channels")
                .got("that of the batch"));
        }
        self.groups(expect::known(input, self.axis)?)?;
        check_epsilon(self.epsilon)?;
        Ok(vec![input.clone()])
    }

    /// They are normalized in full precision.
    fn casts_inputs(&self) -> bool {
        false
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        let channels = expect::known(&inputs[0], self.axis)?;
        let gamma = Maybe {
            wanted: self.scale,
            name: "gamma",
            initializer: &self.gamma_initializer,
            regularizer: self.gamma_regularizer.as_ref(),
            constraint: self.gamma_constraint.as_ref(),
        };
        let beta = Maybe {
            wanted: self.center,
            name: "beta",
            initializer: &self.beta_initializer,
            regularizer: self.beta_regularizer.as_ref(),
            constraint: self.beta_constraint.as_ref(),
        };
        let groups = self.groups(channels)?;
        Ok(Box::new(BuiltGroupNormalization {
            axis: resolve_axis("group_normalization", self.axis, inputs[0].rank())?,
            groups: [groups, channels / groups],
            epsilon: self.epsilon,
            gamma: gamma.make(&[channels], init)?,
            beta: beta.make(&[channels], init)?,
        }))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct BuiltGroupNormalization {
    axis: usize,
    /// How many groups, of how many channels.
    groups: [usize; 2],
    epsilon: f64,
    gamma: Option<Variable>,
    beta: Option<Variable>,
}

impl Built for BuiltGroupNormalization {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let input = inputs.only()?;
        let x = input.cast(wide(call))?;
        let rank = x.rank();
        let with_groups = |axis: &dyn Fn(usize) -> Axis| -> Vec<Axis> {
            let groups = self.groups.map(Axis::from);
            let before = (0..self.axis).map(axis);
            before.chain(groups).chain((self.axis + 1..rank).map(axis)).collect()
        };
        let x = x.reshape(with_groups(&Axis::Of))?;
        let others: Vec<_> = (1..=rank).filter(|&axis| axis != self.axis).collect();
        let distance = x.sub(&x.mean(keep(&others))?)?;
        let variance = distance.square()?.mean(keep(&others))?;
        let mut y = distance.mul(&variance.add(self.epsilon)?.rsqrt()?)?;
        let place = with_groups(&|_| 1.into());
        if let Some(gamma) = &self.gamma {
            y = y.mul(&vector(gamma, call)?.reshape(place.clone())?)?;
        }
        if let Some(beta) = &self.beta {
            y = y.add(&vector(beta, call)?.reshape(place)?)?;
        }
        let y = narrow(&y.reshape_like(input)?, input.dtype())?;
        Ok(vec![y.cast(call.dtype())?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&GroupNormalization::new(2), [[2, 3, 4]])?;
        check_layer(&GroupNormalization::new(1).center(false), [[2, 3]])?;
        check_layer(&GroupNormalization::new(3).axis(1).scale(false), [[2, 3, 2, 2]])?;
        check_layer(&GroupNormalization::of_each_channel(), [[2, 2, 3]])
    }

    #[test]
    fn groups_that_do_not_fit_are_named() {
        let shape = [[None, Some(6)].into()];
        let error = GroupNormalization::new(4).output_shape(&shape).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`groups` makes no sense\n  expected: a divisor of the channels\n       \
             got: 4 groups of 6 channels"
        );
    }
}
