//! The nodes of a lazily built graph: [`Var`].

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
};

use deckle_tensor::{DType, Shape, Spec, Tensor};

use crate::{Error, Function, Op, Result, Variable};

/// A value in a lazily built graph: an operation, its inputs, its shape and element type.
///
/// Nothing is computed until [`Var::eval`] or a compiled [`Function`](crate::Function) asks.
/// Axes may be unknown until then. The graph belongs to its handles and nothing else.
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Var, grad};
/// use deckle_tensor::Tensor;
///
/// let x = Var::constant(&Tensor::scalar(3.0f32));
/// let y = &x * &x;
/// let dy = grad(&y, &[&x])?;
/// assert_eq!(dy[0].eval()?.item::<f32>()?, 6.0);
/// # Ok::<(), deckle_autograd::Error>(())
/// ```
#[derive(Clone)]
pub struct Var {
    node: Arc<Node>,
    output: usize,
}

/// Shape and element type of a [`Var`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The element type.
    pub dtype: DType,
    /// The length of each axis, known or not.
    pub shape: Shape,
}

impl Signature {
    /// The signature of that element type and shape.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Self {
        Self { dtype, shape: shape.into() }
    }
}

impl From<&Spec> for Signature {
    fn from(spec: &Spec) -> Self {
        Self::new(spec.dtype, &spec.shape[..])
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, self.shape)
    }
}

pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) inputs: Vec<Var>,
    pub(crate) outputs: Vec<Signature>,
    /// The layer it stems from, once known.
    path: OnceLock<Arc<str>>,
}

pub(crate) enum Kind {
    /// Given when a function is called.
    Input(Arc<str>),
    Constant(Tensor),
    Variable(Variable),
    Op(Arc<dyn Op>),
}

impl Var {
    pub(crate) fn of(node: Arc<Node>, output: usize) -> Self {
        Self { node, output }
    }

    pub(crate) fn leaf(kind: Kind, signature: Signature) -> Self {
        let (inputs, outputs) = (Vec::new(), vec![signature]);
        Self::of(Arc::new(Node { kind, inputs, outputs, path: OnceLock::new() }), 0)
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Which of its node's outputs it is.
    pub(crate) fn output(&self) -> usize {
        self.output
    }

    /// A value that is given when a function is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::DType;
    ///
    /// let x = Var::input("x", [None, Some(784)], DType::F32);
    /// assert_eq!(x.shape().to_string(), "(batch, 784)");
    /// ```
    #[must_use]
    pub fn input(name: &str, shape: impl Into<Shape>, dtype: DType) -> Self {
        Self::leaf(Kind::Input(name.into()), Signature::new(dtype, shape))
    }

    /// A value that is always the same.
    #[must_use]
    pub fn constant(tensor: &Tensor) -> Self {
        Self::leaf(Kind::Constant(tensor.clone()), Signature::from(&tensor.spec()))
    }

    /// A number without axes of that element type.
    #[must_use]
    pub fn scalar(dtype: DType, value: f64) -> Self {
        Self::constant(&Tensor::scalar(value).cast(dtype))
    }

    /// The one way to make a node: an operation on inputs.
    ///
    /// # Errors
    ///
    /// If the operation cannot take these inputs.
    pub fn apply(op: impl Op, inputs: &[&Self]) -> Result<Vec<Self>> {
        Self::apply_shared(Arc::new(op), inputs)
    }

    /// As [`Var::apply`], for an operation with one output.
    ///
    /// # Errors
    ///
    /// If the operation cannot take these inputs, or has not exactly one output.
    pub fn apply_one(op: impl Op, inputs: &[&Self]) -> Result<Self> {
        let name = op.name().to_owned();
        let outputs = Self::apply(op, inputs)?;
        <[Self; 1]>::try_from(outputs).map(|[output]| output).map_err(|outputs| {
            Error::function(
                format_args!("`{name}` has {} outputs, not one", outputs.len()),
                "",
            )
        })
    }

    pub(crate) fn apply_shared(op: Arc<dyn Op>, inputs: &[&Self]) -> Result<Vec<Self>> {
        let signatures: Vec<_> =
            inputs.iter().map(|var| var.signature().clone()).collect();
        let outputs = op.infer(&signatures)?;
        for output in &outputs {
            check_size(&*op, output)?;
        }
        let inputs = inputs.iter().copied().cloned().collect();
        let count = outputs.len();
        let node =
            Arc::new(Node { kind: Kind::Op(op), inputs, outputs, path: OnceLock::new() });
        Ok((0..count).map(|output| Self::of(Arc::clone(&node), output)).collect())
    }

    /// Shape and element type.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.node.outputs[self.output]
    }

    /// The length of each axis, known or not.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.signature().shape
    }

    /// The number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape().rank()
    }

    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.signature().dtype
    }

    /// Whether both are the same value of the same node.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    /// A number that differs from that of every other value that is alive.
    pub(crate) fn key(&self) -> (usize, usize) {
        (self.node.key(), self.output)
    }

    /// The layer, or part of the model, that it stems from; empty if unknown.
    #[must_use]
    pub fn path(&self) -> &str {
        self.node.path()
    }

    /// The variable that this reads, if it is one's value.
    #[must_use]
    pub fn as_variable(&self) -> Option<&Variable> {
        match &self.node.kind {
            Kind::Variable(variable) => Some(variable),
            _ => None,
        }
    }

    /// The operation that makes it, if it is made by one.
    #[must_use]
    pub fn op(&self) -> Option<&dyn Op> {
        match &self.node.kind {
            Kind::Op(op) => Some(&**op),
            _ => None,
        }
    }

    /// What it is made of; empty for inputs, constants and variables.
    #[must_use]
    pub fn inputs(&self) -> &[Self] {
        &self.node.inputs
    }

    /// All values that these are made of, and these, each once and after those it needs.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::DType;
    ///
    /// let x = Var::input("x", [None], DType::F32);
    /// let y = &(&x + &x) + &x;
    /// let graph = Var::graph(&[y.clone()]);
    /// assert_eq!(graph.len(), 3);
    /// assert!(graph[0].is_same(&x) && graph[2].is_same(&y));
    /// ```
    #[must_use]
    pub fn graph(outputs: &[Self]) -> Vec<Self> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        // A value with the number of its inputs that were visited already.
        let mut stack: Vec<(Self, usize)> = Vec::new();
        for output in outputs {
            if seen.insert(output.key()) {
                stack.push((output.clone(), 0));
            }
            while let Some((var, visited)) = stack.last_mut() {
                if let Some(input) = var.inputs().get(*visited).cloned() {
                    *visited += 1;
                    if seen.insert(input.key()) {
                        stack.push((input, 0));
                    }
                } else {
                    order.extend(stack.pop().map(|(var, _)| var));
                }
            }
        }
        order
    }

    /// Names the layer that these values stem from, and all on the way to `inputs` that has no
    /// layer yet.
    pub fn set_path(outputs: &[Self], inputs: &[Self], path: &str) {
        let path: Arc<str> = path.into();
        let mut stack: Vec<_> = outputs.iter().map(|var| &var.node).collect();
        while let Some(node) = stack.pop() {
            let is_input = inputs.iter().any(|input| Arc::ptr_eq(&input.node, node));
            if !is_input && matches!(node.kind, Kind::Op(_)) && node.path.get().is_none()
            {
                node.path.get_or_init(|| Arc::clone(&path));
                stack.extend(node.inputs.iter().map(|input| &input.node));
            }
        }
    }

    /// Computes the value where its variables live, else on the reference device.
    ///
    /// # Errors
    ///
    /// If it depends on an input, its variables live on several devices, or an index lies out
    /// of range.
    pub fn eval(&self) -> Result<Tensor> {
        let mut tensors = Function::new([], [self]).compile_anywhere()?.call(&[])?;
        Ok(tensors.swap_remove(0))
    }
}

/// Checks that what is known of a shape fits into memory.
fn check_size(op: &dyn Op, made: &Signature) -> Result<()> {
    let known = made.shape.dims().iter().filter_map(deckle_tensor::Dim::known);
    // Strides have to fit too, even if an axis is empty.
    let mut lens = known.map(|len| len.max(1));
    let bytes = lens.try_fold(made.dtype.size(), usize::checked_mul);
    if bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok()) {
        return Ok(());
    }
    let name = op.name().to_owned();
    Err(deckle_tensor::Error::invalid(name, "a result that fits into memory")
        .got(&made.shape)
        .into())
}

impl Node {
    pub(crate) fn key(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn path(&self) -> &str {
        self.path.get().map_or("", |path| path)
    }

    pub(crate) fn shared_path(&self) -> Arc<str> {
        self.path.get().cloned().unwrap_or_default()
    }

    pub(crate) fn has_path(&self) -> bool {
        self.path.get().is_some()
    }

    pub(crate) fn set_path(&self, path: &Arc<str>) {
        self.path.get_or_init(|| Arc::clone(path));
    }
}

impl Drop for Node {
    /// Drops the graph below with a stack of its own, so that no chain is too long.
    fn drop(&mut self) {
        let mut stack = std::mem::take(&mut self.inputs);
        while let Some(var) = stack.pop() {
            if let Some(mut node) = Arc::into_inner(var.node) {
                stack.append(&mut node.inputs);
            }
        }
    }
}

impl fmt::Debug for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what: &str = match &self.node.kind {
            Kind::Input(name) => name,
            Kind::Constant(_) => "constant",
            Kind::Variable(variable) => variable.name(),
            Kind::Op(op) => op.name(),
        };
        write!(f, "Var({what}: {})", self.signature())
    }
}
