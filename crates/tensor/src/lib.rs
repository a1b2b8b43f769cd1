//! Tensors, and the closed set of primitives that every backend of Deckle runs.
//!
//! A [`Tensor`] is an array of numbers with a shape. Whoever knows NumPy's arrays knows tensors:
//! the names, the broadcasting, the negative axes and the printed text are the same.
//!
//! ```
//! use deckle_tensor::Tensor;
//!
//! let x = Tensor::arange(0.0..12.0).reshape([3, -1])?;
//! assert_eq!(x.shape(), [3, 4]);
//!
//! let centred = &x - x.mean(0)?;
//! assert_eq!(centred.slice((0, ..))?, Tensor::from([-4.0, -4.0, -4.0, -4.0]));
//! println!("{centred}");
//! // [[-4. -4. -4. -4.]
//! //  [ 0.  0.  0.  0.]
//! //  [ 4.  4.  4.  4.]]
//! # assert_eq!(
//! #     centred.to_string(),
//! #     "[[-4. -4. -4. -4.]\n [ 0.  0.  0.  0.]\n [ 4.  4.  4.  4.]]"
//! # );
//! # Ok::<(), deckle_tensor::Error>(())
//! ```
//!
//! # Two halves
//!
//! The first half is for people: [`Tensor`] with some hundred methods, computed at once on the
//! processor. The second half is for machines: [`Primitive`] is the closed set of operations
//! that a backend has to run, [`Program`] a list of them, [`Backend`] what compiles and runs
//! one, and [`Reference`] the obvious backend that all others are compared with. Layers,
//! gradients and training live in other crates and use the second half.
//!
//! # Rules
//!
//! - **A tensor never changes.** A clone, a slice, a transpose is a view of the same memory and
//!   costs nothing; [`Tensor::make_mut`] copies first if somebody else looks.
//! - **Element types never mix by themselves.** `float32 + int64` is an error that names the
//!   [`cast`](Tensor::cast). A Rust number takes the tensor's type: `&x * 2.0`. (Left of an
//!   operator it is an `f64` or an `i64`, as literals are.)
//! - **What can fail returns a [`Result`]**, with an [`Error`] that says what was expected, what
//!   was given, and which call mends it. The operators `+ - * /` panic with the same text.
//! - **Where integers and NumPy disagree with Rust, it is written down:** `/` truncates as in
//!   Rust, sums of integers are `int64` as in NumPy, functions of reals want a cast.
//!
//! # Coming from NumPy
//!
//! | NumPy | here |
//! |---|---|
//! | `np.array([[1, 2], [3, 4]])` | `Tensor::from([[1, 2], [3, 4]])` |
//! | `np.zeros((2, 3))`, `np.full((2, 3), 7)` | [`Tensor::zeros`], [`Tensor::full`] |
//! | `np.arange(5)`, `np.linspace(0, 1, 5)` | `Tensor::arange(0..5)`, [`Tensor::linspace`] |
//! | `x.ndim`, `x.shape`, `x.dtype` | [`rank`](Tensor::rank), [`shape`](Tensor::shape), [`dtype`](Tensor::dtype) |
//! | `x[:, 7:-7, ::2]` | `x.slice((.., 7..-7, step(.., 2)))`, see [`slice`](Tensor::slice) |
//! | `x[3]`, `x[..., None]` | `x.at(3)`, `x.slice((Part::Ellipsis, Part::NewAxis))` |
//! | `x + y`, `x > 0`, `np.where(c, x, 0)` | `&x + &y`, `x.greater(0)`, `Tensor::where_(&c, &x, 0)` |
//! | `x.sum()`, `x.sum(axis=(0, 2), keepdims=True)` | `x.sum(..)`, `x.sum(keep([0, 2]))` |
//! | `np.dot(x, y)`, `x @ y` | [`dot`](Tensor::dot), [`matmul`](Tensor::matmul) |
//! | `x.reshape(-1, 28)`, `x.T`, `x.transpose(2, 0, 1)` | [`reshape`](Tensor::reshape), [`transpose`](Tensor::transpose), [`permute`](Tensor::permute) |
//! | `np.concatenate`, `np.stack`, `np.pad`, `np.tile` | [`concatenate`](Tensor::concatenate), [`stack`](Tensor::stack), [`pad`](Tensor::pad), [`tile`](Tensor::tile) |
//! | `np.take`, `np.argsort`, `np.argmax` | [`take`](Tensor::take), [`argsort`](Tensor::argsort), [`argmax`](Tensor::argmax) |
//! | `x.astype("float32")` | `x.cast(DType::F32)` |
//! | `np.load`, `np.save`, `np.savez` | [`Tensor::read_npy`], [`Tensor::write_npy`], [`Npz`], [`NpzWriter`] |
//!
//! # Cookbook
//!
//! Pixels to numbers from 0 to 1, the middle of each image, the labels as rows of zeros and one
//! one:
//!
//! ```
//! use deckle_tensor::{DType, Tensor};
//!
//! let images = Tensor::full([2, 28, 28], 255u8);
//! let x = images.cast(DType::F32) / 255.0;
//! let middle = x.slice((.., 7..-7, 7..-7))?;
//! assert_eq!(middle.shape(), [2, 14, 14]);
//! assert_eq!(x.max(..)?, Tensor::from(1.0f32));
//!
//! let y = Tensor::from([1u8, 0]).one_hot(3, DType::F32)?;
//! assert_eq!(y, Tensor::from([[0.0f32, 1.0, 0.0], [1.0, 0.0, 0.0]]));
//! # Ok::<(), deckle_tensor::Error>(())
//! ```
//!
//! How many predictions are right:
//!
//! ```
//! use deckle_tensor::Tensor;
//!
//! let logits = Tensor::from([[0.1, 2.0], [3.0, -1.0], [0.0, 0.5]]);
//! let labels = Tensor::from([1i64, 0, 0]);
//! let accuracy = logits.argmax(-1)?.equal(&labels)?.mean(..)?;
//! assert!(accuracy.allclose(2.0 / 3.0, 1e-12, 0.0)?);
//! # Ok::<(), deckle_tensor::Error>(())
//! ```
//!
//! Columns with mean 0 and standard deviation 1:
//!
//! ```
//! use deckle_tensor::{Tensor, keep};
//!
//! let x = Tensor::from([[1.0, 10.0], [3.0, 30.0]]);
//! let scaled = (&x - x.mean(keep(0))?) / x.std(0)?;
//! assert_eq!(scaled, Tensor::from([[-1.0, -1.0], [1.0, 1.0]]));
//! # Ok::<(), deckle_tensor::Error>(())
//! ```
//!
//! # Features
//!
//! - `ndarray`: arrays of the `ndarray` crate come in and views of tensors go out without a
//!   copy (`Tensor::from_ndarray`, `Tensor::as_ndarray`).

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
mod interpolation;
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
pub use interpolation::{Interpolation, Tap};
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
