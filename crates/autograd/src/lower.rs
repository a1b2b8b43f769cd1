//! From graphs to programs: [`Lower`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use deckle_tensor::{
    Attribute, Binary, Builder, Composite, DType, Dim, Primitive, Program, Reduction,
    Shape, Spec, Tensor, Unary, Value,
};

use crate::{
    Error, Result, Signature, Var,
    var::{Kind, Node},
};

/// Lengths of symbols, known while a function is specialized.
pub(crate) type Bindings = BTreeMap<Arc<str>, usize>;

/// Where an [`Op`](crate::Op) writes its primitives; all lengths are known here.
#[derive(Debug)]
pub struct Lower<'a> {
    builder: &'a mut Builder,
    bindings: &'a Bindings,
    used: Vec<bool>,
}

impl<'a> Lower<'a> {
    pub(crate) fn new(builder: &'a mut Builder, bindings: &'a Bindings) -> Self {
        Self { builder, bindings, used: Vec::new() }
    }

    /// Appends a primitive with one output.
    ///
    /// # Errors
    ///
    /// If the primitive cannot take these inputs.
    pub fn push(&mut self, primitive: Primitive, inputs: &[Value]) -> Result<Value> {
        Ok(self.builder.push(primitive, inputs)?)
    }

    /// Appends a primitive with any number of outputs.
    ///
    /// # Errors
    ///
    /// If the primitive cannot take these inputs.
    pub fn push_all(
        &mut self,
        primitive: Primitive,
        inputs: &[Value],
    ) -> Result<Vec<Value>> {
        Ok(self.builder.push_all(primitive, inputs)?)
    }

    /// Appends a function of one number.
    ///
    /// # Errors
    ///
    /// If it cannot take that element type.
    pub fn unary(&mut self, unary: Unary, x: Value) -> Result<Value> {
        self.push(Primitive::Unary(unary), &[x])
    }

    /// Appends a function of two numbers.
    ///
    /// # Errors
    ///
    /// If it cannot take these element types, or the shapes do not broadcast.
    pub fn binary(&mut self, binary: Binary, a: Value, b: Value) -> Result<Value> {
        self.push(Primitive::Binary(binary), &[a, b])
    }

    /// Appends a reduction; the axes ascend, and go away.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    pub fn reduce(
        &mut self,
        reduction: Reduction,
        axes: &[usize],
        x: Value,
    ) -> Result<Value> {
        self.push(Primitive::Reduce { reduction, axes: axes.to_vec() }, &[x])
    }

    /// Appends a reshape.
    ///
    /// # Errors
    ///
    /// If the number of elements differs.
    pub fn reshape(&mut self, shape: impl Into<Vec<usize>>, x: Value) -> Result<Value> {
        self.push(Primitive::Reshape { shape: shape.into() }, &[x])
    }

    /// A value that is the same in every run.
    pub fn constant(&mut self, tensor: &Tensor) -> Value {
        self.builder.constant(tensor)
    }

    /// A number without axes.
    pub fn scalar(&mut self, dtype: DType, value: f64) -> Value {
        self.constant(&Tensor::scalar(value).cast(dtype))
    }

    /// The element type and shape of a value.
    #[must_use]
    pub fn spec(&self, value: Value) -> &Spec {
        self.builder.spec(value)
    }

    /// The shape of a value.
    #[must_use]
    pub fn shape(&self, value: Value) -> Vec<usize> {
        self.builder.shape(value).to_vec()
    }

    /// Whether anything reads this output of the operation that is being lowered.
    #[must_use]
    pub fn is_used(&self, output: usize) -> bool {
        self.used.get(output).copied().unwrap_or(true)
    }

    /// The length that a symbol stands for.
    ///
    /// # Errors
    ///
    /// If no input of the function has an axis of that name.
    pub fn resolve(&self, dim: &Dim) -> Result<usize> {
        let found = match dim {
            Dim::Known(len) => Some(*len),
            Dim::Symbol(name) => self.bindings.get(name).copied(),
            Dim::Unknown => None,
        };
        found.ok_or_else(|| {
            Error::function(
                format_args!(
                    "the length of axis `{dim}` is not known when the function is called"
                ),
                "take it from a tensor instead, e.g. with reshape_like or broadcast_like",
            )
        })
    }

    /// The lengths of a shape's axes.
    ///
    /// # Errors
    ///
    /// If one is not known, see [`Lower::resolve`].
    pub fn resolve_shape(&self, shape: &Shape) -> Result<Vec<usize>> {
        shape.dims().iter().map(|dim| self.resolve(dim)).collect()
    }

    /// Appends a composite with that body, a graph between `inputs` and `outputs`.
    ///
    /// # Errors
    ///
    /// If the body cannot be lowered.
    pub fn composite(
        &mut self,
        name: &str,
        attributes: BTreeMap<String, Attribute>,
        body: (&[Var], &[Var]),
        inputs: &[Value],
    ) -> Result<Vec<Value>> {
        let specs: Vec<_> =
            inputs.iter().map(|&value| self.spec(value).clone()).collect();
        let body = Arc::new(self.sub_program(body.0, &specs, body.1)?);
        Ok(self
            .builder
            .push_composite(Composite { name: name.into(), attributes, body }, inputs)?)
    }

    /// The program of a graph whose inputs have these specs.
    ///
    /// # Errors
    ///
    /// If the graph reads anything but its inputs and constants, or cannot be lowered.
    pub fn sub_program(
        &self,
        inputs: &[Var],
        specs: &[Spec],
        outputs: &[Var],
    ) -> Result<Program> {
        let mut builder = Builder::new();
        let mut bindings = self.bindings.clone();
        let mut values = BTreeMap::new();
        for (input, spec) in inputs.iter().zip(specs) {
            bind(&mut bindings, input, spec)?;
            values.insert(input.key(), builder.input(spec.clone()));
        }
        let mut lower = Lower::new(&mut builder, &bindings);
        let outputs = lower.graph(outputs, &mut values)?;
        Ok(builder.finish(outputs, [])?)
    }

    /// Appends all that `outputs` need; `values` has the inputs and variables, and gets the
    /// rest.
    pub(crate) fn graph(
        &mut self,
        outputs: &[Var],
        values: &mut BTreeMap<(usize, usize), Value>,
    ) -> Result<Vec<Value>> {
        let order = topological(outputs, |var| values.contains_key(&var.key()));
        let read = order.iter().flat_map(|node| &node.inputs);
        let used: BTreeSet<_> = outputs.iter().chain(read).map(Var::key).collect();
        for node in order {
            self.builder.set_path(&node.shared_path());
            self.used = (0..node.outputs.len())
                .map(|output| used.contains(&(node.key(), output)))
                .collect();
            let made = self.node(&node, values).map_err(|error| error.at(node.path()))?;
            for (output, value) in made.into_iter().enumerate() {
                values.insert((node.key(), output), value);
            }
        }
        Ok(outputs.iter().map(|var| values[&var.key()]).collect())
    }

    fn node(
        &mut self,
        node: &Node,
        values: &BTreeMap<(usize, usize), Value>,
    ) -> Result<Vec<Value>> {
        let op = match &node.kind {
            Kind::Op(op) => op,
            Kind::Constant(tensor) => return Ok(vec![self.constant(tensor)]),
            Kind::Input(name) => return Err(not_an_input("input", name)),
            Kind::Variable(variable) => {
                return Err(not_an_input("variable", variable.name()));
            }
        };
        let inputs: Vec<_> = node.inputs.iter().map(|var| values[&var.key()]).collect();
        let specs = inputs.iter().map(|&value| Signature::from(self.spec(value)));
        op.infer(&specs.collect::<Vec<_>>())?;
        let made = op.lower(&inputs, self)?;
        debug_assert!(
            made.iter().zip(&node.outputs).all(|(&value, expected)| {
                let spec = self.spec(value);
                spec.dtype == expected.dtype
                    && Shape::from(&spec.shape[..]).may_equal(&expected.shape)
            }) || !self.used.iter().all(|&used| used),
            "{op:?} is lowered to something else than it infers",
        );
        Ok(made)
    }
}

fn not_an_input(what: &str, name: &str) -> Error {
    Error::function(
        format_args!("the function reads {what} `{name}`, which it was not given"),
        "name it among the function's inputs",
    )
}

/// Learns the lengths of an input's symbols from what it is given.
pub(crate) fn bind(bindings: &mut Bindings, input: &Var, spec: &Spec) -> Result<()> {
    let expected = input.signature();
    let wrong = |expected: String| Error::Input {
        name: match &input.node().kind {
            Kind::Input(name) => name.to_string(),
            _ => String::new(),
        },
        expected,
        got: spec.to_string(),
    };
    if expected.dtype != spec.dtype
        || !expected.shape.may_equal(&Shape::from(&spec.shape[..]))
    {
        return Err(wrong(expected.to_string()));
    }
    for (dim, &len) in expected.shape.dims().iter().zip(&spec.shape) {
        if let Dim::Symbol(name) = dim {
            let bound = *bindings.entry(Arc::clone(name)).or_insert(len);
            if bound != len {
                return Err(wrong(format!(
                    "{expected} with {name} = {bound}, as in the inputs before"
                )));
            }
        }
    }
    Ok(())
}

/// The nodes that `outputs` need, each after those it needs itself. What is `known` is not
/// needed. The order follows from the graph's structure alone.
pub(crate) fn topological(
    outputs: &[Var],
    known: impl Fn(&Var) -> bool,
) -> Vec<Arc<Node>> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    // A node with the number of its inputs that were visited already.
    let mut stack: Vec<(Arc<Node>, usize)> = Vec::new();
    for output in outputs {
        if !known(output) && seen.insert(output.node().key()) {
            stack.push((Arc::clone(output.node()), 0));
        }
        while let Some((node, visited)) = stack.last_mut() {
            if let Some(input) = node.inputs.get(*visited) {
                *visited += 1;
                if !known(input) && seen.insert(input.node().key()) {
                    let input = Arc::clone(input.node());
                    stack.push((input, 0));
                }
            } else {
                order.extend(stack.pop().map(|(node, _)| node));
            }
        }
    }
    order
}
