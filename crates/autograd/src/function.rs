//! Graphs as functions that run again and again: [`Function`], [`Compiled`].

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, RwLock},
};

use deckle_tensor::{Buffer, Builder, Executable, Program, Shape, Spec, Tensor};

use crate::{
    Device, Error, Group, Lower, Result, Var, Variable,
    lower::{bind, topological},
    var::Kind,
    variable::{lock, read_lock},
};

/// Inputs, outputs and updates of variables, cut out of a graph.
///
/// All reads see the values from before the call; updates happen together, so that two
/// variables can swap. This is Theano's `function(inputs, outputs, updates)`.
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Device, Function, Var};
/// use deckle_tensor::{DType, Tensor};
///
/// let x = Var::input("x", [None], DType::F32);
/// let double = Function::new([&x], [&(&x + &x)]).compile(&Device::reference())?;
/// let y = double.call(&[Tensor::new(vec![1.0f32, 2.0], [2])?])?;
/// assert_eq!(y[0].to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), deckle_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Function {
    inputs: Vec<Var>,
    outputs: Vec<Var>,
    updates: Vec<(Variable, Var)>,
}

impl Function {
    /// The function from `inputs` to `outputs`.
    pub fn new<'a>(
        inputs: impl IntoIterator<Item = &'a Var>,
        outputs: impl IntoIterator<Item = &'a Var>,
    ) -> Self {
        Self {
            inputs: inputs.into_iter().cloned().collect(),
            outputs: outputs.into_iter().cloned().collect(),
            updates: Vec::new(),
        }
    }

    /// Gives a variable a new value at the end of each call.
    #[must_use]
    pub fn update(mut self, variable: &Variable, value: &Var) -> Self {
        self.updates.push((variable.clone(), value.clone()));
        self
    }

    /// Gives variables new values at the end of each call.
    #[must_use]
    pub fn updates(mut self, updates: impl IntoIterator<Item = (Variable, Var)>) -> Self {
        self.updates.extend(updates);
        self
    }

    /// Checks the function and prepares it for a device; programs follow with the first call
    /// of each kind of shapes.
    ///
    /// # Errors
    ///
    /// If the graph reads an input that is not among the function's, a variable is updated
    /// twice or with a value of another kind, or lives on another device.
    pub fn compile(&self, device: &Device) -> Result<Compiled> {
        self.check_inputs()?;
        let results = self.results();
        let mut variables: Vec<Variable> = Vec::new();
        let mut seen = BTreeMap::new();
        let read = topological(&results, |_| false);
        let read = read.iter().filter_map(|node| match &node.kind {
            Kind::Variable(variable) => Some(variable),
            _ => None,
        });
        for variable in read.chain(self.updates.iter().map(|(variable, _)| variable)) {
            if seen.insert(variable.key(), ()).is_none() {
                variables.push(variable.clone());
            }
        }
        let mut updated = BTreeMap::new();
        for (variable, value) in &self.updates {
            let name = variable.name();
            if updated.insert(variable.key(), ()).is_some() {
                return Err(Error::function(
                    format_args!("variable `{name}` is updated twice by one function"),
                    "update it once, with the final value",
                ));
            }
            let shape = Shape::from(variable.shape());
            if value.dtype() != variable.dtype() || !value.shape().may_equal(&shape) {
                return Err(Error::Input {
                    name: format!("update of {name}"),
                    expected: variable.spec().to_string(),
                    got: value.signature().to_string(),
                });
            }
        }
        let mut locks: Vec<(Group, bool)> = Vec::new();
        for variable in &variables {
            let write = updated.contains_key(&variable.key());
            match locks.iter_mut().find(|(group, _)| group.is_same(variable.group())) {
                Some((_, writes)) => *writes |= write,
                None => locks.push((variable.group().clone(), write)),
            }
        }
        locks.sort_by_key(|(group, _)| group.order());
        let state =
            State { function: self.clone(), device: device.clone(), variables, locks };
        state.check_homes()?;
        Ok(Compiled { state: Arc::new(state), programs: RwLock::default() })
    }

    /// Prepares the function for the device where its variables live.
    pub(crate) fn compile_anywhere(&self) -> Result<Compiled> {
        let nodes = topological(&self.results(), |_| false);
        let home = nodes.iter().find_map(|node| match &node.kind {
            Kind::Variable(variable) => Some(variable.device()),
            _ => None,
        });
        self.compile(&home.unwrap_or_else(Device::reference))
    }

    fn results(&self) -> Vec<Var> {
        self.outputs
            .iter()
            .chain(self.updates.iter().map(|(_, value)| value))
            .cloned()
            .collect()
    }

    fn check_inputs(&self) -> Result<()> {
        for node in topological(&self.results(), |_| false) {
            if let Kind::Input(name) = &node.kind
                && !self.inputs.iter().any(|input| Arc::ptr_eq(input.node(), &node))
            {
                return Err(Error::function(
                    format_args!(
                        "the function reads input `{name}`, which it was not given"
                    ),
                    "name it among the function's inputs",
                ));
            }
        }
        for input in &self.inputs {
            if !matches!(input.node().kind, Kind::Input(_)) {
                return Err(Error::function(
                    format_args!("{input:?} cannot be an input of a function"),
                    "make inputs with Var::input",
                ));
            }
        }
        Ok(())
    }
}

/// A function prepared for a device, to be called from any number of threads.
#[derive(Debug)]
pub struct Compiled {
    state: Arc<State>,
    programs: RwLock<Vec<Arc<Specialized>>>,
}

#[derive(Debug)]
struct State {
    function: Function,
    device: Device,
    variables: Vec<Variable>,
    /// The variables' groups in the order of locking, and whether a member is updated.
    locks: Vec<(Group, bool)>,
}

impl State {
    fn check_homes(&self) -> Result<()> {
        for variable in &self.variables {
            let home = variable.device();
            if !home.is_same(&self.device) {
                return Err(Error::function(
                    format_args!(
                        "variable `{}` lives on device `{}`, the function runs on `{}`",
                        variable.name(),
                        home.name(),
                        self.device.name(),
                    ),
                    "make it in a Group::new(&device), move it with Group::move_to, or compile \
                     for its device",
                ));
            }
        }
        Ok(())
    }

    /// A number that changes when a variable moves.
    fn moves(&self) -> u64 {
        self.locks.iter().map(|(group, _)| group.moves()).sum()
    }

    fn buffers(&self) -> Vec<Buffer> {
        self.variables.iter().map(Variable::buffer).collect()
    }
}

impl Compiled {
    /// Runs the function on tensors.
    ///
    /// # Errors
    ///
    /// If the inputs are of another number, shape or element type, or an index lies out of
    /// range.
    pub fn call(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let specs: Vec<_> = inputs.iter().map(Tensor::spec).collect();
        self.specialize(&specs)?.call(inputs)
    }

    /// The program for inputs of these specs, compiled at the first call.
    ///
    /// # Errors
    ///
    /// If the inputs are of another number, shape or element type.
    pub fn specialize(&self, inputs: &[Spec]) -> Result<Arc<Specialized>> {
        let find = |programs: &[Arc<Specialized>]| {
            programs.iter().find(|program| program.inputs == inputs).cloned()
        };
        if let Some(program) = find(&read_lock(&self.programs)) {
            return Ok(program);
        }
        let program = Arc::new(self.build(inputs)?);
        let mut programs =
            self.programs.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Another thread may have been faster; one program per kind is enough.
        if let Some(program) = find(&programs) {
            return Ok(program);
        }
        programs.push(Arc::clone(&program));
        Ok(program)
    }

    /// The program as it is given to the backend, for inputs of these specs.
    ///
    /// # Errors
    ///
    /// If the inputs are of another number, shape or element type.
    ///
    /// # Panics
    ///
    /// Never; the updated variables are among those of the function.
    pub fn program(&self, inputs: &[Spec]) -> Result<Program> {
        let State { function, variables, .. } = &*self.state;
        if inputs.len() != function.inputs.len() {
            return Err(Error::function(
                format_args!(
                    "the function takes {} inputs, not {}",
                    function.inputs.len(),
                    inputs.len()
                ),
                "",
            ));
        }
        let (mut builder, mut bindings) = (Builder::new(), BTreeMap::new());
        let mut values = BTreeMap::new();
        for (input, spec) in function.inputs.iter().zip(inputs) {
            bind(&mut bindings, input, spec)?;
            values.insert(input.key(), builder.input(spec.clone()));
        }
        for variable in variables {
            let value = builder.variable(variable.spec().clone());
            values.insert(variable.read().key(), value);
        }
        let mut lower = Lower::new(&mut builder, &bindings);
        let mut results = lower.graph(&function.results(), &mut values)?;
        let updates = results.split_off(function.outputs.len());
        let place =
            |variable: &Variable| variables.iter().position(|v| v.is_same(variable));
        let updates: Vec<_> = (function.updates.iter().zip(updates))
            .map(|((variable, _), value)| {
                (place(variable).expect("collected with the others"), value)
            })
            .collect();
        Ok(builder.finish(results, updates)?)
    }

    fn build(&self, inputs: &[Spec]) -> Result<Specialized> {
        // The nodes that read the variables live as long as these.
        let _reads: Vec<_> = self.state.variables.iter().map(Variable::read).collect();
        let program = self.program(inputs)?;
        let smaller = |examples: usize| {
            let fewer = |spec: &Spec| {
                let mut spec = spec.clone();
                *spec.shape.first_mut()? = examples;
                Some(spec)
            };
            self.program(&inputs.iter().map(fewer).collect::<Option<Vec<_>>>()?).ok()
        };
        let executable = self.state.device.backend().compile_batch(&program, &smaller)?;
        let state = Arc::clone(&self.state);
        let bound = RwLock::new((state.moves(), state.buffers()));
        let (inputs, outputs) = (inputs.to_vec(), program.output_specs());
        let idle = Mutex::default();
        Ok(Specialized { state, executable, inputs, outputs, bound, idle })
    }

    /// Where it runs.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.state.device
    }
}

/// A [`Compiled`] function for inputs of fixed shapes.
pub struct Specialized {
    state: Arc<State>,
    executable: Box<dyn Executable>,
    inputs: Vec<Spec>,
    outputs: Vec<Spec>,
    /// The variables' buffers, and the number of moves when they were looked up.
    bound: RwLock<(u64, Vec<Buffer>)>,
    /// Buffers that no call uses just now.
    idle: Mutex<Vec<Ends>>,
}

/// The buffers at both ends of a call.
struct Ends {
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
}

impl Specialized {
    /// The specs of the inputs.
    #[must_use]
    pub fn inputs(&self) -> &[Spec] {
        &self.inputs
    }

    /// The specs of the outputs.
    #[must_use]
    pub fn outputs(&self) -> &[Spec] {
        &self.outputs
    }

    /// The backend's plan as text.
    #[must_use]
    pub fn plan(&self) -> String {
        self.executable.plan()
    }

    /// Where the time of the calls so far went, as text; empty if the backend does not measure.
    #[must_use]
    pub fn profile(&self) -> String {
        self.executable.profile()
    }

    /// Runs the function on tensors of the specs that it was made for.
    fn call(&self, given: &[Tensor]) -> Result<Vec<Tensor>> {
        let backend = self.state.device.backend();
        let taken = lock(&self.idle).pop();
        let mut ends = match taken {
            Some(ends) => ends,
            None => self.ends()?,
        };
        let Ends { inputs, outputs } = &mut ends;
        let lend = |(tensor, buffer)| backend.lend(tensor, buffer);
        let ready = outputs
            .iter_mut()
            .try_for_each(|buffer| backend.reclaim(buffer))
            .and_then(|()| given.iter().zip(&mut *inputs).try_for_each(lend));
        let done = match ready {
            Ok(()) => self.run(inputs, outputs),
            Err(error) => Err(error.into()),
        };
        let results = done.and_then(|()| {
            outputs.iter_mut().map(|buffer| Ok(backend.borrow(buffer)?)).collect()
        });
        inputs.iter_mut().for_each(|buffer| backend.release(buffer));
        lock(&self.idle).push(ends);
        results
    }

    fn ends(&self) -> Result<Ends> {
        let backend = self.state.device.backend();
        let allocate = |specs: &[Spec]| {
            let buffers = specs.iter().map(|spec| Ok(backend.allocate(spec)?));
            buffers.collect::<Result<Vec<_>>>()
        };
        Ok(Ends { inputs: allocate(&self.inputs)?, outputs: allocate(&self.outputs)? })
    }

    /// Runs the function on buffers of its device, without allocating.
    ///
    /// # Errors
    ///
    /// If a buffer is of another kind or in use, a variable has moved to another device, or an
    /// index lies out of range.
    pub fn run(&self, inputs: &[Buffer], outputs: &[Buffer]) -> Result<()> {
        run_locked(&self.state.locks, &mut || {
            let moves = self.state.moves();
            if read_lock(&self.bound).0 != moves {
                self.state.check_homes()?;
                let mut bound =
                    self.bound.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                *bound = (moves, self.state.buffers());
            }
            let bound = read_lock(&self.bound);
            Ok(self.executable.run(inputs, &bound.1, outputs)?)
        })
    }
}

/// Runs `action` with all groups locked; recursion instead of a list of guards, which would
/// have to be allocated.
fn run_locked(
    locks: &[(Group, bool)],
    action: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    match locks.split_first() {
        None => action(),
        Some(((group, write), rest)) => group.locked(*write, || run_locked(rest, action)),
    }
}

impl fmt::Debug for Specialized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Specialized")
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}
