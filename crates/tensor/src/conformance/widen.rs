//! The same program in `f64`.

use std::sync::Arc;

use crate::{
    Builder, Composite, DType, Error, Operation, Primitive, Program, Result, Scan, Spec,
    Tensor,
};

impl Program {
    /// This program with `F64` in place of every floating-point type, bodies and constants
    /// included; what it computes before it is rounded.
    ///
    /// # Errors
    ///
    /// If the wider program breaks a shape rule; none of those that exist depends on it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{Builder, DType, Primitive, Spec, Unary};
    ///
    /// let mut builder = Builder::new();
    /// let x = builder.input(Spec::new(DType::F32, [2]));
    /// let y = builder.push(Primitive::Unary(Unary::Exp), &[x])?;
    /// let program = builder.finish([y], [])?.to_f64()?;
    /// assert_eq!(program.output_specs(), [Spec::new(DType::F64, [2])]);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn to_f64(&self) -> Result<Self> {
        let mut builder = Builder::new();
        let mut map = vec![None; self.specs().len()];
        for &value in self.inputs() {
            map[value.index()] = Some(builder.input(spec(self.spec(value))));
        }
        for &value in self.variables() {
            map[value.index()] = Some(builder.variable(spec(self.spec(value))));
        }
        let missing =
            || Error::invalid("to_f64", "values that are made before they are read");
        for instruction in self.instructions() {
            builder.set_path(&instruction.path);
            let inputs: Vec<_> = (instruction.inputs.iter())
                .map(|value| map[value.index()].ok_or_else(missing))
                .collect::<Result<_>>()?;
            let outputs = match &instruction.operation {
                Operation::Primitive(primitive) => {
                    builder.push_all(primitive_of(primitive)?, &inputs)?
                }
                Operation::Composite(composite) => {
                    let body = Arc::new(composite.body.to_f64()?);
                    builder.push_composite(
                        Composite { body, ..composite.clone() },
                        &inputs,
                    )?
                }
            };
            for (from, to) in instruction.outputs.iter().zip(outputs) {
                map[from.index()] = Some(to);
            }
        }
        let at = |value: crate::Value| map[value.index()].ok_or_else(missing);
        let outputs = self.outputs().iter().map(|&value| at(value));
        let updates =
            self.updates().iter().map(|update| Ok((update.variable, at(update.value)?)));
        let (outputs, updates) =
            (outputs.collect::<Result<Vec<_>>>()?, updates.collect::<Result<Vec<_>>>()?);
        builder.finish(outputs, updates)
    }
}

fn dtype(dtype: DType) -> DType {
    if dtype.is_float() { DType::F64 } else { dtype }
}

fn spec(spec: &Spec) -> Spec {
    Spec::new(dtype(spec.dtype), spec.shape.clone())
}

/// The tensor, as `F64` if it is of a floating-point type.
pub(super) fn widen(tensor: &Tensor) -> Tensor {
    tensor.cast(dtype(tensor.dtype()))
}

fn primitive_of(primitive: &Primitive) -> Result<Primitive> {
    let mut wide = primitive.clone();
    match &mut wide {
        Primitive::Constant(tensor) => *tensor = widen(tensor),
        Primitive::Iota { dtype: of, .. }
        | Primitive::Random { dtype: of, .. }
        | Primitive::Cast(of) => *of = dtype(*of),
        Primitive::Scan(Scan { body, .. }) => *body = Arc::new(body.to_f64()?),
        _ => {}
    }
    Ok(wide)
}
