//! One step: [`Step`], [`Slot`], [`Updated`].

use deckle_autograd::Var;
use deckle_tensor::DType;

/// A tensor that an optimizer keeps for each weight.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Slot {
    /// Its name, which follows the weight's; empty for the weight's own.
    pub name: &'static str,
    /// What it is filled with at first.
    pub initial: f64,
    /// Whether it starts as the weight instead.
    pub is_copy: bool,
    /// Its shape, if not the weight's.
    pub shape: Option<Vec<usize>>,
    /// Its element type, if not the weight's.
    pub dtype: Option<DType>,
    /// Whether Keras leaves it out of files when the optimizer is in a
    /// [`LossScaleOptimizer`](crate::LossScaleOptimizer).
    pub is_untracked: bool,
}

impl Slot {
    /// A slot of zeros.
    #[must_use]
    pub fn zeros(name: &'static str) -> Self {
        Self::filled(name, 0.0)
    }

    /// A slot filled with a number.
    #[must_use]
    pub fn filled(name: &'static str, initial: f64) -> Self {
        Self {
            name,
            initial,
            is_copy: false,
            shape: None,
            dtype: None,
            is_untracked: false,
        }
    }

    /// A slot that starts as the weight.
    #[must_use]
    pub fn copy(name: &'static str) -> Self {
        Self { is_copy: true, ..Self::zeros(name) }
    }

    /// Sets the shape; the weight's by default.
    #[must_use]
    pub fn shape(mut self, shape: impl Into<Vec<usize>>) -> Self {
        self.shape = Some(shape.into());
        self
    }

    /// Sets that Keras leaves it out of files when the optimizer is in another one.
    #[must_use]
    pub fn untracked(mut self) -> Self {
        self.is_untracked = true;
        self
    }

    /// Sets the element type; the weight's by default.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.dtype = Some(dtype);
        self
    }
}

/// What is the same for all weights in one step.
#[derive(Clone, Debug)]
pub struct Step {
    learning_rate: Var,
    number: Var,
    shared: Vec<Var>,
}

impl Step {
    /// The step of that learning rate and number, two scalars of one floating-point type.
    #[must_use]
    pub fn new(learning_rate: Var, number: Var) -> Self {
        Self { learning_rate, number, shared: Vec::new() }
    }

    /// The step with the new values of what all weights share.
    #[must_use]
    pub fn with_shared(mut self, shared: Vec<Var>) -> Self {
        self.shared = shared;
        self
    }

    /// The step with the learning rate times a number.
    pub(crate) fn times(mut self, factor: f64) -> Self {
        if factor.to_bits() != 1.0f64.to_bits() {
            self.learning_rate = &self.learning_rate * factor;
        }
        self
    }

    /// The learning rate.
    #[must_use]
    pub fn learning_rate(&self) -> &Var {
        &self.learning_rate
    }

    /// Which update this is; the first is 1.
    #[must_use]
    pub fn number(&self) -> &Var {
        &self.number
    }

    /// The new values of [`Optimizer::shared_slots`](crate::Optimizer::shared_slots).
    #[must_use]
    pub fn shared(&self) -> &[Var] {
        &self.shared
    }
}

/// A weight and its slots after one step.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The weight.
    pub weight: Var,
    /// Its slots, in the order of [`Optimizer::slots`](crate::Optimizer::slots).
    pub slots: Vec<Var>,
}
