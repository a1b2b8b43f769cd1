//! The closed set of operations that every backend runs: [`Primitive`].

mod infer;

use std::sync::Arc;

use crate::{DType, Program, Tensor};

/// An operation that every backend runs.
///
/// The set is closed: what is above is made of these, or is a
/// [`Composite`](crate::Composite) with a body of these. Each variant says what it reads, what
/// it makes, and what the elements are; [`Primitive::infer`] is the shape rule.
///
/// Element-wise primitives broadcast their inputs by NumPy's rule and need one element type for
/// all of them. Integer arithmetic wraps; integer division by zero gives 0. Floating-point sums
/// (`Reduce`, `MatMul`, `Convolution*`, `ScatterAdd*`, `CumSum`) of `F16` and `BF16` are
/// accumulated in `F32`. An index out of range is the error [`Error::Index`](crate::Error) of
/// the run.
#[derive(Clone, Debug, PartialEq)]
pub enum Primitive {
    /// Reads nothing, makes the tensor.
    Constant(Tensor),
    /// Reads nothing, makes the position along `axis` as an element of `dtype`.
    Iota {
        /// The shape to make.
        shape: Vec<usize>,
        /// The axis that counts.
        axis: usize,
        /// The element type, not `Bool`.
        dtype: DType,
    },
    /// Reads `seed` and `step`, two `I64` scalars; makes random numbers as
    /// [`random`](crate::random) defines them.
    Random {
        /// How the numbers are distributed.
        distribution: Distribution,
        /// Which of the many independent sequences.
        stream: u64,
        /// The shape to make.
        shape: Vec<usize>,
        /// The element type: `F32` or `F64`; `U32` for [`Distribution::Bits`].
        dtype: DType,
    },
    /// Reads `x`, makes a function of each element.
    Unary(Unary),
    /// Reads `a`, `b`; makes a function of each pair of elements.
    Binary(Binary),
    /// Reads `a`, `b`; makes a `Bool` of each pair of elements. NaN is unequal to all.
    Compare(Compare),
    /// Reads `condition` (`Bool`), `a`, `b`; makes `a` where it is true, `b` elsewhere.
    Select,
    /// Reads `x`, makes its values as another type, by the rule of [`Tensor::cast`].
    Cast(DType),
    /// Reads `x`, makes one element of all those along `axes`, which go away.
    ///
    /// Of no elements the sum is 0, the product 1, `All` true, `Any` false, the maximum -∞ and
    /// the minimum ∞ (for integers the least and the largest value). NaN wins `Max` and `Min`.
    Reduce {
        /// What is made of them.
        reduction: Reduction,
        /// The axes, ascending.
        axes: Vec<usize>,
    },
    /// Reads `x`, makes the `I64` position along `axis`, which goes away, of its largest or
    /// least element; the first of several, and of NaN if there is one. The axis is not empty.
    ArgReduce {
        /// Whether the largest is meant, else the least.
        largest: bool,
        /// The axis.
        axis: usize,
    },
    /// Reads `x`, makes running sums along `axis`.
    CumSum {
        /// The axis.
        axis: usize,
        /// Whether an element's own value is left out of its sum.
        exclusive: bool,
        /// Whether it runs from the end.
        reverse: bool,
    },
    /// Reads `x`; makes the values in order along `axis` and their `I64` positions. Equal
    /// values keep their order; NaN comes last when ascending, first when descending.
    Sort {
        /// The axis.
        axis: usize,
        /// Whether the largest come first.
        descending: bool,
    },
    /// Reads `x`; makes the `k` largest values along the last axis, the largest first, and
    /// their `I64` positions. Of equal values the first ones count.
    TopK {
        /// How many; at most the axis' length.
        k: usize,
    },
    /// Reads `a` (…, m, k) and `b` (…, k, n), makes (…, m, n); the axes before broadcast.
    MatMul {
        /// Whether `a` is stored as (…, k, m).
        transpose_a: bool,
        /// Whether `b` is stored as (…, n, k).
        transpose_b: bool,
    },
    /// Reads `x` (batch, spatial…, channels) and `kernel` (spatial…, channels / groups,
    /// filters); makes (batch, spatial…, filters), the cross-correlation. Group g reads the
    /// g-th part of the channels and makes the g-th part of the filters.
    Convolution(Convolution),
    /// Reads `dy`, `kernel`; makes `dx`, the adjoint of [`Primitive::Convolution`] in `x`.
    ConvolutionToInput {
        /// The settings of the forward pass.
        convolution: Convolution,
        /// The spatial shape of `x`.
        spatial: Vec<usize>,
    },
    /// Reads `x`, `dy`; makes `dkernel`, the adjoint of [`Primitive::Convolution`] in
    /// `kernel`.
    ConvolutionToKernel {
        /// The settings of the forward pass.
        convolution: Convolution,
        /// The spatial shape of the kernel.
        spatial: Vec<usize>,
    },
    /// Reads `x` (batch, spatial…, channels), makes the largest element of each window. Cells
    /// outside `x` never count; a window without any cell makes -∞ (the least integer). NaN
    /// wins.
    MaxPool(Pool),
    /// Reads `x`, `values` (both of `x`'s shape); makes, for each window, the element of
    /// `values` where `x` is largest, at the first such cell in row-major order; 0 for a window
    /// without any cell.
    MaxPoolGather(Pool),
    /// Reads `x`, `dy`; makes the adjoint of [`Primitive::MaxPoolGather`] in `values`: adds
    /// each element of `dy` to the cell where its window of `x` is largest.
    MaxPoolScatter(Pool),
    /// Reads `x` (batch, spatial…, channels), makes the mean of the cells of each window that
    /// lie inside `x`; 0 for a window without any.
    AveragePool(Pool),
    /// Reads `dy`, makes `dx`, the adjoint of [`Primitive::AveragePool`].
    AveragePoolToInput {
        /// The settings of the forward pass.
        pool: Pool,
        /// The spatial shape of `x`.
        spatial: Vec<usize>,
    },
    /// Reads `x`, `indices` (integers); makes `x` with `axis` replaced by the axes of
    /// `indices`: slices of `x`, NumPy's `take`. Indices count from 0.
    Gather {
        /// The axis that the indices count along.
        axis: usize,
    },
    /// Reads `indices`, `updates`; makes the adjoint of [`Primitive::Gather`]: zeros with
    /// `axis` of length `len`, to which each update is added at its index.
    ScatterAdd {
        /// The axis that the indices count along.
        axis: usize,
        /// The axis' length.
        len: usize,
    },
    /// Reads `x`, `indices` (integers, of `x`'s shape but for `axis`); makes, of `indices`'
    /// shape, the elements of `x` along `axis`, NumPy's `take_along_axis`.
    GatherAlong {
        /// The axis that the indices count along.
        axis: usize,
    },
    /// Reads `indices`, `updates` (of one shape); makes the adjoint of
    /// [`Primitive::GatherAlong`]: zeros with `axis` of length `len`, to which each update is
    /// added at its index.
    ScatterAddAlong {
        /// The axis that the indices count along.
        axis: usize,
        /// The axis' length.
        len: usize,
    },
    /// Reads `x` and a scalar; makes `x` with that value around it.
    Pad {
        /// The cells before and after, per axis.
        padding: Vec<(usize, usize)>,
    },
    /// Reads `x`; makes, per axis, the elements at `start`, `start + step`, … below `stop`
    /// (above, if the step is negative).
    Slice(Vec<SliceAxis>),
    /// Reads one or more tensors that differ in the length of `axis` only; makes them joined.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// Reads `x`; makes it with its axes in another order: axis i is axis `permutation[i]`.
    Transpose {
        /// Each axis once.
        permutation: Vec<usize>,
    },
    /// Reads `x`; makes it repeated to `shape` by NumPy's rule.
    Broadcast {
        /// The shape to make.
        shape: Vec<usize>,
    },
    /// Reads `x`; makes the same elements in row-major order under another shape.
    Reshape {
        /// The shape to make.
        shape: Vec<usize>,
    },
    /// Runs a body once per step, see [`Scan`].
    Scan(Scan),
}

/// Functions of one number.
///
/// `Abs`, `Neg`, `Sign` take every number type; `Not` takes `Bool` and integers (bit by bit);
/// the rest floating point only. `IsFinite` and `IsNan` make `Bool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the function of its name")]
pub enum Unary {
    Neg,
    Abs,
    /// -1, 0 or 1; NaN stays.
    Sign,
    Reciprocal,
    Square,
    Sqrt,
    /// `1 / √x`.
    Rsqrt,
    Exp,
    Expm1,
    Log,
    Log1p,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
    Tanh,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `ln(1 + eˣ)`.
    Softplus,
    Erf,
    /// The inverse of `Erf`.
    Erfinv,
    Floor,
    Ceil,
    /// To the nearest, ties to even.
    Round,
    Not,
    IsFinite,
    IsNan,
}

/// Functions of two numbers.
///
/// `And`, `Or`, `Xor` take `Bool` and integers (bit by bit); `Atan2` floating point only; the
/// rest every number type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the function of its name")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    /// Integers truncate.
    Div,
    /// Python's `%`: the sign of the divisor; of integers by zero 0.
    Rem,
    /// Integers with a negative exponent: `1 / aⁿ`, truncated, and 0 for `a = 0`.
    Pow,
    /// NaN wins.
    Max,
    /// NaN wins.
    Min,
    Atan2,
    And,
    Or,
    Xor,
}

/// Comparisons of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the relation of its name")]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// What [`Primitive::Reduce`] makes of many elements.
///
/// `All` and `Any` take `Bool`; the rest every number type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the function of its name")]
pub enum Reduction {
    Sum,
    Product,
    Max,
    Min,
    All,
    Any,
}

/// How random numbers are distributed; exact definitions in [`random`](crate::random).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Distribution {
    /// All 2³² values of a `U32`.
    Bits,
    /// From 0 (included) to 1 (excluded).
    Uniform,
    /// Mean 0, standard deviation 1.
    Normal,
    /// As `Normal`, but within -2 and 2.
    TruncatedNormal,
}

/// The settings of a convolution, per spatial axis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Convolution {
    /// The step of the window; positive.
    pub strides: Vec<usize>,
    /// The zeros before and after.
    pub padding: Vec<(usize, usize)>,
    /// The step between the kernel's cells; positive.
    pub dilation: Vec<usize>,
    /// The number of independent parts of channels and filters; positive.
    pub groups: usize,
}

/// The settings of a pooling, per spatial axis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pool {
    /// The length of the window; positive.
    pub window: Vec<usize>,
    /// The step of the window; positive.
    pub strides: Vec<usize>,
    /// The cells outside before and after.
    pub padding: Vec<(usize, usize)>,
}

/// Which elements [`Primitive::Slice`] takes along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceAxis {
    /// The first position.
    pub start: usize,
    /// The number of elements.
    pub len: usize,
    /// The distance to the next; not 0, may be negative.
    pub step: isize,
}

impl SliceAxis {
    /// All elements of an axis of that length.
    #[must_use]
    pub const fn all(len: usize) -> Self {
        Self { start: 0, len, step: 1 }
    }
}

/// A loop over the steps of sequences.
///
/// Reads `constants` values that are the same in every step, then the carries' first values,
/// then sequences, whose first axis has length `length`. The body reads the constants, the
/// carries, and one step of each sequence; it makes the next carries, then one step of each
/// result. Makes the last carries, then the results, with a first axis of length `length`.
/// If `reverse`, the last step runs first; the results keep the order of the sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// One step; without variables and updates.
    pub body: Arc<Program>,
    /// The number of values that are the same in every step.
    pub constants: usize,
    /// The number of values that go from step to step.
    pub carries: usize,
    /// The number of steps; 0 makes the first carries the last.
    pub length: usize,
    /// Whether the last step runs first.
    pub reverse: bool,
}

impl Primitive {
    /// The primitive's name, as `matmul`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Iota { .. } => "iota",
            Self::Random { .. } => "random",
            Self::Unary(unary) => unary.name(),
            Self::Binary(binary) => binary.name(),
            Self::Compare(compare) => compare.name(),
            Self::Select => "select",
            Self::Cast(_) => "cast",
            Self::Reduce { reduction, .. } => reduction.name(),
            Self::ArgReduce { largest: true, .. } => "argmax",
            Self::ArgReduce { .. } => "argmin",
            Self::CumSum { .. } => "cumsum",
            Self::Sort { .. } => "sort",
            Self::TopK { .. } => "top_k",
            Self::MatMul { .. } => "matmul",
            Self::Convolution(_) => "convolution",
            Self::ConvolutionToInput { .. } => "convolution_to_input",
            Self::ConvolutionToKernel { .. } => "convolution_to_kernel",
            Self::MaxPool(_) => "max_pool",
            Self::MaxPoolGather(_) => "max_pool_gather",
            Self::MaxPoolScatter(_) => "max_pool_scatter",
            Self::AveragePool(_) => "average_pool",
            Self::AveragePoolToInput { .. } => "average_pool_to_input",
            Self::Gather { .. } => "gather",
            Self::ScatterAdd { .. } => "scatter_add",
            Self::GatherAlong { .. } => "gather_along",
            Self::ScatterAddAlong { .. } => "scatter_add_along",
            Self::Pad { .. } => "pad",
            Self::Slice(_) => "slice",
            Self::Concat { .. } => "concat",
            Self::Transpose { .. } => "transpose",
            Self::Broadcast { .. } => "broadcast",
            Self::Reshape { .. } => "reshape",
            Self::Scan(_) => "scan",
        }
    }

    /// Whether each output element depends on one element of each input, at its own place.
    #[must_use]
    pub const fn is_element_wise(&self) -> bool {
        matches!(
            self,
            Self::Unary(_)
                | Self::Binary(_)
                | Self::Compare(_)
                | Self::Select
                | Self::Cast(_)
        )
    }
}

macro_rules! names {
    ($type:ident { $($variant:ident $name:literal,)* }) => {
        impl $type {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name, as NumPy has it where it has one.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

names! { Unary {
    Neg "negative", Abs "abs", Sign "sign", Reciprocal "reciprocal", Square "square",
    Sqrt "sqrt", Rsqrt "rsqrt", Exp "exp", Expm1 "expm1", Log "log", Log1p "log1p",
    Sin "sin", Cos "cos", Tan "tan", Asin "asin", Acos "acos", Atan "atan", Sinh "sinh",
    Cosh "cosh", Asinh "asinh", Acosh "acosh", Atanh "atanh", Tanh "tanh",
    Sigmoid "sigmoid", Softplus "softplus", Erf "erf", Erfinv "erfinv", Floor "floor",
    Ceil "ceil", Round "round", Not "not", IsFinite "is_finite", IsNan "is_nan",
} }

names! { Binary {
    Add "add", Sub "subtract", Mul "multiply", Div "divide", Rem "mod", Pow "power",
    Max "maximum", Min "minimum", Atan2 "arctan2", And "and", Or "or", Xor "xor",
} }

names! { Compare {
    Equal "equal", NotEqual "not_equal", Less "less", LessEqual "less_equal",
    Greater "greater", GreaterEqual "greater_equal",
} }

names! { Reduction {
    Sum "sum", Product "prod", Max "max", Min "min", All "all", Any "any",
} }

names! { Distribution {
    Bits "bits", Uniform "uniform", Normal "normal", TruncatedNormal "truncated_normal",
} }
