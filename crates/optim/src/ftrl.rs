//! Following the regularized leader: [`Ftrl`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Optimizer, Result, Slot, Step, Updated,
    class::{class, identity},
    optimizer::{common_setters, ensure, not_negative, slot},
};

/// The minimum of all gradients so far plus penalties, which makes many weights exactly 0.
///
/// With learning rate η, gradient g and power p, which is 0 or negative:
///
/// - `n ← n₀ + g²`, `z ← z + g + 2·s·w - (n⁻ᵖ - n₀⁻ᵖ)/η · w`;
/// - `w ← (clip(z, -l₁, l₁) - z) / (n⁻ᵖ/η + 2·l₂ + β/η)`.
///
/// A step does not start from the weight alone: even a tiny learning rate changes it.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Ftrl, Optimizer};
///
/// let slots = Ftrl::new().initial_accumulator_value(0.5).slots("kernel", &[3]).concat();
/// assert_eq!((slots[0].name, slots[0].initial), ("accumulator", 0.5));
/// ```
///
/// # Keras
///
/// `keras.optimizers.Ftrl`.
///
/// # References
///
/// `McMahan` et al., "Ad Click Prediction: a View from the Trenches", 2013, algorithm 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Ftrl {
    #[serde(flatten)]
    common: Common,
    learning_rate_power: f64,
    initial_accumulator_value: f64,
    l1_regularization_strength: f64,
    l2_regularization_strength: f64,
    l2_shrinkage_regularization_strength: f64,
    beta: f64,
}

impl Ftrl {
    /// The optimizer with Keras's defaults; its learning rate is 0.001.
    #[must_use]
    pub fn new() -> Self {
        Self {
            common: Common::new("ftrl", 0.001),
            learning_rate_power: -0.5,
            initial_accumulator_value: 0.1,
            l1_regularization_strength: 0.0,
            l2_regularization_strength: 0.0,
            l2_shrinkage_regularization_strength: 0.0,
            beta: 0.0,
        }
    }

    /// Sets the power of the sum of squares that the learning rate falls by; -0.5 by default.
    #[must_use]
    pub fn learning_rate_power(mut self, learning_rate_power: f64) -> Self {
        self.learning_rate_power = learning_rate_power;
        self
    }

    /// Sets the sum of squares before the first step; 0.1 by default.
    #[must_use]
    pub fn initial_accumulator_value(mut self, initial_accumulator_value: f64) -> Self {
        self.initial_accumulator_value = initial_accumulator_value;
        self
    }

    /// Sets the penalty on absolute values; 0 by default.
    #[must_use]
    pub fn l1_regularization_strength(mut self, l1_regularization_strength: f64) -> Self {
        self.l1_regularization_strength = l1_regularization_strength;
        self
    }

    /// Sets the penalty on squares; 0 by default.
    #[must_use]
    pub fn l2_regularization_strength(mut self, l2_regularization_strength: f64) -> Self {
        self.l2_regularization_strength = l2_regularization_strength;
        self
    }

    /// Sets the penalty on squares that is added to the gradient; 0 by default.
    #[must_use]
    pub fn l2_shrinkage_regularization_strength(
        mut self,
        l2_shrinkage_regularization_strength: f64,
    ) -> Self {
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength;
        self
    }

    /// Sets what is added to the root of the sum of squares; 0 by default.
    #[must_use]
    pub fn beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }

    common_setters!();

    /// `n⁻ᵖ`.
    fn root(&self, sum: &Var) -> Result<Var> {
        Ok(if (self.learning_rate_power + 0.5).abs() < f64::EPSILON {
            sum.sqrt()?
        } else {
            sum.power(-self.learning_rate_power)?
        })
    }
}

class!(Ftrl, "Ftrl", learning_rate_power, initial_accumulator_value, l1_regularization_strength, l2_regularization_strength, l2_shrinkage_regularization_strength, beta; ;);

impl Optimizer for Ftrl {
    identity!("Ftrl");

    fn slots(&self, _: &str, _: &[usize]) -> Vec<Vec<Slot>> {
        let sum = Slot::filled("accumulator", self.initial_accumulator_value);
        vec![vec![sum, Slot::zeros("linear")]]
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let rate = step.learning_rate();
        let (before, linear) = (slot(slots, 0)?, slot(slots, 1)?);
        let sum = before.add(&gradient.square()?)?;
        let (root, root_before) = (self.root(&sum)?, self.root(before)?);
        let pull = root.sub(&root_before)?.div(rate)?.mul(weight)?;
        let shrink = weight * (2.0 * self.l2_shrinkage_regularization_strength);
        let linear = linear.add(&gradient.add(&shrink)?.sub(&pull)?)?;
        // Keras's `2·(l₂ + β/(2η))`.
        let penalty = (self.beta / rate.clone()) + 2.0 * self.l2_regularization_strength;
        let quadratic = root.div(rate)?.add(&penalty)?;
        let strength = self.l1_regularization_strength;
        let clipped = linear.maximum(-strength)?.minimum(strength)?;
        let weight = clipped.sub(&linear)?.div(&quadratic)?;
        Ok(Updated { weight, slots: vec![sum, linear] })
    }

    fn check(&self) -> Result<()> {
        let (class, power) = (self.class_name(), self.learning_rate_power);
        let fine = power <= 0.0 && power.is_finite();
        ensure(
            class,
            "learning_rate_power",
            "a finite number of at most 0",
            power,
            fine,
        )?;
        for (setting, value) in [
            ("initial_accumulator_value", self.initial_accumulator_value),
            ("l1_regularization_strength", self.l1_regularization_strength),
            ("l2_regularization_strength", self.l2_regularization_strength),
            (
                "l2_shrinkage_regularization_strength",
                self.l2_shrinkage_regularization_strength,
            ),
        ] {
            not_negative(class, setting, value)?;
        }
        ensure(class, "beta", "a finite number", self.beta, self.beta.is_finite())
    }
}
