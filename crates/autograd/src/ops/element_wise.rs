//! What all element-wise operations share.

use deckle_tensor::{Error as TensorError, Primitive, Shape, Spec, Value};

use crate::{Lower, Op, Result, Rule, Signature, Var};

/// An element-wise primitive with its gradient rule.
pub(crate) trait ElementWise: std::fmt::Debug + Send + Sync + 'static {
    /// What it is made of.
    const PRIMITIVE: Primitive;

    /// The gradients, before they are summed to the inputs' shapes.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Err(rule.no_gradient(Self::PRIMITIVE.name()))
    }
}

impl<T: ElementWise> Op for T {
    fn name(&self) -> &str {
        T::PRIMITIVE.name()
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        infer(&T::PRIMITIVE, inputs)
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        Ok(vec![lower.push(T::PRIMITIVE, inputs)?])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let found = ElementWise::vjp(self, rule)?;
        let shaped = found.into_iter().zip(rule.inputs);
        shaped.map(|(dx, x)| dx.map(|dx| dx.sum_to_like(x)).transpose()).collect()
    }
}

/// The signature of an element-wise primitive, whose inputs broadcast.
pub(crate) fn infer(
    primitive: &Primitive,
    inputs: &[Signature],
) -> Result<Vec<Signature>> {
    let scalars: Vec<_> = inputs.iter().map(|input| Spec::scalar(input.dtype)).collect();
    let made = primitive.infer(&scalars.iter().collect::<Vec<_>>())?;
    let mut shape = Shape::default();
    for input in inputs {
        shape = shape.broadcast(&input.shape).ok_or_else(|| {
            let shapes: Vec<_> =
                inputs.iter().map(|input| input.shape.to_string()).collect();
            TensorError::invalid(
                primitive.name(),
                "shapes that broadcast: aligned at the end, equal or 1",
            )
            .got(shapes.join(" and "))
        })?;
    }
    Ok(made.iter().map(|spec| Signature::new(spec.dtype, &shape)).collect())
}
