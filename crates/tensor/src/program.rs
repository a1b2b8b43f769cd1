//! Lists of instructions on typed, shaped values: [`Program`] and its [`Builder`].

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{Error, Primitive, Result, Spec, Tensor};

/// A value of a program, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(u32);

impl Value {
    /// The value's place in [`Program::specs`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// What an instruction does.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// One of the closed set that every backend runs.
    Primitive(Primitive),
    /// A named piece with a body of primitives, which a backend may have a kernel for.
    Composite(Composite),
}

/// A named operation above the primitives, which means what its body computes.
///
/// The body's outputs are the results and then the *residuals*: values that the backward
/// composite takes, with meanings documented by the op that makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    /// The name that a backend knows it by, as `softmax`.
    pub name: Arc<str>,
    /// The settings; part of the meaning for a kernel, already worked into the body.
    pub attributes: BTreeMap<String, Attribute>,
    /// The meaning. It has no variables and no updates.
    pub body: Arc<Program>,
}

impl Composite {
    /// An attribute that is an integer.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.attributes.get(name) {
            Some(Attribute::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// An attribute that is a list of integers.
    #[must_use]
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// An attribute that is a number.
    #[must_use]
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.attributes.get(name) {
            Some(Attribute::Float(value)) => Some(*value),
            _ => None,
        }
    }

    /// An attribute that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name) {
            Some(Attribute::Text(value)) => Some(value),
            _ => None,
        }
    }
}

/// A setting of a [`Composite`].
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// An integer; 0 and 1 for false and true.
    Int(i64),
    /// Several integers.
    Ints(Vec<i64>),
    /// A number.
    Float(f64),
    /// A word.
    Text(String),
}

/// One step of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// What it does.
    pub operation: Operation,
    /// What it reads.
    pub inputs: Vec<Value>,
    /// What it makes; each value is made once.
    pub outputs: Vec<Value>,
    /// The layer, or part of the model, that it stems from; empty if unknown.
    pub path: Arc<str>,
}

/// A new value for a variable, stored when all reads are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// The variable's place in [`Program::variables`].
    pub variable: usize,
    /// The new value, of the same spec.
    pub value: Value,
}

/// A list of instructions on typed, shaped values.
///
/// Every value is an input, a variable's value from before the run, or made by exactly one
/// instruction before all that read it. Made by a [`Builder`], which checks all of this.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    specs: Vec<Spec>,
    inputs: Vec<Value>,
    variables: Vec<Value>,
    instructions: Vec<Instruction>,
    outputs: Vec<Value>,
    updates: Vec<Update>,
}

impl Program {
    /// The specs of all values, by [`Value::index`].
    #[must_use]
    pub fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// The spec of a value.
    #[must_use]
    pub fn spec(&self, value: Value) -> &Spec {
        &self.specs[value.index()]
    }

    /// The values given to a run.
    #[must_use]
    pub fn inputs(&self) -> &[Value] {
        &self.inputs
    }

    /// The values of the variables from before a run.
    #[must_use]
    pub fn variables(&self) -> &[Value] {
        &self.variables
    }

    /// The instructions, in an order in which they can run.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The results.
    #[must_use]
    pub fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    /// The specs of the results.
    #[must_use]
    pub fn output_specs(&self) -> Vec<Spec> {
        self.outputs.iter().map(|&value| self.spec(value).clone()).collect()
    }

    /// The variables' new values, at most one for each.
    #[must_use]
    pub fn updates(&self) -> &[Update] {
        &self.updates
    }

    /// This program with the body of every composite in its place, so that only primitives
    /// are left. `keep` says which composites stay.
    ///
    /// # Panics
    ///
    /// Never; a program's instructions are valid wherever their inputs exist.
    #[must_use]
    pub fn lowered(&self, keep: &dyn Fn(&Composite) -> bool) -> Self {
        let mut builder = Builder::new();
        let mut map = vec![None; self.specs.len()];
        for &value in &self.inputs {
            map[value.index()] = Some(builder.input(self.spec(value).clone()));
        }
        for &value in &self.variables {
            map[value.index()] = Some(builder.variable(self.spec(value).clone()));
        }
        builder.inline(self, &mut map, keep);
        let at = |value: Value| map[value.index()].expect("made before it is read");
        let outputs: Vec<_> = self.outputs.iter().map(|&value| at(value)).collect();
        let updates =
            self.updates.iter().map(|u| (u.variable, at(u.value))).collect::<Vec<_>>();
        builder.finish(outputs, updates).expect("the same outputs and updates")
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[Value]| {
            values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
        };
        for (what, values) in [("input", &self.inputs), ("variable", &self.variables)] {
            for &value in values {
                writeln!(f, "{what} {value}: {}", self.spec(value))?;
            }
        }
        for instruction in &self.instructions {
            let name = match &instruction.operation {
                Operation::Primitive(primitive) => primitive.name(),
                Operation::Composite(composite) => &composite.name,
            };
            write!(
                f,
                "{} = {name}({})",
                list(&instruction.outputs),
                list(&instruction.inputs)
            )?;
            for &value in &instruction.outputs {
                write!(f, ": {}", self.spec(value))?;
            }
            if !instruction.path.is_empty() {
                write!(f, "  [{}]", instruction.path)?;
            }
            writeln!(f)?;
        }
        for update in &self.updates {
            writeln!(
                f,
                "update {} <- {}",
                self.variables[update.variable], update.value
            )?;
        }
        writeln!(f, "return {}", list(&self.outputs))
    }
}

/// Makes a [`Program`], and checks shapes and element types on the way.
///
/// # Examples
///
/// ```
/// use deckle_tensor::{Binary, Builder, DType, Primitive, Spec, Tensor};
///
/// let mut builder = Builder::new();
/// let x = builder.input(Spec::new(DType::F32, [2, 3]));
/// let one = builder.constant(&Tensor::scalar(1.0f32));
/// let y = builder.push(Primitive::Binary(Binary::Add), &[x, one])?;
/// let program = builder.finish([y], [])?;
/// assert_eq!(program.spec(y), &Spec::new(DType::F32, [2, 3]));
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    program: Program,
    path: Arc<str>,
}

impl Builder {
    /// A builder of an empty program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the layer that the instructions from now on stem from.
    pub fn set_path(&mut self, path: &Arc<str>) {
        self.path = Arc::clone(path);
    }

    fn value(&mut self, spec: Spec) -> Value {
        let value = Value(
            u32::try_from(self.program.specs.len()).expect("fewer than 2³² values"),
        );
        self.program.specs.push(spec);
        value
    }

    /// A new input.
    pub fn input(&mut self, spec: Spec) -> Value {
        let value = self.value(spec);
        self.program.inputs.push(value);
        value
    }

    /// The value of a new variable from before the run.
    pub fn variable(&mut self, spec: Spec) -> Value {
        let value = self.value(spec);
        self.program.variables.push(value);
        value
    }

    /// A value that is the same in every run.
    ///
    /// # Panics
    ///
    /// Never; a constant fits its own shape rule.
    pub fn constant(&mut self, tensor: &Tensor) -> Value {
        let primitive = Primitive::Constant(tensor.contiguous());
        self.push(primitive, &[]).expect("a constant reads nothing")
    }

    /// The spec of a value made so far.
    #[must_use]
    pub fn spec(&self, value: Value) -> &Spec {
        self.program.spec(value)
    }

    /// The shape of a value made so far.
    #[must_use]
    pub fn shape(&self, value: Value) -> &[usize] {
        &self.program.spec(value).shape
    }

    /// Appends a primitive with one output.
    ///
    /// # Errors
    ///
    /// If the primitive cannot take these inputs, or has several outputs.
    pub fn push(&mut self, primitive: Primitive, inputs: &[Value]) -> Result<Value> {
        let name = primitive.name();
        match self.push_all(primitive, inputs)?[..] {
            [value] => Ok(value),
            ref values => Err(Error::invalid(name, "a primitive with one output")
                .got(format_args!("{} outputs", values.len()))),
        }
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
        let specs: Vec<_> = inputs.iter().map(|&value| self.spec(value)).collect();
        let outputs = primitive.infer(&specs)?;
        Ok(self.append(Operation::Primitive(primitive), inputs, outputs))
    }

    /// Appends a composite; returns its results and residuals.
    ///
    /// # Errors
    ///
    /// If the inputs are not those of its body.
    pub fn push_composite(
        &mut self,
        composite: Composite,
        inputs: &[Value],
    ) -> Result<Vec<Value>> {
        let body = &composite.body;
        let expected = body.inputs.iter().map(|&value| body.spec(value));
        if !expected.eq(inputs.iter().map(|&value| self.spec(value))) {
            return Err(Error::invalid(
                composite.name.to_string(),
                "the inputs of its body",
            ));
        }
        let outputs = body.output_specs();
        Ok(self.append(Operation::Composite(composite), inputs, outputs))
    }

    fn append(
        &mut self,
        operation: Operation,
        inputs: &[Value],
        outputs: Vec<Spec>,
    ) -> Vec<Value> {
        let outputs: Vec<_> = outputs.into_iter().map(|spec| self.value(spec)).collect();
        let path = Arc::clone(&self.path);
        let (inputs, made) = (inputs.to_vec(), outputs.clone());
        self.program.instructions.push(Instruction {
            operation,
            inputs,
            outputs: made,
            path,
        });
        outputs
    }

    /// Appends the instructions of another program in place of a call of it; returns its
    /// outputs. The program has no variables; its inputs are `inputs`.
    ///
    /// # Errors
    ///
    /// If the inputs' number or specs are not the program's.
    ///
    /// # Panics
    ///
    /// Never; a program's values are made before they are read.
    pub fn call(&mut self, program: &Program, inputs: &[Value]) -> Result<Vec<Value>> {
        let expected = program.inputs.iter().map(|&value| program.spec(value));
        if !program.variables.is_empty()
            || !expected.eq(inputs.iter().map(|&value| self.spec(value)))
        {
            return Err(Error::invalid("call", "the inputs of the program"));
        }
        let mut map = vec![None; program.specs.len()];
        for (&from, &to) in program.inputs.iter().zip(inputs) {
            map[from.index()] = Some(to);
        }
        self.inline(program, &mut map, &|_| true);
        let outputs = program.outputs.iter();
        Ok(outputs
            .map(|value| map[value.index()].expect("made before it is read"))
            .collect())
    }

    /// Copies instructions; composites that are not kept are replaced by their bodies.
    fn inline(
        &mut self,
        program: &Program,
        map: &mut [Option<Value>],
        keep: &dyn Fn(&Composite) -> bool,
    ) {
        let outer = Arc::clone(&self.path);
        for instruction in &program.instructions {
            self.path = if instruction.path.is_empty() {
                Arc::clone(&outer)
            } else {
                Arc::clone(&instruction.path)
            };
            let inputs: Vec<_> = (instruction.inputs.iter())
                .map(|value| map[value.index()].expect("made before it is read"))
                .collect();
            let outputs = match &instruction.operation {
                Operation::Composite(composite) if !keep(composite) => {
                    let body = &composite.body;
                    let mut inner = vec![None; body.specs.len()];
                    for (from, &to) in body.inputs.iter().zip(&inputs) {
                        inner[from.index()] = Some(to);
                    }
                    self.inline(body, &mut inner, keep);
                    let outputs = body.outputs.iter();
                    outputs.map(|value| inner[value.index()].expect("made")).collect()
                }
                operation => {
                    let specs = instruction.outputs.iter();
                    let specs = specs.map(|&value| program.spec(value).clone()).collect();
                    self.append(operation.clone(), &inputs, specs)
                }
            };
            for (from, to) in instruction.outputs.iter().zip(outputs) {
                map[from.index()] = Some(to);
            }
        }
        self.path = outer;
    }

    /// Ends the program with its results and the variables' new values.
    ///
    /// # Errors
    ///
    /// If a variable is updated twice, does not exist, or the new value has another spec.
    pub fn finish(
        mut self,
        outputs: impl Into<Vec<Value>>,
        updates: impl AsRef<[(usize, Value)]>,
    ) -> Result<Program> {
        self.program.outputs = outputs.into();
        for &(variable, value) in updates.as_ref() {
            let Some(&before) = self.program.variables.get(variable) else {
                return Err(Error::invalid("update", "a variable of the program")
                    .got(format_args!("variable {variable}")));
            };
            if self.program.updates.iter().any(|update| update.variable == variable) {
                return Err(Error::invalid("update", "one update of each variable")
                    .got(format_args!("two updates of variable {variable}")));
            }
            let (from, to) = (self.program.spec(value), self.program.spec(before));
            if from != to {
                return Err(Error::invalid("update", to).got(from));
            }
            self.program.updates.push(Update { variable, value });
        }
        Ok(self.program)
    }
}
