//! The same program with less to do: [`canonical`].
//!
//! Composites without a kernel are replaced by their bodies; equal instructions become one;
//! instructions that change nothing go away, as do those whose results nobody reads; sums of
//! half-precision numbers are taken in `F32`; a reduction goes over one run of axes; what
//! follows from small constants is computed.

use std::collections::BTreeMap;

use deckle_tensor::{
    Backend, Binary, Builder, Composite, DType, Element, Instruction, Operation,
    Primitive, Program, Reduction, Reference, Result, SliceAxis, Tensor, Value,
    with_element,
};

/// The program to plan, which computes the same.
///
/// `keep` says which composites there is a kernel for.
pub(crate) fn canonical(
    program: &Program,
    keep: &dyn Fn(&Composite) -> bool,
) -> Result<Program> {
    without_dead(&simplified(&program.lowered(keep))?)
}

/// Appends an instruction to another program, where it reads `inputs`; returns its results.
pub(crate) fn repeat(
    builder: &mut Builder,
    instruction: &Instruction,
    inputs: &[Value],
) -> Result<Vec<Value>> {
    builder.set_path(&instruction.path);
    match &instruction.operation {
        Operation::Primitive(primitive) => builder.push_all(primitive.clone(), inputs),
        Operation::Composite(composite) => {
            builder.push_composite(composite.clone(), inputs)
        }
    }
}

/// The program without the instructions whose results nobody reads.
pub(crate) fn without_dead(program: &Program) -> Result<Program> {
    let mut live = vec![false; program.specs().len()];
    let roots =
        program.outputs().iter().chain(program.updates().iter().map(|u| &u.value));
    for value in roots {
        live[value.index()] = true;
    }
    let mut kept = vec![false; program.instructions().len()];
    for (i, instruction) in program.instructions().iter().enumerate().rev() {
        kept[i] = instruction.outputs.iter().any(|value| live[value.index()]);
        if kept[i] {
            for value in &instruction.inputs {
                live[value.index()] = true;
            }
        }
    }
    let mut copy = Copying::new(program);
    for (instruction, kept) in program.instructions().iter().zip(kept) {
        if kept {
            let inputs = copy.mapped(&instruction.inputs);
            let outputs = repeat(&mut copy.builder, instruction, &inputs)?;
            copy.set(&instruction.outputs, &outputs);
        }
    }
    copy.finish()
}

/// The program with these instructions, which reduce more axes than the first one, in two steps:
/// the others, then the first one. The first step's results have the element type of all, so it
/// has to be one that sums are taken in.
pub(crate) fn reduced_in_steps(program: &Program, these: &[bool]) -> Result<Program> {
    let mut copy = Copying::new(program);
    for (instruction, &this) in program.instructions().iter().zip(these) {
        let inputs = copy.mapped(&instruction.inputs);
        let outputs = match &instruction.operation {
            Operation::Primitive(Primitive::Reduce { reduction, axes }) if this => {
                copy.builder.set_path(&instruction.path);
                let others = axes.iter().copied().filter(|&axis| axis != 0).collect();
                let others = Primitive::Reduce { reduction: *reduction, axes: others };
                let each = copy.builder.push(others, &inputs)?;
                let first = Primitive::Reduce { reduction: *reduction, axes: vec![0] };
                copy.builder.push_all(first, &[each])?
            }
            _ => repeat(&mut copy.builder, instruction, &inputs)?,
        };
        copy.set(&instruction.outputs, &outputs);
    }
    copy.finish()
}

fn simplified(program: &Program) -> Result<Program> {
    let mut simplifier = Simplifier {
        builder: Builder::new(),
        known: BTreeMap::new(),
        made: BTreeMap::new(),
    };
    let mut copy = Copying::new(program);
    simplifier.builder = std::mem::take(&mut copy.builder);
    for instruction in program.instructions() {
        simplifier.builder.set_path(&instruction.path);
        let inputs = copy.mapped(&instruction.inputs);
        let outputs = match &instruction.operation {
            Operation::Primitive(primitive) => {
                simplifier.primitive(primitive, &inputs)?
            }
            Operation::Composite(composite) => {
                simplifier.composite(composite, &inputs)?
            }
        };
        copy.set(&instruction.outputs, &outputs);
    }
    copy.builder = simplifier.builder;
    copy.finish()
}

/// The outputs of a program without inputs.
fn evaluate(program: &Program) -> Result<Vec<Tensor>> {
    let reference = Reference::new();
    let specs = program.output_specs();
    let buffers: Vec<_> =
        specs.iter().map(|spec| reference.allocate(spec)).collect::<Result<_>>()?;
    reference.compile(program)?.run(&[], &[], &buffers)?;
    let mut tensors = Vec::with_capacity(specs.len());
    for (spec, buffer) in specs.iter().zip(&buffers) {
        let mut tensor = Tensor::zeros(spec.dtype, &spec.shape);
        reference.read(buffer, &mut tensor)?;
        tensors.push(tensor);
    }
    Ok(tensors)
}

/// A program on its way into another builder.
struct Copying<'a> {
    program: &'a Program,
    builder: Builder,
    map: Vec<Option<Value>>,
}

impl<'a> Copying<'a> {
    fn new(program: &'a Program) -> Self {
        let mut builder = Builder::new();
        let mut map = vec![None; program.specs().len()];
        for &value in program.inputs() {
            map[value.index()] = Some(builder.input(program.spec(value).clone()));
        }
        for &value in program.variables() {
            map[value.index()] = Some(builder.variable(program.spec(value).clone()));
        }
        Self { program, builder, map }
    }

    fn mapped(&self, values: &[Value]) -> Vec<Value> {
        let at = |value: &Value| self.map[value.index()].expect("made before it is read");
        values.iter().map(at).collect()
    }

    fn set(&mut self, from: &[Value], to: &[Value]) {
        for (from, &to) in from.iter().zip(to) {
            self.map[from.index()] = Some(to);
        }
    }

    fn finish(self) -> Result<Program> {
        let outputs = self.mapped(self.program.outputs());
        let updates: Vec<_> = (self.program.updates().iter())
            .map(|update| (update.variable, self.mapped(&[update.value])[0]))
            .collect();
        self.builder.finish(outputs, updates)
    }
}

/// What makes two instructions candidates for equality: the name, for constants their bits,
/// and the inputs.
type Key = (String, Vec<u8>, Vec<Value>);

struct Simplifier {
    builder: Builder,
    known: BTreeMap<Key, Vec<(Operation, Vec<Value>)>>,
    /// The primitive that made a value, if it has one output.
    made: BTreeMap<Value, (Primitive, Vec<Value>)>,
}

impl Simplifier {
    fn shape(&self, value: Value) -> Vec<usize> {
        self.builder.shape(value).to_vec()
    }

    fn dtype(&self, value: Value) -> DType {
        self.builder.spec(value).dtype
    }

    fn composite(
        &mut self,
        composite: &Composite,
        inputs: &[Value],
    ) -> Result<Vec<Value>> {
        self.once(Operation::Composite(composite.clone()), inputs)
    }

    fn primitive(
        &mut self,
        primitive: &Primitive,
        inputs: &[Value],
    ) -> Result<Vec<Value>> {
        if let Some(value) = self.simpler(primitive, inputs)? {
            return Ok(vec![value]);
        }
        if let Primitive::Sort { axis, descending } = *primitive {
            return self.sort(axis, descending, inputs[0]);
        }
        self.once(Operation::Primitive(primitive.clone()), inputs)
    }

    /// Sorting goes along the last axis.
    fn sort(&mut self, axis: usize, descending: bool, x: Value) -> Result<Vec<Value>> {
        let rank = self.builder.shape(x).len();
        let mut permutation: Vec<_> = (0..rank).collect();
        permutation.swap(axis, rank - 1);
        let turn = Primitive::Transpose { permutation };
        let turned = self.push(turn.clone(), &[x])?;
        let sort = Primitive::Sort { axis: rank - 1, descending };
        let sorted = self.once(Operation::Primitive(sort), &[turned])?;
        sorted.into_iter().map(|value| self.push(turn.clone(), &[value])).collect()
    }

    #[expect(clippy::needless_pass_by_value, reason = "all callers have just made it")]
    fn push(&mut self, primitive: Primitive, inputs: &[Value]) -> Result<Value> {
        Ok(self.primitive(&primitive, inputs)?[0])
    }

    /// Appends an operation, unless an equal one is there.
    fn once(&mut self, operation: Operation, inputs: &[Value]) -> Result<Vec<Value>> {
        let key = match &operation {
            Operation::Primitive(Primitive::Constant(tensor)) => {
                let tensor = tensor.contiguous();
                let start = tensor.as_bytes().unwrap_or_default();
                let start = &start[..start.len().min(64)];
                (tensor.spec().to_string(), start.to_vec(), Vec::new())
            }
            Operation::Primitive(primitive) => {
                (primitive.name().to_owned(), Vec::new(), inputs.to_vec())
            }
            Operation::Composite(composite) => {
                (composite.name.to_string(), Vec::new(), inputs.to_vec())
            }
        };
        let equal = self.known.get(&key).into_iter().flatten();
        if let Some((_, outputs)) = equal.clone().find(|(known, _)| *known == operation) {
            return Ok(outputs.clone());
        }
        let outputs = match &operation {
            Operation::Primitive(primitive) => match self.folded(primitive, inputs) {
                Some(tensors) => {
                    let constants = tensors.into_iter().map(Primitive::Constant);
                    return constants.map(|constant| self.push(constant, &[])).collect();
                }
                None => self.builder.push_all(primitive.clone(), inputs)?,
            },
            Operation::Composite(composite) => {
                self.builder.push_composite(composite.clone(), inputs)?
            }
        };
        if let (Operation::Primitive(primitive), [output]) = (&operation, &outputs[..]) {
            self.made.insert(*output, (primitive.clone(), inputs.to_vec()));
        }
        self.known.entry(key).or_default().push((operation, outputs.clone()));
        Ok(outputs)
    }

    /// What a primitive makes of small constants.
    fn folded(&self, primitive: &Primitive, inputs: &[Value]) -> Option<Vec<Tensor>> {
        /// Constants up to this size are computed once and for all.
        const SMALL: usize = 64;
        let view = matches!(
            primitive,
            Primitive::Reshape { .. }
                | Primitive::Transpose { .. }
                | Primitive::Broadcast { .. }
                | Primitive::Slice(_)
                | Primitive::Scan(_)
        );
        if view || inputs.is_empty() {
            return None;
        }
        let mut builder = Builder::new();
        let mut constants = Vec::with_capacity(inputs.len());
        for input in inputs {
            match self.made.get(input)? {
                (Primitive::Constant(tensor), _) if tensor.size() <= SMALL => {
                    constants.push(builder.constant(tensor));
                }
                _ => return None,
            }
        }
        let outputs = builder.push_all(primitive.clone(), &constants).ok()?;
        if outputs.iter().any(|&value| builder.spec(value).size() > SMALL) {
            return None;
        }
        // An index out of range stays an error of the run.
        evaluate(&builder.finish(outputs, []).ok()?).ok()
    }

    /// A value that is equal to the primitive's output, if there is a simpler way to it.
    fn simpler(
        &mut self,
        primitive: &Primitive,
        inputs: &[Value],
    ) -> Result<Option<Value>> {
        if let Some(value) = self.in_single_precision(primitive, inputs)? {
            return Ok(Some(value));
        }
        Ok(match primitive {
            Primitive::Constant(tensor) => self.constant(tensor)?,
            Primitive::Iota { shape, axis, dtype } => {
                Some(self.iota(shape, *axis, *dtype)?)
            }
            Primitive::Cast(dtype) if self.dtype(inputs[0]) == *dtype => Some(inputs[0]),
            Primitive::Binary(binary) => self.binary(*binary, inputs)?,
            Primitive::Reduce { reduction, axes } => {
                self.reduce(*reduction, axes, inputs[0])?
            }
            Primitive::Concat { .. } if inputs.len() == 1 => Some(inputs[0]),
            Primitive::Pad { padding }
                if padding.iter().all(|&cells| cells == (0, 0)) =>
            {
                Some(inputs[0])
            }
            Primitive::Slice(axes) => {
                let shape = self.shape(inputs[0]);
                let all = |(axis, &len): (&SliceAxis, &usize)| {
                    axis.len == len && (len <= 1 || axis.step == 1)
                };
                axes.iter().zip(&shape).all(all).then_some(inputs[0])
            }
            Primitive::Transpose { permutation } => {
                self.transpose(permutation, inputs[0])?
            }
            Primitive::ScatterAdd { axis: 0, .. } => {
                self.scatter_add(primitive, [inputs[0], inputs[1]])?
            }
            Primitive::Broadcast { shape } => {
                if self.shape(inputs[0]) == *shape {
                    return Ok(Some(inputs[0]));
                }
                match self.made.get(&inputs[0]).cloned() {
                    Some((Primitive::Broadcast { .. }, from)) => {
                        Some(self.push(primitive.clone(), &from)?)
                    }
                    _ => None,
                }
            }
            Primitive::Reshape { shape } => {
                if self.shape(inputs[0]) == *shape {
                    return Ok(Some(inputs[0]));
                }
                match self.made.get(&inputs[0]).cloned() {
                    Some((Primitive::Reshape { .. }, from)) => {
                        Some(self.push(primitive.clone(), &from)?)
                    }
                    _ => None,
                }
            }
            _ => None,
        })
    }

    /// A constant of one value is a scalar, repeated.
    fn constant(&mut self, tensor: &Tensor) -> Result<Option<Value>> {
        let tensor = tensor.contiguous();
        let bytes = tensor.as_bytes().unwrap_or_default();
        let width = tensor.dtype().size();
        if tensor.size() < 2 || bytes.chunks(width).any(|value| value != &bytes[..width])
        {
            return Ok(None);
        }
        let scalar = Tensor::from_bytes(tensor.dtype(), [], &bytes[..width])?;
        let scalar = self.push(Primitive::Constant(scalar), &[])?;
        let shape = tensor.shape().to_vec();
        Ok(Some(self.push(Primitive::Broadcast { shape }, &[scalar])?))
    }

    /// Positions along an axis are a table, repeated.
    fn iota(&mut self, shape: &[usize], axis: usize, dtype: DType) -> Result<Value> {
        let len = shape[axis];
        // An error if there is not enough memory.
        let mut table = Tensor::try_zeros(dtype, [len])?;
        with_element!(dtype, T => {
            for (i, place) in table.make_mut::<T>().iter_mut().enumerate() {
                *place = T::from_i64(i as i64);
            }
        });
        let table = self.push(Primitive::Constant(table), &[])?;
        let mut unit = vec![1; shape.len()];
        unit[axis] = len;
        let table = self.push(Primitive::Reshape { shape: unit }, &[table])?;
        self.push(Primitive::Broadcast { shape: shape.to_vec() }, &[table])
    }

    /// The one value of all elements, if it is a constant.
    fn uniform(&self, value: Value) -> Option<f64> {
        match self.made.get(&value)? {
            (Primitive::Constant(tensor), _) if tensor.size() == 1 => {
                with_element!(tensor.dtype(), T => {
                    tensor.to_vec::<T>().ok().map(|values| values[0].to_f64())
                })
            }
            (Primitive::Broadcast { .. } | Primitive::Reshape { .. }, from) => {
                self.uniform(from[0])
            }
            _ => None,
        }
    }

    #[expect(clippy::float_cmp, reason = "exactly these numbers change nothing")]
    fn binary(&mut self, binary: Binary, inputs: &[Value]) -> Result<Option<Value>> {
        let (a, b) = (inputs[0], inputs[1]);
        let neutral = |value: f64, side: Value| match binary {
            Binary::Mul => value == 1.0,
            Binary::Div | Binary::Pow => value == 1.0 && side == b,
            Binary::Sub => value.to_bits() == 0 && side == b,
            // x + 0 is not x for x = -0.
            Binary::Add if self.dtype(a).is_float() => {
                value.to_bits() == (-0.0f64).to_bits()
            }
            Binary::Add => value == 0.0,
            _ => false,
        };
        let shape =
            deckle_tensor::broadcast_shapes(self.builder.shape(a), self.builder.shape(b));
        for (kept, other) in [(a, b), (b, a)] {
            let same = shape.as_deref() == Some(self.builder.shape(kept));
            if same && self.uniform(other).is_some_and(|value| neutral(value, other)) {
                return Ok(Some(kept));
            }
        }
        if binary == Binary::Pow && self.uniform(b) == Some(2.0) {
            let same = shape.as_deref() == Some(self.builder.shape(a));
            if same {
                return Ok(Some(self.push(Primitive::Binary(Binary::Mul), &[a, a])?));
            }
        }
        Ok(None)
    }

    /// A reduction goes over one run of axes; several runs take several.
    fn reduce(
        &mut self,
        reduction: Reduction,
        axes: &[usize],
        x: Value,
    ) -> Result<Option<Value>> {
        let shape = self.shape(x);
        let kept: Vec<_> = (0..shape.len()).filter(|axis| !axes.contains(axis)).collect();
        let result: Vec<_> = kept.iter().map(|&axis| shape[axis]).collect();
        let long: Vec<_> =
            axes.iter().copied().filter(|&axis| shape[axis] != 1).collect();
        if long.is_empty() {
            return Ok(Some(self.push(Primitive::Reshape { shape: result }, &[x])?));
        }
        let gap = |pair: &[usize]| (pair[0] + 1..pair[1]).any(|axis| shape[axis] != 1);
        let Some(cut) = long.windows(2).rposition(gap) else { return Ok(None) };
        let (first, last) = long.split_at(cut + 1);
        let inner = Primitive::Reduce { reduction, axes: last.to_vec() };
        let inner = self.push(inner, &[x])?;
        let outer =
            self.push(Primitive::Reduce { reduction, axes: first.to_vec() }, &[inner])?;
        Ok(Some(self.push(Primitive::Reshape { shape: result }, &[outer])?))
    }

    fn transpose(&mut self, permutation: &[usize], x: Value) -> Result<Option<Value>> {
        let shape = self.shape(x);
        let long: Vec<_> =
            permutation.iter().copied().filter(|&axis| shape[axis] != 1).collect();
        if long.is_sorted() {
            let shape = permutation.iter().map(|&axis| shape[axis]).collect();
            return Ok(Some(self.push(Primitive::Reshape { shape }, &[x])?));
        }
        match self.made.get(&x).cloned() {
            Some((Primitive::Transpose { permutation: before }, from)) => {
                let permutation = permutation.iter().map(|&axis| before[axis]).collect();
                Ok(Some(self.push(Primitive::Transpose { permutation }, &from)?))
            }
            // Rows in another order are those at indices in another order.
            Some((gather @ Primitive::Gather { axis: 0 }, from)) => {
                let rank = self.shape(from[1]).len();
                if !is_of_first(permutation, rank) {
                    return Ok(None);
                }
                let turn =
                    Primitive::Transpose { permutation: permutation[..rank].into() };
                let indices = self.push(turn, &from[1..])?;
                Ok(Some(self.push(gather, &[from[0], indices])?))
            }
            _ => Ok(None),
        }
    }

    /// Rows that were put in another order can be added as they were before, at indices that
    /// are put in that order.
    fn scatter_add(
        &mut self,
        primitive: &Primitive,
        [indices, updates]: [Value; 2],
    ) -> Result<Option<Value>> {
        let rank = self.shape(indices).len();
        let Some((Primitive::Transpose { permutation }, from)) = self.made.get(&updates)
        else {
            return Ok(None);
        };
        if !is_of_first(permutation, rank) {
            return Ok(None);
        }
        let (mut back, from) = (vec![0; rank], from[0]);
        for (to, &axis) in permutation[..rank].iter().enumerate() {
            back[axis] = to;
        }
        let indices =
            self.push(Primitive::Transpose { permutation: back }, &[indices])?;
        Ok(Some(self.push(primitive.clone(), &[indices, from])?))
    }

    /// Sums of half-precision numbers are those of the numbers as `F32`, rounded once.
    fn in_single_precision(
        &mut self,
        primitive: &Primitive,
        inputs: &[Value],
    ) -> Result<Option<Value>> {
        let sums = matches!(
            primitive,
            Primitive::Reduce { .. }
                | Primitive::CumSum { .. }
                | Primitive::MatMul { .. }
                | Primitive::Convolution(_)
                | Primitive::ConvolutionToInput { .. }
                | Primitive::ConvolutionToKernel { .. }
                | Primitive::AveragePool(_)
                | Primitive::AveragePoolToInput { .. }
                | Primitive::MaxPoolScatter(_)
                | Primitive::ScatterAdd { .. }
                | Primitive::ScatterAddAlong { .. }
        );
        let Some(&last) = inputs.last() else { return Ok(None) };
        let half = self.dtype(last);
        if !sums || !matches!(half, DType::F16 | DType::BF16) {
            return Ok(None);
        }
        let mut wide = Vec::with_capacity(inputs.len());
        for &input in inputs {
            wide.push(match self.dtype(input) {
                dtype if dtype == half => {
                    self.push(Primitive::Cast(DType::F32), &[input])?
                }
                _ => input,
            });
        }
        let result = self.push(primitive.clone(), &wide)?;
        Ok(Some(self.push(Primitive::Cast(half), &[result])?))
    }
}

/// Whether a permutation leaves all axes but the first few in place.
fn is_of_first(permutation: &[usize], count: usize) -> bool {
    (count..permutation.len()).all(|axis| permutation[axis] == axis)
}
