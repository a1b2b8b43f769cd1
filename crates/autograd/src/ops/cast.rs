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

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};

    use crate::{Result, Var, grad, ops::testing::ramp};

    #[test]
    fn gradients_keep_the_inputs_type() {
        let x = Var::constant(&ramp(&[3]));
        let y = x.cast(DType::F32).unwrap().sum(..).unwrap();
        let dx = grad(&y, &[&x]).unwrap().remove(0);
        assert_eq!(dx.dtype(), DType::F64);
        assert_eq!(dx.eval().unwrap(), Tensor::from([1.0, 1.0, 1.0]));
    }

    #[test]
    fn nothing_happens_if_the_type_is_the_same() {
        let x = Var::constant(&ramp(&[3]));
        assert!(x.cast(DType::F64).unwrap().is_same(&x));
    }

    #[track_caller]
    fn names(op: &str, function: impl Fn(&Var) -> Result<Var>) {
        let x = Var::constant(&ramp(&[3]));
        let y = function(&x).unwrap().sum(..).unwrap();
        assert_eq!(
            grad(&y, &[&x]).unwrap_err().to_string(),
            format!(
                "`{op}` has no gradient, but lies between the loss and what it is \
                 differentiated by\n      help: cut the path where you mean to with \
                 .stop_gradient()"
            )
        );
    }

    #[test]
    fn what_has_no_gradient_is_named() {
        names("floor", Var::floor);
        names("sign", |x| x.sign()?.mul(x));
        names("round", Var::round);
        names("ceil", |x| x.mul(2.0)?.ceil());
        names("greater", |x| x.greater(0.0)?.cast(DType::F64)?.mul(x));
        names("is_nan", |x| x.is_nan()?.not()?.cast(DType::F64));
        names("argmax", |x| x.argmax(0)?.cast(DType::F64));
        names("argmax", |x| x.argmax(0)?.mul(2)?.expand_dims(0)?.cast(DType::F64));
        names("cast", |x| x.cast(DType::I64)?.cast(DType::F64));
        names("sort", |x| x.sort(0, false)?.1.cast(DType::F64));
        names("top_k", |x| x.top_k(1)?.1.cast(DType::F64));
        names("one_hot", |x| x.argmax(0)?.one_hot(3, DType::F64));
    }

    #[test]
    fn what_depends_on_whole_numbers_alone_is_differentiated() {
        let x = Var::constant(&ramp(&[3]));
        let place = Var::constant(&Tensor::from([0, 2]));
        let y =
            place.cast(DType::F64).unwrap().add(&x.gather(0, &place).unwrap()).unwrap();
        let dx = grad(&y.sum(..).unwrap(), &[&x]).unwrap().remove(0);
        assert_eq!(dx.eval().unwrap(), Tensor::from([1.0, 0.0, 1.0]));
    }
}
