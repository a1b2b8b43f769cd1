//! Lazily built graphs of tensor operations, their gradients, and functions compiled from them.

mod check;
mod composite;
mod error;
mod function;
mod grad;
mod lower;
mod op;
mod ops;
mod scan;
mod var;
mod variable;

pub use check::{check_gradients, check_rejections};
pub use composite::Composite;
pub use error::{Error, Result};
pub use function::{Compiled, Function, Specialized};
pub use grad::{grad, gradients};
pub use lower::Lower;
pub use op::{Op, Rule};
pub use ops::{Axis, Operand, Padding};
pub use scan::{Scanned, scan};
pub use var::{Signature, Var};
pub use variable::{Device, Group, Variable};
