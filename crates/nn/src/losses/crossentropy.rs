//! The cross-entropy that the shapes ask for.

use deckle_autograd::Var;
use deckle_tensor::Dim;
use serde_json::Value;

use super::{BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy};
use crate::{Loss, Result};

/// The binary cross-entropy of predictions whose last axis has length 1; the sparse one of
/// labels that lack the axis of the classes, or have a 1 there; or else the categorical one.
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
        let ends_in_one = |var: &Var| var.shape().dims().last() == Some(&Dim::Known(1));
        if ends_in_one(y_pred) {
            Box::new(BinaryCrossentropy::new())
        } else if y_true.rank() < y_pred.rank() || ends_in_one(y_true) {
            Box::new(SparseCategoricalCrossentropy::new())
        } else {
            Box::new(CategoricalCrossentropy::new())
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
