//! Tensors, and the closed set of primitives that every backend of Deckle runs.

mod atomic;
mod axes;
mod backend;
pub mod conformance;
mod create;
mod display;
mod dtype;
mod elementwise;
mod error;
mod index;
mod join;
mod layout;
mod linear;
mod math;
#[cfg(feature = "ndarray")]
mod ndarray;
mod npy;
mod npz;
mod operand;
mod operators;
mod primitive;
mod program;
pub mod random;
mod reduce;
mod reference;
mod shape;
mod slice;
mod spec;
mod storage;
mod tensor;
mod unary;
mod walk;

pub use atomic::AtomicFile;
pub use axes::{Axes, Lens, keep};
pub use backend::{Backend, Buffer, Executable};
#[doc(hidden)]
pub use dtype::Kind;
pub use dtype::{DType, Element, bf16, f16};
pub use error::{Error, Result};
pub use npy::NpyHeader;
pub use npz::{Npz, NpzWriter};
pub use operand::{Operand, Scalar};
pub use primitive::{
    Binary, Compare, Convolution, Distribution, Pool, Primitive, Reduction, Scan,
    SliceAxis, Unary,
};
pub use program::{
    Attribute, Builder, Composite, Instruction, Operation, Program, Update, Value,
};
pub use reference::Reference;
pub use shape::{Dim, Shape, broadcast_shapes, resolve_axis, shape_text};
pub use slice::{Part, Parts, step};
pub use spec::Spec;
pub use storage::Storage;
pub use tensor::Tensor;

impl PartialEq for Tensor {
    /// Whether element type, shape and every bit are equal.
    fn eq(&self, other: &Self) -> bool {
        self.bits_equal(other)
    }
}
