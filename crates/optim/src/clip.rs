//! Limits on gradients: [`clip`].

use deckle_autograd::Var;
use deckle_tensor::DType;

use crate::{Common, Result};

/// The gradients after the one way of clipping that is set; a limit of 0 means none.
pub(crate) fn clip(common: &Common, gradients: Vec<Var>) -> Result<Vec<Var>> {
    let set = |limit: Option<f64>| limit.filter(|limit| *limit > 0.0);
    if let Some(limit) = set(common.clipnorm) {
        gradients.iter().map(|gradient| by_norm(gradient, limit)).collect()
    } else if let Some(limit) = set(common.global_clipnorm) {
        by_global_norm(&gradients, limit)
    } else if let Some(limit) = set(common.clipvalue) {
        gradients.iter().map(|gradient| by_value(gradient, limit)).collect()
    } else {
        Ok(gradients)
    }
}

/// `c·g / max(‖g‖, c)`.
fn by_norm(gradient: &Var, limit: f64) -> Result<Var> {
    let norm = squared_norm(gradient)?.sqrt()?;
    Ok((gradient * limit).div(&norm.maximum(limit)?)?)
}

/// `g · c / max(n, c)` with n the norm of all gradients together.
fn by_global_norm(gradients: &[Var], limit: f64) -> Result<Vec<Var>> {
    let is_double = gradients.iter().any(|gradient| gradient.dtype() == DType::F64);
    let dtype = if is_double { DType::F64 } else { DType::F32 };
    let sum = gradients.iter().try_fold(Var::scalar(dtype, 0.0), |sum, gradient| {
        Ok::<_, crate::Error>(sum.add(&squared_norm(gradient)?.cast(dtype)?)?)
    })?;
    let norm = sum.sqrt()?;
    let scale = limit / norm.maximum(limit)?;
    // Nothing for a finite norm; an infinite one makes every gradient NaN, not 0, so that it is
    // noticed.
    let scale = scale.add(&norm.sub(&norm)?)?;
    let scaled = gradients
        .iter()
        .map(|gradient| Ok(gradient.mul(&scale.cast(gradient.dtype())?)?));
    scaled.collect()
}

fn by_value(gradient: &Var, limit: f64) -> Result<Var> {
    Ok(gradient.maximum(-limit)?.minimum(limit)?)
}

fn squared_norm(gradient: &Var) -> Result<Var> {
    Ok(gradient.square()?.sum(..)?)
}
