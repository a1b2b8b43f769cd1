//! The cross-entropy that the shapes ask for.

use deckle_autograd::Var;
use serde_json::Value;

use super::{BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy};
use crate::{Labels, Loss, Result};

/// The binary, the sparse or the categorical cross-entropy, as [`Labels`] are.
///
/// # Keras
///
/// `loss="crossentropy"`, or `"ce"`, in whatever case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crossentropy;

impl Crossentropy {
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let is_one =
            ["crossentropy", "ce"].iter().any(|own| name.eq_ignore_ascii_case(own));
        is_one.then_some(Self)
    }

    fn of(y_true: &Var, y_pred: &Var) -> Box<dyn Loss> {
        match Labels::of(y_true, y_pred) {
            Labels::Binary => Box::new(BinaryCrossentropy::new()),
            Labels::Sparse => Box::new(SparseCategoricalCrossentropy::new()),
            Labels::Categorical => Box::new(CategoricalCrossentropy::new()),
        }
    }
}

impl Loss for Crossentropy {
    fn class_name(&self) -> &'static str {
        "crossentropy"
    }

    fn per_sample(&self, y_true: &Var, y_pred: &Var) -> Result<Var> {
        Self::of(y_true, y_pred).per_sample(y_true, y_pred)
    }

    fn config(&self) -> Result<Value> {
        Ok(Value::Null)
    }

    /// Chosen by the shapes as they are given, before they are aligned.
    fn call(
        &self,
        y_true: &Var,
        y_pred: &Var,
        weights: Option<&Var>,
        mask: Option<&Var>,
    ) -> Result<Var> {
        Self::of(y_true, y_pred).call(y_true, y_pred, weights, mask)
    }
}
