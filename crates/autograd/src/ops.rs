//! The operations, by family; each is a method of [`Var`](crate::Var).

mod activations;
mod arithmetic;
mod binary;
mod cast;
mod convolution;
mod create;
mod cross_entropy;
mod dims;
mod element_wise;
mod indexing;
mod join;
mod layout;
mod linear;
mod moments;
mod normalization;
mod operand;
mod order;
mod padding;
mod pooling;
mod reduce;
mod slice;
mod softmax;
mod stop_gradient;
#[cfg(test)]
mod testing;
mod unary;

use std::any::Any;

pub(crate) use arithmetic::Add;
pub(crate) use convolution::ConvToKernel;
use convolution::{Conv, ConvToInput};
pub(crate) use element_wise::ElementWise;
pub use layout::Axis;
pub(crate) use linear::MatMul;
pub use operand::Operand;
pub use padding::Padding;

/// Whether an operation, of one output, multiplies matrices or images with kernels.
pub(crate) fn is_product(op: &dyn crate::Op) -> bool {
    let op: &dyn Any = op;
    op.is::<MatMul>()
        || op.is::<Conv>()
        || op.is::<ConvToInput>()
        || op.is::<ConvToKernel>()
}
