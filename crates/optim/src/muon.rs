//! Steps by matrices whose singular values are all about 1: [`Muon`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Common, Optimizer, Result, Slot, Step, Updated,
    betas::{Betas, unseen},
    class::{class, identity},
    optimizer::{common_setters, decay, ensure, not_negative, slot},
};

/// Descent of matrices by their momentum made orthogonal; all other weights by `AdamW`.
///
/// With learning rate η and gradient g, a matrix takes `m ← μ·m + g`,
/// `u = g + μ·m` (without Nesterov `u = m`), `u ← u/‖u‖`, then as often as `ns_steps` says
/// `u ← a·u + (b·A + c·A²)·u` with `A = u·uᵀ`, and
/// `w ← w - η·r·√max(rows, columns)·u` with `r` the root-mean-square rate.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Muon, Optimizer};
///
/// let muon = Muon::new();
/// assert_eq!(muon.slots("dense/kernel", &[3, 2]).concat().len(), 1);
/// assert_eq!(muon.slots("embedding/embeddings", &[3, 2]).concat().len(), 2);
/// ```
///
/// # Keras
///
/// `keras.optimizers.Muon`. `exclude_layers` holds plain texts that occur in a weight's path,
/// where Keras has patterns.
///
/// # References
///
/// Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; Liu et al.,
/// "Muon is Scalable for LLM Training", 2025, section 2.2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Muon {
    #[serde(flatten)]
    common: Common,
    adam_beta_1: f64,
    adam_beta_2: f64,
    epsilon: f64,
    exclude_layers: Vec<String>,
    muon_a: f64,
    muon_b: f64,
    muon_c: f64,
    #[serde(serialize_with = "whole_if_whole")]
    adam_lr_ratio: f64,
    momentum: f64,
    ns_steps: u64,
    nesterov: bool,
    exclude_embeddings: bool,
    adam_weight_decay: Option<f64>,
    rms_rate: Option<f64>,
}

impl Muon {
    /// The optimizer with Keras's defaults; its learning rate is 0.001.
    #[must_use]
    pub fn new() -> Self {
        let mut common = Common::new("muon", 0.001);
        common.weight_decay = Some(0.004);
        Self {
            common,
            adam_beta_1: 0.9,
            adam_beta_2: 0.999,
            epsilon: 1e-7,
            exclude_layers: Vec::new(),
            muon_a: 3.4445,
            muon_b: -4.775,
            muon_c: 2.0315,
            adam_lr_ratio: 1.0,
            momentum: 0.95,
            ns_steps: 5,
            nesterov: true,
            exclude_embeddings: true,
            adam_weight_decay: Some(0.004),
            rms_rate: Some(0.2),
        }
    }

    /// Sets how much of the gradient's mean stays in `AdamW`; 0.9 by default.
    #[must_use]
    pub fn adam_beta_1(mut self, adam_beta_1: f64) -> Self {
        self.adam_beta_1 = adam_beta_1;
        self
    }

    /// Sets how much of the gradient's mean square stays in `AdamW`; 0.999 by default.
    #[must_use]
    pub fn adam_beta_2(mut self, adam_beta_2: f64) -> Self {
        self.adam_beta_2 = adam_beta_2;
        self
    }

    /// Sets what `AdamW` adds to the root of the mean square; 1e-7 by default.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Sets texts in paths of weights that `AdamW` takes; none by default.
    #[must_use]
    pub fn exclude_layers<T: Into<String>>(
        mut self,
        exclude_layers: impl IntoIterator<Item = T>,
    ) -> Self {
        self.exclude_layers = exclude_layers.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the first factor of the iteration; 3.4445 by default.
    #[must_use]
    pub fn muon_a(mut self, muon_a: f64) -> Self {
        self.muon_a = muon_a;
        self
    }

    /// Sets the second factor of the iteration; -4.775 by default.
    #[must_use]
    pub fn muon_b(mut self, muon_b: f64) -> Self {
        self.muon_b = muon_b;
        self
    }

    /// Sets the third factor of the iteration; 2.0315 by default.
    #[must_use]
    pub fn muon_c(mut self, muon_c: f64) -> Self {
        self.muon_c = muon_c;
        self
    }

    /// Sets `AdamW`'s learning rate over that of matrices; 1 by default.
    #[must_use]
    pub fn adam_lr_ratio(mut self, adam_lr_ratio: f64) -> Self {
        self.adam_lr_ratio = adam_lr_ratio;
        self
    }

    /// Sets how much of the momentum stays in each step; 0.95 by default.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Sets how often the iteration is made; 5 by default.
    #[must_use]
    pub fn ns_steps(mut self, ns_steps: u64) -> Self {
        self.ns_steps = ns_steps;
        self
    }

    /// Sets whether the momentum looks one step ahead; true by default.
    #[must_use]
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.nesterov = nesterov;
        self
    }

    /// Sets whether `AdamW` takes embeddings; true by default.
    #[must_use]
    pub fn exclude_embeddings(mut self, exclude_embeddings: bool) -> Self {
        self.exclude_embeddings = exclude_embeddings;
        self
    }

    /// Sets the weight decay of `AdamW`'s weights; 0.004 by default.
    #[must_use]
    pub fn adam_weight_decay(
        mut self,
        adam_weight_decay: impl Into<Option<f64>>,
    ) -> Self {
        self.adam_weight_decay = adam_weight_decay.into();
        self
    }

    /// Sets the root mean square of a step; 0.2 by default.
    #[must_use]
    pub fn rms_rate(mut self, rms_rate: impl Into<Option<f64>>) -> Self {
        self.rms_rate = rms_rate.into();
        self
    }

    common_setters!();

    /// Whether `AdamW` takes the weight of that path and shape.
    fn leaves_to_adam(&self, path: &str, shape: &[usize]) -> bool {
        let is_embedding = || path.to_lowercase().contains("embedding");
        shape.len() != 2
            || (self.exclude_embeddings && is_embedding())
            || self.exclude_layers.iter().any(|text| path.contains(text))
    }

    fn adam(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        let (beta_1, beta_2) = (self.adam_beta_1, self.adam_beta_2);
        let betas = Betas { beta_1, beta_2, epsilon: self.epsilon };
        let (mean, square) = betas.averages(gradient, slots)?;
        let rate = step.learning_rate() * self.adam_lr_ratio;
        let rate = rate.mul(&unseen(beta_2, step.number())?.sqrt()?)?;
        let rate = rate.div(&unseen(beta_1, step.number())?)?;
        let descent = mean.mul(&rate)?.div(&(square.sqrt()? + self.epsilon))?;
        Ok(Updated { weight: weight.sub(&descent)?, slots: vec![mean, square] })
    }

    /// The matrix with singular values near 1, by Newton's and Schulz's iteration.
    fn orthogonal(&self, matrix: &Var) -> Result<Var> {
        let is_tall = match matrix.shape().known() {
            Some(shape) => shape[0] > shape[1],
            None => false,
        };
        let mut x = if is_tall { matrix.swap_axes(0, 1)? } else { matrix.clone() };
        x = x.div(&(x.square()?.sum(..)?.sqrt()? + 1e-7))?;
        for _ in 0..self.ns_steps {
            let square = x.matmul(&x.swap_axes(0, 1)?)?;
            let fourth = (&square * self.muon_c).matmul(&square)?;
            let inner = (square * self.muon_b).add(&fourth)?;
            x = (&x * self.muon_a).add(&inner.matmul(&x)?)?;
        }
        Ok(if is_tall { x.swap_axes(0, 1)? } else { x })
    }
}

class!(Muon, "Muon", adam_beta_1, adam_beta_2, epsilon, exclude_layers, muon_a, muon_b, muon_c, adam_lr_ratio, momentum, ns_steps, nesterov, exclude_embeddings; ; adam_weight_decay, rms_rate);

impl Optimizer for Muon {
    identity!("Muon");

    fn slots(&self, path: &str, shape: &[usize]) -> Vec<Vec<Slot>> {
        let mut slots = vec![Slot::zeros("momentum")];
        if self.leaves_to_adam(path, shape) {
            slots.push(Slot::zeros("velocity"));
        }
        vec![slots]
    }

    fn weight_decay(&self, path: &str, shape: &[usize]) -> Option<f64> {
        match self.leaves_to_adam(path, shape) {
            true => self.adam_weight_decay,
            false => self.common.weight_decay,
        }
    }

    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated> {
        if slots.len() > 1 {
            return self.adam(step, weight, gradient, slots);
        }
        let momentum = (slot(slots, 0)? * self.momentum).add(gradient)?;
        let ahead = match self.nesterov {
            true => gradient.add(&(&momentum * self.momentum))?,
            false => momentum.clone(),
        };
        let mut change = self.orthogonal(&ahead)?;
        if let Some(rate) = self.rms_rate {
            let longest = change.count_of(0, change.dtype())?;
            let longest = longest.maximum(&change.count_of(1, change.dtype())?)?;
            change = change.mul(&(longest.sqrt()? * rate))?;
        }
        let weight = weight.sub(&change.mul(step.learning_rate())?)?;
        Ok(Updated { weight, slots: vec![momentum] })
    }

    fn check(&self) -> Result<()> {
        let class = self.class_name();
        decay(class, "adam_beta_1", self.adam_beta_1)?;
        decay(class, "adam_beta_2", self.adam_beta_2)?;
        not_negative(class, "epsilon", self.epsilon)?;
        not_negative(class, "adam_lr_ratio", self.adam_lr_ratio)?;
        not_negative(class, "adam_weight_decay", self.adam_weight_decay.unwrap_or(0.0))?;
        for (setting, factor) in
            [("muon_a", self.muon_a), ("muon_b", self.muon_b), ("muon_c", self.muon_c)]
        {
            ensure(class, setting, "a finite number", factor, factor.is_finite())?;
        }
        not_negative(class, "rms_rate", self.rms_rate.unwrap_or(0.0))?;
        let (momentum, steps) = (self.momentum, self.ns_steps);
        ensure(class, "momentum", "a finite number", momentum, momentum.is_finite())?;
        ensure(class, "ns_steps", "at most 100 steps", steps, steps <= 100)
    }
}

/// Writes a whole number as Python writes the default.
fn whole_if_whole<S: serde::Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
    if value.fract() == 0.0 && value.abs() < 1e9 {
        to.serialize_i64(*value as i64)
    } else {
        to.serialize_f64(*value)
    }
}
