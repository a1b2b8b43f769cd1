//! Operands: numbers drawn by the case's name, and the many ways in which one reaches a
//! primitive.

use super::case::{Case, Measure};
use crate::{
    Builder, DType, Element, Primitive, Result, SliceAxis, Spec, Storage, Tensor, Unary,
    Value, random::Draw, with_element,
};

/// Which numbers an operand holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Domain {
    /// From the first to the second; whole numbers in an integer type.
    Between(f64, f64),
    /// Whole numbers below this, so that there are many equal ones.
    Below(usize),
}

/// What makes an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feed {
    Input,
    Transposed,
    Sliced,
    Reversed,
    Broadcast,
    Constant,
    Computed,
    Reshaped,
}

impl Feed {
    pub(super) const ALL: [Self; 8] = [
        Self::Input,
        Self::Transposed,
        Self::Sliced,
        Self::Reversed,
        Self::Broadcast,
        Self::Constant,
        Self::Computed,
        Self::Reshaped,
    ];

    /// One feed after the other.
    pub(super) fn nth(i: usize) -> Self {
        Self::ALL[i % Self::ALL.len()]
    }
}

pub(super) const FLOATS: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];
pub(super) const INTEGERS: [DType; 4] = [DType::I32, DType::I64, DType::U8, DType::U32];

/// All types of numbers, `F32` first.
pub(super) fn numbers() -> impl Iterator<Item = DType> {
    FLOATS.into_iter().chain(INTEGERS)
}

/// Numbers of a domain as a tensor.
pub(super) fn values(spec: &Spec, domain: Domain, draw: Draw) -> Tensor {
    let dtype = spec.dtype;
    let number = |i: usize| {
        let u = draw.uniform(i as u64);
        match domain {
            _ if dtype == DType::Bool => f64::from(u8::from(u < 0.5)),
            Domain::Below(count) => (u * count as f64).floor(),
            Domain::Between(low, high) if dtype.is_float() => low + (high - low) * u,
            Domain::Between(low, high) => {
                let signed = matches!(dtype, DType::I32 | DType::I64);
                let low = if signed { low } else { low.max(0.0) };
                (low + (high - low + 1.0) * u).floor()
            }
        }
    };
    with_element!(dtype, T => {
        let mut storage = Storage::zeroed(spec.bytes());
        for (i, to) in storage.as_mut_slice::<T>().iter_mut().enumerate() {
            *to = <T as Element>::from_f64(number(i));
        }
        Tensor::from_storage(storage, dtype, &spec.shape)
    })
}

/// These numbers as a tensor of any type.
pub(super) fn of_numbers(dtype: DType, numbers: &[f64], shape: &[usize]) -> Tensor {
    let mut storage = Storage::zeroed(size_of_val(numbers));
    storage.as_mut_slice().copy_from_slice(numbers);
    Tensor::from_storage(storage, DType::F64, shape).cast(dtype)
}

/// A case in the making.
pub(super) struct Draft {
    pub(super) builder: Builder,
    name: String,
    inputs: Vec<Tensor>,
    variables: Vec<Tensor>,
    measure: Measure,
}

impl Draft {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self {
            builder: Builder::new(),
            name: name.into(),
            inputs: Vec::new(),
            variables: Vec::new(),
            measure: Measure::Norm,
        }
    }

    /// Compares each element by itself: relative errors of so many units of rounding, and an
    /// absolute one of `floor` units.
    pub(super) fn relative(mut self, units: f64, floor: f64) -> Self {
        self.measure = Measure::Relative { units, floor };
        self
    }

    /// The numbers of the next operand: a function of the case's name and its place in it.
    fn draw(&self) -> Draw {
        let hash = |hash: u64, byte: u8| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        };
        let stream = self.name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
        Draw::new(0, stream, (self.inputs.len() + 1000 * self.variables.len()) as u64)
    }

    /// An input that holds this tensor.
    pub(super) fn input_of(&mut self, tensor: Tensor) -> Value {
        let value = self.builder.input(tensor.spec());
        self.inputs.push(tensor);
        value
    }

    /// An input of drawn numbers.
    pub(super) fn input(
        &mut self,
        dtype: DType,
        shape: &[usize],
        domain: Domain,
    ) -> Value {
        self.input_of(values(&Spec::new(dtype, shape), domain, self.draw()))
    }

    /// A variable of drawn numbers.
    pub(super) fn variable(
        &mut self,
        dtype: DType,
        shape: &[usize],
        domain: Domain,
    ) -> Value {
        let tensor = values(&Spec::new(dtype, shape), domain, self.draw());
        let value = self.builder.variable(tensor.spec());
        self.variables.push(tensor);
        value
    }

    /// An operand of drawn numbers, made by `feed`.
    pub(super) fn operand(
        &mut self,
        dtype: DType,
        shape: &[usize],
        domain: Domain,
        feed: Feed,
    ) -> Value {
        match feed {
            Feed::Input => self.input(dtype, shape, domain),
            Feed::Transposed => {
                let reversed: Vec<_> = shape.iter().rev().copied().collect();
                let x = self.input(dtype, &reversed, domain);
                let permutation = (0..shape.len()).rev().collect();
                self.push(Primitive::Transpose { permutation }, &[x])
            }
            Feed::Sliced => {
                let lens: Vec<_> = shape.iter().map(|len| 2 * len + 1).collect();
                let x = self.input(dtype, &lens, domain);
                let axis = |&len| SliceAxis { start: 1, len, step: 2 };
                self.push(Primitive::Slice(shape.iter().map(axis).collect()), &[x])
            }
            Feed::Reversed => {
                let x = self.input(dtype, shape, domain);
                let axis = |&len: &usize| SliceAxis {
                    start: len.saturating_sub(1),
                    len,
                    step: -1,
                };
                self.push(Primitive::Slice(shape.iter().map(axis).collect()), &[x])
            }
            Feed::Broadcast => {
                let mut lens = shape.to_vec();
                if let Some(first) = lens.first_mut() {
                    *first = 1;
                }
                let x = self.input(dtype, &lens, domain);
                self.push(Primitive::Broadcast { shape: shape.to_vec() }, &[x])
            }
            Feed::Constant => {
                let tensor = values(&Spec::new(dtype, shape), domain, self.draw());
                self.builder.constant(&tensor)
            }
            Feed::Computed => {
                let x = self.input(dtype, shape, domain);
                let unary = if dtype == DType::Bool { Unary::Not } else { Unary::Neg };
                let y = self.push(Primitive::Unary(unary), &[x]);
                self.push(Primitive::Unary(unary), &[y])
            }
            Feed::Reshaped => {
                let x = self.input(dtype, &[shape.iter().product()], domain);
                self.push(Primitive::Reshape { shape: shape.to_vec() }, &[x])
            }
        }
    }

    /// Appends a primitive with one output.
    pub(super) fn push(&mut self, primitive: Primitive, inputs: &[Value]) -> Value {
        self.try_push(primitive, inputs).unwrap_or_else(|error| {
            unreachable!("the case `{}` fits the shape rule: {error}", self.name)
        })
    }

    pub(super) fn try_push(
        &mut self,
        primitive: Primitive,
        inputs: &[Value],
    ) -> Result<Value> {
        self.builder.push(primitive, inputs)
    }

    /// Appends a primitive with any number of outputs.
    pub(super) fn push_all(
        &mut self,
        primitive: Primitive,
        inputs: &[Value],
    ) -> Vec<Value> {
        self.builder.push_all(primitive, inputs).unwrap_or_else(|error| {
            unreachable!("the case `{}` fits the shape rule: {error}", self.name)
        })
    }

    /// The case with these results.
    pub(super) fn finish(self, outputs: &[Value]) -> Case {
        self.finish_with(outputs, &[])
    }

    /// The case with these results and updates.
    pub(super) fn finish_with(
        self,
        outputs: &[Value],
        updates: &[(usize, Value)],
    ) -> Case {
        let Self { builder, name, inputs, variables, measure } = self;
        let program = builder.finish(outputs, updates).unwrap_or_else(|error| {
            unreachable!("the case `{name}` updates variables by their spec: {error}")
        });
        Case { name, program, inputs, variables, measure }
    }
}
