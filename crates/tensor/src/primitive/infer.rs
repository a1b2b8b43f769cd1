//! The shape rule of each primitive.

use super::{Binary, Convolution, Distribution, Pool, Primitive, Reduction, Scan, Unary};
use crate::{
    DType, Error, Result, Spec, broadcast_shapes, shape_text, tensor::checked_size,
};

impl Primitive {
    /// The specs of the outputs for inputs of these specs.
    ///
    /// # Errors
    ///
    /// If the primitive cannot take these inputs, or its settings fit no input.
    pub fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let rule = Rule { op: self.name(), inputs };
        let outputs = rule.outputs(self)?;
        for output in &outputs {
            checked_size(&output.shape)?;
        }
        Ok(outputs)
    }
}

struct Rule<'a> {
    op: &'static str,
    inputs: &'a [&'a Spec],
}

impl Rule<'_> {
    fn outputs(&self, primitive: &Primitive) -> Result<Vec<Spec>> {
        let one = |spec| Ok(vec![spec]);
        match primitive {
            Primitive::Constant(tensor) => self.take::<0>().and(one(tensor.spec())),
            Primitive::Iota { shape, axis, dtype } => {
                self.take::<0>()?;
                self.axis(*axis, shape.len())?;
                self.check(*dtype != DType::Bool, "a number type", dtype)?;
                one(Spec::new(*dtype, shape.clone()))
            }
            Primitive::Random { distribution, shape, dtype, .. } => {
                for input in self.take::<2>()? {
                    let scalar = *input == Spec::scalar(DType::I64);
                    self.check(scalar, "seed and step, int64 scalars", input)?;
                }
                let fits = match distribution {
                    Distribution::Bits => *dtype == DType::U32,
                    _ => matches!(dtype, DType::F32 | DType::F64),
                };
                self.check(fits, "float32 or float64 (uint32 for bits)", dtype)?;
                one(Spec::new(*dtype, shape.clone()))
            }
            Primitive::Unary(unary) => one(self.unary(*unary)?),
            Primitive::Binary(binary) => {
                let [a, b] = self.take()?;
                self.same_dtype(a, b)?;
                let (fits, expected) = match binary {
                    Binary::And | Binary::Or | Binary::Xor => {
                        (!a.dtype.is_float(), "bool or integers")
                    }
                    Binary::Atan2 => (a.dtype.is_float(), "floating point"),
                    _ => (a.dtype != DType::Bool, "a number type"),
                };
                self.check(fits, expected, a.dtype)?;
                one(Spec::new(a.dtype, self.broadcast(&[a, b])?))
            }
            Primitive::Compare(_) => {
                let [a, b] = self.take()?;
                self.same_dtype(a, b)?;
                one(Spec::new(DType::Bool, self.broadcast(&[a, b])?))
            }
            Primitive::Select => {
                let [condition, a, b] = self.take()?;
                self.check(
                    condition.dtype == DType::Bool,
                    "a bool condition",
                    condition,
                )?;
                self.same_dtype(a, b)?;
                one(Spec::new(a.dtype, self.broadcast(&[condition, a, b])?))
            }
            Primitive::Cast(dtype) => {
                let [x] = self.take()?;
                one(Spec::new(*dtype, x.shape.clone()))
            }
            Primitive::Reduce { reduction, axes } => {
                let [x] = self.take()?;
                let logical = matches!(reduction, Reduction::All | Reduction::Any);
                let expected = if logical { "bool" } else { "a number type" };
                self.check((x.dtype == DType::Bool) == logical, expected, x.dtype)?;
                one(Spec::new(x.dtype, self.without(x, axes)?))
            }
            Primitive::ArgReduce { axis, .. } => {
                let [x] = self.take()?;
                let shape = self.without(x, &[*axis])?;
                self.check(x.shape[*axis] > 0, "an axis with elements", x)?;
                one(Spec::new(DType::I64, shape))
            }
            Primitive::CumSum { axis, .. } => {
                let [x] = self.take()?;
                self.axis(*axis, x.rank())?;
                self.check(x.dtype != DType::Bool, "a number type", x.dtype)?;
                one(x.clone())
            }
            Primitive::Sort { axis, .. } => {
                let [x] = self.take()?;
                self.axis(*axis, x.rank())?;
                Ok(vec![x.clone(), Spec::new(DType::I64, x.shape.clone())])
            }
            Primitive::TopK { k } => {
                let [x] = self.take()?;
                let mut shape = x.shape.clone();
                match shape.last_mut() {
                    Some(len) if *k <= *len => *len = *k,
                    _ => return Err(self.error(format_args!("at least {k} elements"), x)),
                }
                Ok(vec![Spec::new(x.dtype, shape.clone()), Spec::new(DType::I64, shape)])
            }
            Primitive::MatMul { transpose_a, transpose_b } => {
                one(self.matmul(*transpose_a, *transpose_b)?)
            }
            Primitive::Convolution(convolution) => {
                let [x, kernel] = self.take()?;
                one(self.convolution(convolution, x, kernel)?)
            }
            Primitive::ConvolutionToInput { convolution, spatial } => {
                let [dy, kernel] = self.take()?;
                self.check(
                    kernel.rank() >= 2,
                    "a kernel with channels and filters",
                    kernel,
                )?;
                let channels = kernel.shape[kernel.rank() - 2] * convolution.groups;
                let mut shape = dy.shape.first().copied().into_iter().collect::<Vec<_>>();
                shape.extend(spatial);
                shape.push(channels);
                let x = Spec::new(dy.dtype, shape);
                self.adjoint(&self.convolution(convolution, &x, kernel)?, dy)?;
                one(x)
            }
            Primitive::ConvolutionToKernel { convolution, spatial } => {
                let [x, dy] = self.take()?;
                let last = |spec: &Spec| spec.shape.last().copied().unwrap_or(0);
                self.check(
                    convolution.groups > 0 && last(x) % convolution.groups == 0,
                    "channels that the groups divide",
                    x,
                )?;
                let mut shape = spatial.clone();
                shape.extend([last(x) / convolution.groups, last(dy)]);
                let kernel = Spec::new(x.dtype, shape);
                self.adjoint(&self.convolution(convolution, x, &kernel)?, dy)?;
                one(kernel)
            }
            Primitive::MaxPool(pool) | Primitive::AveragePool(pool) => {
                let [x] = self.take()?;
                let average = matches!(primitive, Primitive::AveragePool(_));
                let fits =
                    if average { x.dtype.is_float() } else { x.dtype != DType::Bool };
                self.check(fits, "a number type, floating point for a mean", x.dtype)?;
                one(self.pool(pool, x)?)
            }
            Primitive::MaxPoolGather(pool) => {
                let [x, values] = self.take()?;
                self.check(x.shape == values.shape, "two inputs of one shape", values)?;
                one(Spec::new(values.dtype, self.pool(pool, x)?.shape))
            }
            Primitive::MaxPoolScatter(pool) => {
                let [x, dy] = self.take()?;
                let y = self.pool(pool, x)?;
                self.check(y.shape == dy.shape, &y, dy)?;
                one(Spec::new(dy.dtype, x.shape.clone()))
            }
            Primitive::AveragePoolToInput { pool, spatial } => {
                let [dy] = self.take()?;
                self.check(
                    dy.rank() == spatial.len() + 2,
                    "batch, spatial, channels",
                    dy,
                )?;
                let mut shape = vec![dy.shape[0]];
                shape.extend(spatial);
                shape.push(dy.shape[dy.rank() - 1]);
                let x = Spec::new(dy.dtype, shape);
                self.adjoint(&self.pool(pool, &x)?, dy)?;
                one(x)
            }
            Primitive::Gather { axis } => {
                let [x, indices] = self.take()?;
                self.axis(*axis, x.rank())?;
                self.indices(indices)?;
                let (before, after) = (&x.shape[..*axis], &x.shape[axis + 1..]);
                one(Spec::new(x.dtype, [before, &indices.shape, after].concat()))
            }
            Primitive::ScatterAdd { axis, len } => {
                let [indices, updates] = self.take()?;
                self.indices(indices)?;
                let end = axis + indices.rank();
                let fits = updates.shape.get(*axis..end) == Some(&indices.shape[..]);
                let expected =
                    format_args!("updates with the axes of the indices at {axis}");
                self.check(fits && updates.dtype != DType::Bool, expected, updates)?;
                let (before, after) = (&updates.shape[..*axis], &updates.shape[end..]);
                one(Spec::new(updates.dtype, [before, &[*len], after].concat()))
            }
            Primitive::GatherAlong { axis } => {
                let [x, indices] = self.take()?;
                self.axis(*axis, x.rank())?;
                self.indices(indices)?;
                let rest = self.without(x, &[*axis])?;
                let fits = indices.rank() == x.rank()
                    && self.without(indices, &[*axis])? == rest;
                self.check(fits, "indices of the same shape but for the axis", indices)?;
                one(Spec::new(x.dtype, indices.shape.clone()))
            }
            Primitive::ScatterAddAlong { axis, len } => {
                let [indices, updates] = self.take()?;
                self.axis(*axis, updates.rank())?;
                self.indices(indices)?;
                self.check(
                    indices.shape == updates.shape,
                    "two inputs of one shape",
                    updates,
                )?;
                self.check(updates.dtype != DType::Bool, "a number type", updates.dtype)?;
                let mut shape = updates.shape.clone();
                shape[*axis] = *len;
                one(Spec::new(updates.dtype, shape))
            }
            Primitive::Pad { padding } => {
                let [x, value] = self.take()?;
                self.check(
                    value == &Spec::scalar(x.dtype),
                    "a scalar of its type",
                    value,
                )?;
                let expected = format_args!("{} axes", padding.len());
                self.check(padding.len() == x.rank(), expected, x)?;
                let lens = x.shape.iter().zip(padding);
                let shape: Option<Vec<_>> = lens
                    .map(|(len, (low, high))| len.checked_add(*low)?.checked_add(*high))
                    .collect();
                let shape =
                    shape.ok_or_else(|| self.error("padding that fits into memory", x));
                one(Spec::new(x.dtype, shape?))
            }
            Primitive::Slice(axes) => {
                let [x] = self.take()?;
                self.check(
                    axes.len() == x.rank(),
                    format_args!("{} axes", axes.len()),
                    x,
                )?;
                for (axis, &len) in axes.iter().zip(&x.shape) {
                    let last = axis.len.checked_sub(1).map(|n| {
                        let way = n.cast_signed().checked_mul(axis.step)?;
                        axis.start.cast_signed().checked_add(way)
                    });
                    let inside = |at: isize| (0..len.cast_signed()).contains(&at);
                    let fits = match last {
                        None => true,
                        Some(last) => {
                            inside(axis.start.cast_signed()) && last.is_some_and(inside)
                        }
                    };
                    let expected = format_args!("a slice inside an axis of length {len}");
                    self.check(
                        fits && axis.step != 0,
                        expected,
                        format_args!("{axis:?}"),
                    )?;
                }
                one(Spec::new(
                    x.dtype,
                    axes.iter().map(|axis| axis.len).collect::<Vec<_>>(),
                ))
            }
            Primitive::Concat { axis } => one(self.concat(*axis)?),
            Primitive::Transpose { permutation } => {
                let [x] = self.take()?;
                let mut sorted = permutation.clone();
                sorted.sort_unstable();
                let fits = sorted.iter().copied().eq(0..x.rank());
                self.check(
                    fits,
                    "each axis once",
                    format_args!("{permutation:?} of {x}"),
                )?;
                let shape: Vec<_> =
                    permutation.iter().map(|&axis| x.shape[axis]).collect();
                one(Spec::new(x.dtype, shape))
            }
            Primitive::Broadcast { shape } => {
                let [x] = self.take()?;
                let fits = broadcast_shapes(&x.shape, shape).as_ref() == Some(shape);
                let expected =
                    format_args!("a shape that broadcasts to {}", shape_text(shape));
                self.check(fits, expected, x)?;
                one(Spec::new(x.dtype, shape.clone()))
            }
            Primitive::Reshape { shape } => {
                let [x] = self.take()?;
                let size = checked_size(shape)?;
                let expected = format_args!("{size} elements for {}", shape_text(shape));
                self.check(size == x.size(), expected, x)?;
                one(Spec::new(x.dtype, shape.clone()))
            }
            Primitive::Scan(scan) => self.scan(scan),
        }
    }

    fn error(
        &self,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Error {
        Error::invalid(self.op, expected).got(got)
    }

    fn check(
        &self,
        fits: bool,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Result<()> {
        if fits { Ok(()) } else { Err(self.error(expected, got)) }
    }

    fn take<const N: usize>(&self) -> Result<[&Spec; N]> {
        self.inputs.try_into().map_err(|_| {
            self.error(format_args!("{N} inputs"), format_args!("{}", self.inputs.len()))
        })
    }

    fn axis(&self, axis: usize, rank: usize) -> Result<()> {
        self.check(axis < rank, format_args!("an axis below {rank}"), axis)
    }

    fn same_dtype(&self, a: &Spec, b: &Spec) -> Result<()> {
        if a.dtype == b.dtype {
            return Ok(());
        }
        Err(self
            .error("one element type", format_args!("{} and {}", a.dtype, b.dtype))
            .help("cast one of them: .cast(dtype)"))
    }

    fn broadcast(&self, specs: &[&Spec]) -> Result<Vec<usize>> {
        let mut shape = Vec::new();
        for spec in specs {
            shape = broadcast_shapes(&shape, &spec.shape).ok_or_else(|| {
                let shapes: Vec<_> =
                    specs.iter().map(|spec| shape_text(&spec.shape)).collect();
                self.error("shapes that broadcast", shapes.join(" and "))
            })?;
        }
        Ok(shape)
    }

    fn without(&self, x: &Spec, axes: &[usize]) -> Result<Vec<usize>> {
        for (i, &axis) in axes.iter().enumerate() {
            self.axis(axis, x.rank())?;
            self.check(i == 0 || axes[i - 1] < axis, "axes in ascending order", axis)?;
        }
        let kept = (0..x.rank()).filter(|axis| !axes.contains(axis));
        Ok(kept.map(|axis| x.shape[axis]).collect())
    }

    fn indices(&self, indices: &Spec) -> Result<()> {
        self.check(indices.dtype.is_integer(), "integer indices", indices)
    }

    fn unary(&self, unary: Unary) -> Result<Spec> {
        let [x] = self.take()?;
        let (fits, expected) = match unary {
            Unary::Neg | Unary::Abs | Unary::Sign | Unary::Square => {
                (x.dtype != DType::Bool, "a number type")
            }
            Unary::Not => (!x.dtype.is_float(), "bool or integers"),
            _ => (x.dtype.is_float(), "floating point"),
        };
        self.check(fits, expected, x.dtype)?;
        let logical = matches!(unary, Unary::IsFinite | Unary::IsNan);
        Ok(Spec::new(if logical { DType::Bool } else { x.dtype }, x.shape.clone()))
    }

    fn matmul(&self, transpose_a: bool, transpose_b: bool) -> Result<Spec> {
        let [a, b] = self.take()?;
        self.same_dtype(a, b)?;
        self.check(a.dtype != DType::Bool, "a number type", a.dtype)?;
        self.check(
            a.rank() >= 2 && b.rank() >= 2,
            "two axes or more",
            format_args!("{a}, {b}"),
        )?;
        let split = |spec: &Spec, transposed: bool| {
            let (batch, matrix) = spec.shape.split_at(spec.rank() - 2);
            let (rows, columns) =
                (matrix[usize::from(transposed)], matrix[usize::from(!transposed)]);
            (batch.to_vec(), rows, columns)
        };
        let (batch_a, m, k) = split(a, transpose_a);
        let (batch_b, k_b, n) = split(b, transpose_b);
        let both = format_args!("{} and {}", shape_text(&a.shape), shape_text(&b.shape));
        self.check(k == k_b, "inner axes of one length", both)?;
        let mut shape = broadcast_shapes(&batch_a, &batch_b)
            .ok_or_else(|| self.error("batch axes that broadcast", both))?;
        shape.extend([m, n]);
        Ok(Spec::new(a.dtype, shape))
    }

    fn convolution(
        &self,
        settings: &Convolution,
        x: &Spec,
        kernel: &Spec,
    ) -> Result<Spec> {
        self.same_dtype(x, kernel)?;
        self.check(x.dtype.is_float(), "floating point", x.dtype)?;
        let spatial = settings.strides.len();
        let fits = settings.padding.len() == spatial
            && settings.dilation.len() == spatial
            && settings.strides.iter().chain(&settings.dilation).all(|&n| n > 0)
            && settings.groups > 0;
        self.check(
            fits,
            "positive settings for each spatial axis",
            format_args!("{settings:?}"),
        )?;
        let expected = format_args!("{} axes", spatial + 2);
        self.check(x.rank() == spatial + 2, expected, x)?;
        self.check(kernel.rank() == spatial + 2, expected, kernel)?;
        let (channels, filters) = (x.shape[spatial + 1], kernel.shape[spatial + 1]);
        let per_group = kernel.shape[spatial];
        let fits = per_group.checked_mul(settings.groups) == Some(channels)
            && filters % settings.groups == 0;
        let expected = format_args!(
            "a kernel for {channels} channels in {} groups, which divide its filters",
            settings.groups
        );
        self.check(fits, expected, kernel)?;
        let mut shape = vec![x.shape[0]];
        for axis in 0..spatial {
            let window = (kernel.shape[axis].max(1) - 1)
                .checked_mul(settings.dilation[axis])
                .and_then(|len| len.checked_add(1))
                .ok_or_else(|| self.error("a window that fits into memory", kernel))?;
            self.check(kernel.shape[axis] > 0, "a kernel with cells", kernel)?;
            let len = (x.shape[axis + 1], settings.padding[axis]);
            shape.push(self.windows(len, window, settings.strides[axis])?);
        }
        shape.push(filters);
        Ok(Spec::new(x.dtype, shape))
    }

    fn pool(&self, settings: &Pool, x: &Spec) -> Result<Spec> {
        let spatial = settings.window.len();
        let fits = settings.padding.len() == spatial
            && settings.strides.len() == spatial
            && settings.strides.iter().chain(&settings.window).all(|&n| n > 0);
        self.check(
            fits,
            "positive settings for each spatial axis",
            format_args!("{settings:?}"),
        )?;
        self.check(x.rank() == spatial + 2, format_args!("{} axes", spatial + 2), x)?;
        let mut shape = x.shape.clone();
        for axis in 0..spatial {
            let len = (x.shape[axis + 1], settings.padding[axis]);
            shape[axis + 1] =
                self.windows(len, settings.window[axis], settings.strides[axis])?;
        }
        Ok(Spec::new(x.dtype, shape))
    }

    /// How many windows fit into an axis with its padding.
    fn windows(
        &self,
        (len, (low, high)): (usize, (usize, usize)),
        window: usize,
        stride: usize,
    ) -> Result<usize> {
        let padded = len.checked_add(low).and_then(|len| len.checked_add(high));
        let padded =
            padded.ok_or_else(|| self.error("padding that fits into memory", len))?;
        let room = padded.checked_sub(window).ok_or_else(|| {
            let expected =
                format_args!("an axis (with padding) of length {window} or more");
            self.error(expected, padded)
        });
        Ok(room? / stride + 1)
    }

    fn adjoint(&self, y: &Spec, dy: &Spec) -> Result<()> {
        self.check(y == dy, format_args!("the output's {y}"), dy)
    }

    fn concat(&self, axis: usize) -> Result<Spec> {
        let Some((first, rest)) = self.inputs.split_first() else {
            return Err(self.error("one input or more", "none"));
        };
        self.axis(axis, first.rank())?;
        let mut shape = first.shape.clone();
        for input in rest {
            self.same_dtype(first, input)?;
            let fits = input.rank() == first.rank()
                && (0..first.rank())
                    .all(|i| i == axis || input.shape[i] == first.shape[i]);
            let expected =
                format_args!("{} but for axis {axis}", shape_text(&first.shape));
            self.check(fits, expected, input)?;
            let len = shape[axis].checked_add(input.shape[axis]);
            shape[axis] = len.ok_or_else(|| self.error("a length that fits", input))?;
        }
        Ok(Spec::new(first.dtype, shape))
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Spec>> {
        let body = &scan.body;
        let fixed = scan.constants + scan.carries;
        let fits = body.inputs().len() == self.inputs.len()
            && fixed <= self.inputs.len()
            && scan.carries <= body.outputs().len()
            && body.variables().is_empty();
        self.check(
            fits,
            "the body's inputs",
            format_args!("{} inputs", self.inputs.len()),
        )?;
        for (i, (given, &value)) in self.inputs.iter().zip(body.inputs()).enumerate() {
            let mut expected = body.spec(value).clone();
            if i >= fixed {
                expected.shape.insert(0, scan.length);
            }
            self.check(**given == expected, &expected, given)?;
        }
        let mut outputs = body.output_specs();
        for (i, output) in outputs.iter_mut().enumerate() {
            if i < scan.carries {
                let carry = self.inputs[scan.constants + i];
                self.check(output == carry, format_args!("a carry of {carry}"), output)?;
            } else {
                output.shape.insert(0, scan.length);
            }
        }
        Ok(outputs)
    }
}
