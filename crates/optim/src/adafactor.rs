//! Adaptive steps with little memory: [`Adafactor`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use deckle_tensor::DType;

use crate::{
    Common, Optimizer, Result, Slot, Step, Updated,
    class::{class, identity},
    optimizer::{common_setters, ensure, not_negative, slot},
};

/// Gradient descent divided by the root of a mean square kept by rows and columns only.
///
/// With learning rate η, gradient g and step number t from 1, `β = 1 - tᵖ`:
///
/// - of two axes and more, `r ← β·r + (1 - β)·mean(g² + ε₁)` over the last axis, c so over
///   the one before, and `v = r·c / mean(r)`; of fewer `v ← β·v + (1 - β)·(g² + ε₁)`;
/// - `u = g / √v`, `u ← u / max(1, rms(u) / d)` with the clipping threshold d;
/// - `w ← w - max(ε₂, rms(w)) · min(η, 1/√t) · u`.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Adafactor, Optimizer};
///
/// let slots = Adafactor::new().slots("dense/kernel", &[784, 512]).concat();
/// assert_eq!(slots[0].shape, Some(vec![784]));
/// assert_eq!(slots[1].shape, Some(vec![512]));
/// ```
///
/// # Keras
///
/// `keras.optimizers.Adafactor`. `relative_step` changes nothing there either: without it the
/// rate is limited to `1/√t` all the same. v is kept as well, as Keras keeps it.
///
/// # References
///
/// Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018,
/// algorithms 4 and 5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Adafactor {
    #[serde(flatten)]
    common: Common,
    beta_2_decay: f64,
    epsilon_1: f64,
    epsilon_2: f64,
    clip_threshold: f64,
    relative_step: bool,
}

impl Adafactor {
    /// The optimizer with Keras's defaults; its learning rate is 0.001.
    #[must_use]
    pub fn new() -> Self {
        Self {
            common: Common::new("adafactor", 0.001),
            beta_2_decay: -0.8,
            epsilon_1: 1e-30,
            epsilon_2: 1e-3,
            clip_threshold: 1.0,
            relative_step: true,
        }
    }

    /// Sets the power p of the step number; -0.8 by default.
    #[must_use]
    pub fn beta_2_decay(mut self, beta_2_decay: f64) -> Self {
        self.beta_2_decay = beta_2_decay;
        self
    }

    /// Sets what is added to the squared gradient; 1e-30 by default.
    #[must_use]
    pub fn epsilon_1(mut self, epsilon_1: f64) -> Self {
        self.epsilon_1 = epsilon_1;
        self
    }

    /// Sets the smallest root mean square of a weight that counts; 0.001 by default.
    #[must_use]
    pub fn epsilon_2(mut self, epsilon_2: f64) -> Self {
        self.epsilon_2 = epsilon_2;
        self
    }

    /// Sets the root mean square that a step is limited to; 1 by default.
    #[must_use]
    pub fn clip_threshold(mut self, clip_threshold: f64) -> Self {
        self.clip_threshold = clip_threshold;
        self
    }

    /// Sets whether the learning rate is limited to `1/√t`; true by default.
    #[must_use]
    pub fn relative_step(mut self, relative_step: bool) -> Self {
        self.relative_step = relative_step;
        self
    }

    common_setters!();
}

class!(Adafactor, "Adafactor", beta_2_decay, epsilon_1, epsilon_2, clip_threshold, relative_step; ;);

impl Optimizer for Adafactor {
    identity!("Adafactor");

    fn slots(&self, _: &str, shape: &[usize]) -> Vec<Vec<Slot>> {
        let (rows, columns) = match shape {
            [before @ .., rows, columns] => {
                let without = |axis: usize| [before, &[axis]].concat();
                let part = |shape: Vec<usize>| Slot::zeros("").shape(shape);
                (part(without(*rows)), part(without(*columns)))
            }
            // Keras keeps a number in their place.
            _ => {
                let place = Slot::zeros("").shape([]).dtype(DType::I32).untracked();
                (place.clone(), place)
            }
        };
        vec![vec![rows, columns, Slot::zeros("velocity")]]
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let number = step.number();
        let rate = step.learning_rate().minimum(&number.rsqrt()?)?;
        let rms = |x: &Var| x.square()?.mean(..)?.sqrt();
        let rate = rms(weight)?.maximum(self.epsilon_2)?.mul(&rate)?;
        let square = gradient.square()? + self.epsilon_1;
        // `tᵖ`, which is `1 - β`.
        let new = (number.log()? * self.beta_2_decay).exp()?;
        let average = |old: &Var, value: &Var| -> Result<Var> {
            Ok(old.mul(&(1.0 - &new))?.add(&value.mul(&new)?)?)
        };
        let [rows, columns] = [slot(slots, 0)?, slot(slots, 1)?];
        let slots = if weight.rank() >= 2 {
            let rows = average(rows, &square.mean(-1)?)?;
            let columns = average(columns, &square.mean(-2)?)?;
            let part = rows.div(&rows.mean(-1)?.expand_dims(-1)?)?;
            let whole = part.expand_dims(-1)?.mul(&columns.expand_dims(-2)?)?;
            vec![rows, columns, whole]
        } else {
            vec![rows.clone(), columns.clone(), average(slot(slots, 2)?, &square)?]
        };
        let change = gradient.div(&slots[2].sqrt()?)?;
        let limit = (rms(&change)? / self.clip_threshold).maximum(1.0)?;
        let descent = change.mul(&rate.div(&limit)?)?;
        Ok(Updated { weight: weight.sub(&descent)?, slots })
    }

    fn check(&self) -> Result<()> {
        let (class, decay) = (self.class_name(), self.beta_2_decay);
        let fine = decay <= 0.0 && decay.is_finite();
        ensure(class, "beta_2_decay", "a finite number of at most 0", decay, fine)?;
        not_negative(class, "epsilon_1", self.epsilon_1)?;
        not_negative(class, "epsilon_2", self.epsilon_2)?;
        let threshold = self.clip_threshold;
        let fine = threshold > 0.0 && threshold.is_finite();
        ensure(class, "clip_threshold", "a positive finite number", threshold, fine)
    }
}
