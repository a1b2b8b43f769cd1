//! The operations, by family; each is a method of [`Var`](crate::Var).

mod arithmetic;
mod layout;
mod linear;

pub(crate) use arithmetic::Add;
pub use layout::Axis;
pub(crate) use linear::MatMul;
