//! Programs that compute each example of a batch by itself: [`Both`].

use deckle_tensor::{
    Composite, Instruction, Operation, Primitive, Program, Scan, SliceAxis, Spec, Value,
};

/// The same program for different numbers of examples, counted along the first axis of all
/// inputs.
///
/// The axis along which a value's lengths differ is the one that counts its examples; a value
/// without such an axis is what all examples share.
pub(crate) struct Both<'a> {
    whole: &'a Program,
    part: &'a Program,
    examples: [usize; 2],
}

impl<'a> Both<'a> {
    /// None if the programs do not do the same.
    pub(crate) fn new(whole: &'a Program, part: &'a Program) -> Option<Self> {
        let first = |program: &Program| {
            let spec = program.spec(*program.inputs().first()?);
            spec.shape.first().copied()
        };
        let examples = [first(whole)?, first(part)?];
        let both = Self { whole, part, examples };
        let count = |&value: &Value| both.axis(value) == Some(Some(0));
        let fewer = examples[0] > examples[1] && examples[1] > 0;
        (fewer && whole.inputs().iter().all(count) && both.are_alike()).then_some(both)
    }
}

impl Both<'_> {
    /// The axis that counts a value's examples, if it has one; `None` if its lengths differ in
    /// another way.
    pub(crate) fn axis(&self, value: Value) -> Option<Option<usize>> {
        axis(self.whole.spec(value), self.part.spec(value), self.examples)
    }

    /// Whether both have as many values and instructions, between the same values.
    fn are_alike(&self) -> bool {
        let Self { whole, part, .. } = *self;
        whole.specs().len() == part.specs().len()
            && whole.inputs() == part.inputs()
            && whole.variables() == part.variables()
            && whole.outputs() == part.outputs()
            && whole.updates() == part.updates()
            && whole.instructions().len() == part.instructions().len()
    }

    /// Per instruction, whether it computes for fewer examples what it computes for all, each
    /// example of a result from that example of its operands alone.
    pub(crate) fn separate(&self) -> impl Iterator<Item = bool> {
        let pairs = self.whole.instructions().iter().zip(self.part.instructions());
        pairs.map(|(whole, part)| self.is_separate(whole, part) == Some(true))
    }

    /// Per instruction, whether its result is the sum of what it makes of some examples and of
    /// the others: a gradient by the kernel of a convolution.
    pub(crate) fn sums(&self) -> impl Iterator<Item = bool> {
        let pairs = self.whole.instructions().iter().zip(self.part.instructions());
        pairs.map(|(whole, part)| {
            let operation = &whole.operation;
            matches!(
                operation,
                Operation::Primitive(Primitive::ConvolutionToKernel { .. })
            ) && *operation == part.operation
                && whole.inputs == part.inputs
                && whole.outputs == part.outputs
                && whole.inputs.iter().all(|&value| self.axis(value) == Some(Some(0)))
                && self.axis(whole.outputs[0]) == Some(None)
        })
    }

    fn are_separate(&self) -> bool {
        self.are_alike() && self.separate().all(|separate| separate)
    }

    /// Whether an instruction makes no example's results of another's; `None` if a value's
    /// lengths say nothing about examples.
    fn is_separate(&self, whole: &Instruction, part: &Instruction) -> Option<bool> {
        if whole.inputs != part.inputs || whole.outputs != part.outputs {
            return Some(false);
        }
        let axes = |values: &[Value]| -> Option<Vec<Option<usize>>> {
            values.iter().map(|&value| self.axis(value)).collect()
        };
        let (inputs, outputs) = (axes(&whole.inputs)?, axes(&whole.outputs)?);
        let rank = |at: usize| self.whole.spec(whole.inputs[at]).shape.len();
        let shape = |values: &[Value]| self.whole.spec(values[0]).shape.clone();
        // What is not the sum, the largest, ... of several examples.
        let apart = |axis: usize| inputs.iter().all(|&own| own != Some(axis));
        let (one, other) = match (&whole.operation, &part.operation) {
            (Operation::Primitive(one), Operation::Primitive(other)) => (one, other),
            (Operation::Composite(one), Operation::Composite(other)) => {
                return Some(self.composite(one, other));
            }
            _ => return Some(false),
        };
        if one.name() != other.name() {
            return Some(false);
        }
        let first = inputs.first().copied().flatten();
        let second = inputs.get(1).copied().flatten();
        Some(match one {
            Primitive::Iota { axis, .. } => outputs[0] != Some(*axis),
            Primitive::Random { .. } => false,
            Primitive::Broadcast { .. } => self.is_aligned(whole, &inputs, &outputs),
            Primitive::Binary(_) | Primitive::Compare(_) | Primitive::Select => {
                one == other && self.is_aligned(whole, &inputs, &outputs)
            }
            Primitive::Constant(_)
            | Primitive::Unary(_)
            | Primitive::Cast(_)
            | Primitive::Transpose { .. } => one == other,
            Primitive::Reduce { axes, .. } => {
                one == other && axes.iter().all(|&axis| apart(axis))
            }
            Primitive::ArgReduce { axis, .. }
            | Primitive::CumSum { axis, .. }
            | Primitive::Sort { axis, .. } => one == other && apart(*axis),
            Primitive::GatherAlong { axis }
            | Primitive::ScatterAddAlong { axis, .. }
            | Primitive::Concat { axis } => {
                let aligned = self.is_aligned(whole, &inputs, &outputs);
                one == other && apart(*axis) && aligned
            }
            Primitive::TopK { .. } => one == other && apart(rank(0) - 1),
            Primitive::MatMul { transpose_a, transpose_b } => {
                let inner_a = rank(0) - if *transpose_a { 2 } else { 1 };
                let inner_b = rank(1) - if *transpose_b { 1 } else { 2 };
                // The axis of the result from an operand's, each counted from the last one.
                let to = |at: usize, inner: usize, axis: usize| {
                    let own = rank(at) - axis;
                    let of_rows = if at == 0 { 2 } else { 1 };
                    let is_matrix = own <= 2 && axis != inner;
                    if is_matrix { of_rows } else { own }
                };
                let out = self.whole.spec(whole.outputs[0]).shape.len();
                let out = outputs[0].map(|axis| out - axis);
                let fits = |at: usize, inner: usize, axis: Option<usize>| {
                    axis.is_none_or(|axis| {
                        axis != inner && out == Some(to(at, inner, axis))
                    })
                };
                one == other && fits(0, inner_a, first) && fits(1, inner_b, second)
            }
            Primitive::Convolution(_) | Primitive::ConvolutionToInput { .. } => {
                one == other && first.is_none_or(|axis| axis == 0) && second.is_none()
            }
            Primitive::MaxPool(_)
            | Primitive::MaxPoolGather(_)
            | Primitive::MaxPoolScatter(_)
            | Primitive::AveragePool(_)
            | Primitive::AveragePoolToInput { .. } => {
                one == other && inputs.iter().flatten().all(|&axis| axis == 0)
            }
            Primitive::Gather { axis } => {
                let alone = first.is_none() || second.is_none();
                one == other && alone && first != Some(*axis)
            }
            Primitive::Pad { padding } => {
                one == other && first.is_none_or(|axis| padding[axis] == (0, 0))
            }
            Primitive::Slice(axes) => {
                let Primitive::Slice(others) = other else { return Some(false) };
                let lens = shape(&whole.inputs);
                let mut pairs = axes.iter().zip(others).enumerate();
                pairs.all(|(axis, (one, other))| match first == Some(axis) {
                    true => *one == SliceAxis::all(lens[axis]),
                    false => one == other,
                })
            }
            Primitive::Reshape { .. } => {
                // As many rows of examples: then each row is cut at the same elements.
                let rows = |axis: Option<usize>, values: &[Value]| {
                    axis.map(|axis| shape(values)[..axis].iter().product::<usize>())
                };
                rows(first, &whole.inputs) == rows(outputs[0], &whole.outputs)
            }
            Primitive::Scan(scan) => {
                let Primitive::Scan(part) = other else { return Some(false) };
                self.scan(scan, part, &inputs)
            }
            _ => inputs.iter().chain(&outputs).all(Option::is_none) && one == other,
        })
    }

    /// Whether the examples of all operands that have some lie along the result's axis of
    /// examples, counted from the last one as shapes are aligned. With one example in a part, they
    /// could also be aligned with another axis.
    fn is_aligned(
        &self,
        whole: &Instruction,
        inputs: &[Option<usize>],
        outputs: &[Option<usize>],
    ) -> bool {
        let from_last =
            |value: Value, axis: usize| self.whole.spec(value).shape.len() - axis;
        let out = outputs[0].map(|axis| from_last(whole.outputs[0], axis));
        let mut counted = whole.inputs.iter().zip(inputs);
        counted.all(|(&value, axis)| {
            axis.is_none_or(|axis| out == Some(from_last(value, axis)))
        })
    }

    fn composite(&self, whole: &Composite, part: &Composite) -> bool {
        let both = Both { whole: &whole.body, part: &part.body, ..*self };
        whole.name == part.name
            && whole.attributes == part.attributes
            && both.are_separate()
    }

    fn scan(&self, whole: &Scan, part: &Scan, inputs: &[Option<usize>]) -> bool {
        let both = Both { whole: &whole.body, part: &part.body, ..*self };
        let settings =
            |scan: &Scan| (scan.constants, scan.carries, scan.length, scan.reverse);
        let same = settings(whole) == settings(part);
        // The steps of sequences are no examples.
        let sequences = inputs.iter().skip(whole.constants + whole.carries);
        same && sequences.flatten().all(|&axis| axis > 0) && both.are_separate()
    }
}

/// The axis along which two specs differ as the numbers of examples do.
fn axis(whole: &Spec, part: &Spec, examples: [usize; 2]) -> Option<Option<usize>> {
    if whole.dtype != part.dtype || whole.shape.len() != part.shape.len() {
        return None;
    }
    let mut pairs = whole.shape.iter().zip(&part.shape).enumerate();
    let Some((axis, (&len, &fewer))) = pairs.find(|(_, (one, other))| one != other)
    else {
        return Some(None);
    };
    let [all, some] = examples;
    let each = len / all;
    let counts = len == each * all && fewer == each * some;
    (counts && pairs.all(|(_, (one, other))| one == other)).then_some(Some(axis))
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{
        Binary, Builder, Compare, Convolution, DType, Pool, Reduction, Result, Tensor,
        Unary,
    };

    use super::*;

    /// Whether a program of one input (batch, 4, 6) and one variable (6, 6) is separate.
    fn separate(
        body: impl Fn(&mut Builder, usize, Value, Value) -> Result<Value>,
    ) -> bool {
        let program = |examples: usize| {
            let mut b = Builder::new();
            let x = b.input(Spec::new(DType::F32, [examples, 4, 6]));
            let w = b.variable(Spec::new(DType::F32, [6, 6]));
            let y = body(&mut b, examples, x, w).unwrap();
            b.finish([y], []).unwrap()
        };
        let [whole, part] = [program(6), program(2)];
        let both = Both::new(&whole, &part).unwrap();
        both.are_separate() && both.axis(whole.outputs()[0]) == Some(Some(0))
    }

    fn reshape(b: &mut Builder, x: Value, shape: &[usize]) -> Result<Value> {
        b.push(Primitive::Reshape { shape: shape.to_vec() }, &[x])
    }

    fn transpose(b: &mut Builder, x: Value, permutation: &[usize]) -> Result<Value> {
        b.push(Primitive::Transpose { permutation: permutation.to_vec() }, &[x])
    }

    fn reduce(b: &mut Builder, x: Value, axes: &[usize]) -> Result<Value> {
        let axes = axes.to_vec();
        b.push(Primitive::Reduce { reduction: Reduction::Sum, axes }, &[x])
    }

    fn product(transpose_a: bool, transpose_b: bool) -> Primitive {
        Primitive::MatMul { transpose_a, transpose_b }
    }

    #[test]
    fn examples_by_themselves() {
        assert!(separate(|b, _, x, _| b.push(Primitive::Unary(Unary::Exp), &[x])));
        assert!(separate(|b, _, x, w| b.push(product(false, false), &[x, w])));
        assert!(separate(|b, _, x, _| reduce(b, x, &[1, 2])));
        // Rows of all examples side by side.
        assert!(separate(|b, n, x, w| {
            let rows = reshape(b, x, &[n * 4, 6])?;
            let rows = b.push(product(false, true), &[rows, w])?;
            reshape(b, rows, &[n, 24])
        }));
        // The examples last, and back.
        assert!(separate(|b, n, x, _| {
            let last = transpose(b, x, &[1, 2, 0])?;
            let last = reshape(b, last, &[4, 6, n])?;
            let last = b.push(
                Primitive::CumSum { axis: 0, exclusive: false, reverse: false },
                &[last],
            )?;
            transpose(b, last, &[2, 0, 1])
        }));
        assert!(separate(|b, n, x, _| {
            let shape = vec![n, 4, 6];
            let numbers =
                b.push(Primitive::Iota { shape, axis: 2, dtype: DType::F32 }, &[])?;
            let less = b.push(Primitive::Compare(Compare::Less), &[numbers, x])?;
            b.push(Primitive::Select, &[less, x, numbers])
        }));
        assert!(separate(|b, _, x, w| {
            let indices = b.push(Primitive::Cast(DType::I64), &[x])?;
            b.push(Primitive::Gather { axis: 0 }, &[w, indices])
        }));
        assert!(separate(|b, _, x, w| {
            let kernel = reshape(b, w, &[1, 6, 6])?;
            let settings = Convolution {
                strides: vec![1],
                padding: vec![(0, 0)],
                dilation: vec![1],
                groups: 1,
            };
            let y = b.push(Primitive::Convolution(settings), &[x, kernel])?;
            let pool = Pool { window: vec![2], strides: vec![2], padding: vec![(0, 0)] };
            b.push(Primitive::MaxPool(pool), &[y])
        }));
    }

    #[test]
    fn examples_along_another_axis_that_is_as_long() {
        // Where a part has one example, both shapes fit along any axis.
        let program = |n: usize| {
            let mut b = Builder::new();
            let x = b.input(Spec::new(DType::F32, [n, 3, 16]));
            let w = b.input(Spec::new(DType::F32, [n]));
            let y = b.push(Primitive::Binary(Binary::Mul), &[x, w]).unwrap();
            b.finish([y], []).unwrap()
        };
        let [whole, part] = [program(16), program(1)];
        let both = Both::new(&whole, &part).unwrap();
        assert_eq!(both.separate().collect::<Vec<_>>(), [false]);
        // Rows of weights that are as many as the examples.
        let program = |n: usize| {
            let mut b = Builder::new();
            let x = b.input(Spec::new(DType::F32, [n, 3, 16]));
            let w = b.input(Spec::new(DType::F32, [n, 16, 1]));
            let w = reshape(&mut b, w, &[n, 16]).unwrap();
            let y = b.push(product(false, true), &[x, w]).unwrap();
            b.finish([y], []).unwrap()
        };
        let [whole, part] = [program(16), program(1)];
        let both = Both::new(&whole, &part).unwrap();
        assert_eq!(both.separate().collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn examples_that_meet() {
        // A mean over the batch, taken from all.
        assert!(!separate(|b, _, x, _| {
            let sum = reduce(b, x, &[0])?;
            b.push(Primitive::Binary(Binary::Sub), &[x, sum])
        }));
        // The batch's length as a number.
        assert!(!separate(|b, n, x, _| {
            let len = b.constant(&Tensor::scalar(n as f32));
            b.push(Primitive::Binary(Binary::Div), &[x, len])
        }));
        // The place in the batch.
        assert!(!separate(|b, n, x, _| {
            let shape = vec![n, 1, 1];
            let place =
                b.push(Primitive::Iota { shape, axis: 0, dtype: DType::F32 }, &[])?;
            b.push(Primitive::Binary(Binary::Add), &[x, place])
        }));
        assert!(!separate(|b, _, x, _| {
            let sum = Primitive::CumSum { axis: 0, exclusive: false, reverse: false };
            b.push(sum, &[x])
        }));
        assert!(!separate(|b, n, x, _| {
            let back = SliceAxis { start: n - 1, len: n, step: -1 };
            let axes = vec![back, SliceAxis::all(4), SliceAxis::all(6)];
            b.push(Primitive::Slice(axes), &[x])
        }));
        // The examples last, as if they were first.
        assert!(!separate(|b, n, x, _| {
            let last = transpose(b, x, &[1, 2, 0])?;
            reshape(b, last, &[n, 4, 6])
        }));
        // Each example by each.
        assert!(!separate(|b, n, x, _| {
            let rows = reshape(b, x, &[n, 24])?;
            let by_each = b.push(product(true, false), &[rows, rows])?;
            let rows = b.push(product(false, false), &[rows, by_each])?;
            Ok(rows)
        }));
        // Another example's rows, found by number.
        assert!(!separate(|b, n, x, _| {
            let shape = vec![n, 1];
            let zero = b.constant(&Tensor::scalar(0_i64));
            let zeros = b.push(Primitive::Broadcast { shape }, &[zero])?;
            b.push(Primitive::Gather { axis: 0 }, &[x, zeros])
        }));
        // The result has no examples, or not along its first axis.
        assert!(!separate(|b, _, _, w| b.push(Primitive::Unary(Unary::Exp), &[w])));
        assert!(!separate(|b, _, x, _| transpose(b, x, &[1, 0, 2])));
    }
}
