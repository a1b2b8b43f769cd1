//! Other element types: `cast`.

use deckle_tensor::{DType, Primitive, Value};

use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// The same values as another type, by the rule of [`Tensor::cast`].
    ///
    /// [`Tensor::cast`]: deckle_tensor::Tensor::cast
    ///
    /// Between floating-point types it has a gradient. From floating point to whole numbers or
    /// `Bool` it has none; from those it passes the question on to what made them.
    ///
    /// # Errors
    ///
    /// Never today.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let x = Var::constant(&Tensor::from([1.5, -1.5]));
    /// assert_eq!(x.cast(DType::I32)?.eval()?, Tensor::from([1, -1]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn cast(&self, dtype: DType) -> Result<Self> {
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        Self::apply_one(Cast(dtype), &[self])
    }
}

#[derive(Debug)]
struct Cast(DType);

impl Op for Cast {
    fn name(&self) -> &str {
        "cast"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        Ok(vec![Signature::new(self.0, &inputs[0].shape)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        Ok(vec![lower.push(Primitive::Cast(self.0), inputs)?])
    }

    /// `dx = dy` in the type of `x`. Where `x` is not floating point, what made it is asked.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let (x, dy) = (rule.x(), rule.dy()?);
        Ok(vec![Some(if x.dtype().is_float() { dy.cast(x.dtype())? } else { dy })])
    }
}
