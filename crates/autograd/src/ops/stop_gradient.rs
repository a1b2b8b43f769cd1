//! The cut through a path of gradients.

use deckle_tensor::Value;

use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// The same value, by which no gradient flows back.
    ///
    /// # Errors
    ///
    /// Never today.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Var, grad};
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from(3.0));
    /// let y = x.stop_gradient()?.mul(&x)?;
    /// assert_eq!(grad(&y, &[&x])?[0].eval()?, Tensor::from(3.0));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn stop_gradient(&self) -> Result<Self> {
        Self::apply_one(StopGradient, &[self])
    }
}

#[derive(Debug)]
struct StopGradient;

impl Op for StopGradient {
    fn name(&self) -> &str {
        "stop_gradient"
    }

    fn depends(&self, _output: usize, _input: usize) -> bool {
        false
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        Ok(inputs.to_vec())
    }

    fn lower(&self, inputs: &[Value], _lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        Ok(inputs.to_vec())
    }

    /// None, on purpose.
    fn vjp(&self, _rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![None])
    }
}
