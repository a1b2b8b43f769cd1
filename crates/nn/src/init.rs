//! How layers get their weights: [`Init`], [`Weight`].

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use deckle_autograd::{Group, Variable};
use deckle_tensor::{DType, Tensor, shape_text};

use crate::{Constraint, Error, Initializer, Model, Regularizer, Result, stream};

/// A variable of a layer.
#[derive(Clone, Debug)]
pub struct Weight {
    variable: Variable,
    name: String,
    scope: Vec<String>,
    also_in: Option<Vec<String>>,
    trainable: bool,
    regularizer: Option<Regularizer>,
    constraint: Option<Constraint>,
}

impl Weight {
    /// The variable; its name is the path in the model, as `dense/kernel`.
    #[must_use]
    pub const fn variable(&self) -> &Variable {
        &self.variable
    }

    /// The name within the layer, as `kernel`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parts of the layer that it is in, as `cell`.
    #[must_use]
    pub fn scope(&self) -> &[String] {
        &self.scope
    }

    /// The parts of the layer under which Keras's files have it a second time.
    #[must_use]
    pub fn also_in(&self) -> Option<&[String]> {
        self.also_in.as_deref()
    }

    /// Whether it is a weight that training changes by its gradient, unless the layer is
    /// frozen; else it is state.
    #[must_use]
    pub const fn is_trainable(&self) -> bool {
        self.trainable
    }

    /// The same weight, trained or not.
    pub(crate) fn trained(&self, trainable: bool) -> Self {
        Self { trainable, ..self.clone() }
    }

    /// What it is made to be after each step of training.
    #[must_use]
    pub const fn constraint(&self) -> Option<&Constraint> {
        self.constraint.as_ref()
    }

    /// Checks the settings of penalty and constraint.
    pub(crate) fn check(&self) -> Result<()> {
        self.regularizer.as_ref().map_or(Ok(()), Regularizer::check)?;
        self.constraint.as_ref().map_or(Ok(()), Constraint::check)
    }

    /// What is added to the loss for it.
    #[must_use]
    pub const fn regularizer(&self) -> Option<&Regularizer> {
        self.regularizer.as_ref()
    }
}

/// Where a layer gets its weights: the one way to make them.
///
/// Names, seeds, counting and saving follow. Every weight has random numbers of its own, which
/// depend on the model's seed and the weight's path alone.
#[derive(Debug)]
pub struct Init<'a> {
    group: &'a Group,
    seed: u64,
    path: String,
    scope: Vec<String>,
    dtype: DType,
    weights: Vec<Weight>,
    memories: Vec<Variable>,
    blank: Option<Blank>,
}

impl<'a> Init<'a> {
    /// For the layer at that path of a model, with weights of that element type.
    #[must_use]
    pub fn new(group: &'a Group, seed: u64, path: &str, dtype: DType) -> Self {
        let (path, scope, weights) = (path.to_owned(), Vec::new(), Vec::new());
        let memories = Vec::new();
        Self { group, seed, path, scope, dtype, weights, memories, blank: None }
    }

    /// Makes weights of zeros, as long as there may be more of them.
    pub(crate) fn blank(mut self, blank: Option<Blank>) -> Self {
        self.blank = blank;
        self
    }

    /// A new weight that is trained.
    ///
    /// # Errors
    ///
    /// If the initializer cannot fill that shape.
    pub fn variable(
        &mut self,
        name: &str,
        shape: impl AsRef<[usize]>,
        initializer: &Initializer,
    ) -> Result<Variable> {
        self.make(name, shape.as_ref(), initializer, true)
    }

    /// A new weight that is trained, with the first values of a matrix `(inputs, outputs)` of as
    /// many numbers; its shape does not say which of its axes are inputs.
    ///
    /// # Errors
    ///
    /// If the initializer cannot fill that matrix, or it has another number of numbers.
    pub fn projection(
        &mut self,
        name: &str,
        shape: impl AsRef<[usize]>,
        matrix: [usize; 2],
        initializer: &Initializer,
    ) -> Result<Variable> {
        let path = self.path_of(name);
        let value = self.values(&path, 0, &matrix, initializer)?;
        self.hold(name, &path, value.reshape(shape.as_ref())?, true)
    }

    /// A new weight with one axis, whose parts start with values of their own.
    ///
    /// # Errors
    ///
    /// If an initializer cannot fill its part.
    pub fn joined(
        &mut self,
        name: &str,
        parts: &[(&Initializer, usize)],
    ) -> Result<Variable> {
        let path = self.path_of(name);
        let mut values = Vec::new();
        for (part, (initializer, len)) in parts.iter().enumerate() {
            values.push(self.values(&path, part as u64, &[*len], initializer)?);
        }
        self.hold(name, &path, Tensor::concatenate(&values, 0)?, true)
    }

    /// A new variable that the layer updates itself.
    ///
    /// # Errors
    ///
    /// If the initializer cannot fill that shape.
    pub fn state(
        &mut self,
        name: &str,
        shape: impl AsRef<[usize]>,
        initializer: &Initializer,
    ) -> Result<Variable> {
        self.make(name, shape.as_ref(), initializer, false)
    }

    /// A new variable of zeros that a layer remembers from batch to batch; no weight, so that no
    /// file has it.
    ///
    /// # Errors
    ///
    /// If it cannot be held.
    pub fn memory(&mut self, name: &str, shape: impl AsRef<[usize]>) -> Result<Variable> {
        let path = self.path_of(name);
        let value = self.values(&path, 0, shape.as_ref(), &Initializer::Zeros)?;
        let variable = self.group.adopt(&path, value)?;
        self.memories.push(variable.clone());
        Ok(variable)
    }

    /// A new variable that the layer updates itself, with that first value.
    ///
    /// # Errors
    ///
    /// If it cannot be held.
    pub(crate) fn state_of(&mut self, name: &str, value: &Tensor) -> Result<Variable> {
        let path = self.path_of(name);
        self.hold(name, &path, value.clone(), false)
    }

    fn make(
        &mut self,
        name: &str,
        shape: &[usize],
        initializer: &Initializer,
        trainable: bool,
    ) -> Result<Variable> {
        let path = self.path_of(name);
        let value = self.values(&path, 0, shape, initializer)?;
        self.hold(name, &path, value, trainable)
    }

    fn values(
        &self,
        path: &str,
        part: u64,
        shape: &[usize],
        initializer: &Initializer,
    ) -> Result<Tensor> {
        initializer.check()?;
        match &self.blank {
            Some(blank) => blank.zeros(shape, self.dtype),
            None => initializer.values(shape, self.dtype, self.seed, stream(path, part)),
        }
    }

    fn path_of(&self, name: &str) -> String {
        let scope = self.scope.iter().map(String::as_str);
        let path: Vec<_> =
            std::iter::once(self.path.as_str()).chain(scope).chain([name]).collect();
        path.join("/")
    }

    fn hold(
        &mut self,
        name: &str,
        path: &str,
        value: Tensor,
        trainable: bool,
    ) -> Result<Variable> {
        let variable = self.group.adopt(path, value)?;
        self.weights.push(Weight {
            variable: variable.clone(),
            name: name.to_owned(),
            scope: self.scope.clone(),
            also_in: None,
            trainable,
            regularizer: None,
            constraint: None,
        });
        Ok(variable)
    }

    /// Adds a penalty on a weight to the loss.
    pub fn regularize(&mut self, variable: &Variable, regularizer: Option<&Regularizer>) {
        let weight =
            self.weights.iter_mut().find(|weight| weight.variable.is_same(variable));
        if let Some(weight) = weight {
            weight.regularizer = regularizer.cloned();
        }
    }

    /// Says what a weight is to be after each step of training.
    pub fn constrain(&mut self, variable: &Variable, constraint: Option<&Constraint>) {
        let weight =
            self.weights.iter_mut().find(|weight| weight.variable.is_same(variable));
        if let Some(weight) = weight {
            weight.constraint = constraint.cloned();
        }
    }

    /// Makes the weights of a part of the layer, as `cell`.
    ///
    /// # Errors
    ///
    /// As `make`.
    pub fn scoped<T>(
        &mut self,
        name: &str,
        make: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.scope.push(name.to_owned());
        let made = make(self);
        self.scope.pop();
        made
    }

    /// A new number that is no weight: a count, 0 at first.
    ///
    /// # Errors
    ///
    /// If it cannot be held.
    pub fn counter(&mut self, name: &str) -> Result<Variable> {
        let path = self.path_of(name);
        self.hold(name, &path, Tensor::scalar(0i32), false)
    }

    /// The weight with one of these names, right below that part, among those from that one on.
    pub(crate) fn find(
        &self,
        first: usize,
        part: &str,
        names: &[&str],
    ) -> Option<Variable> {
        let depth = self.scope.len() + 1;
        let mut made = self.weights[first..].iter().filter(|weight| {
            weight.scope.len() == depth && weight.scope.last().is_some_and(|s| s == part)
        });
        let found = made.find(|weight| names.contains(&weight.name.as_str()));
        found.map(|weight| weight.variable.clone())
    }

    /// Says that Keras's files have a weight of a part once more, in the part that is made.
    pub(crate) fn also_here(&mut self, variable: &Variable) {
        let mut all = self.weights.iter_mut();
        if let Some(weight) = all.find(|weight| weight.variable.is_same(variable)) {
            weight.also_in = Some(self.scope.clone());
        }
    }

    /// The seed of a model that is a part of that name.
    pub(crate) fn seed_of(&self, part: &str) -> u64 {
        stream(&self.path_of(part), self.seed)
    }

    /// Takes over the weights of a model that is the part that is made.
    pub(crate) fn adopt(&mut self, model: &Model) {
        if self.scope.iter().all(|step| step != "layers") {
            self.memories.extend(model.memories());
        }
        for (layer, group) in model.layers().iter().zip(model.file_groups()) {
            let Some(group) = group else { continue };
            self.scope.extend(["layers".to_owned(), group]);
            match layer.model() {
                Some(model) => self.adopt(model),
                None => {
                    let scope = &self.scope;
                    let within =
                        |of: &[String]| scope.iter().chain(of).cloned().collect();
                    self.weights.extend(layer.weights().iter().map(|weight| Weight {
                        scope: within(&weight.scope),
                        also_in: weight.also_in.as_deref().map(within),
                        trainable: weight.trainable && layer.is_open(),
                        ..weight.clone()
                    }));
                }
            }
            self.scope.truncate(self.scope.len() - 2);
        }
    }

    /// How many weights there are.
    pub(crate) fn weights_made(&self) -> usize {
        self.weights.len()
    }

    /// Whether the weights from that one on have some that the layer updates itself.
    pub(crate) fn has_state_from(&self, first: usize) -> bool {
        self.weights[first..].iter().any(|weight| !weight.trainable)
    }

    /// Leaves the weights from that one on as they are in training.
    pub(crate) fn freeze_from(&mut self, first: usize) {
        for weight in &mut self.weights[first..] {
            weight.trainable = false;
        }
    }

    /// The element type of the weights.
    #[must_use]
    pub const fn dtype(&self) -> DType {
        self.dtype
    }

    /// All weights made, in order, and what is remembered.
    pub(crate) fn into_parts(self) -> (Vec<Weight>, Vec<Variable>) {
        (self.weights, self.memories)
    }

    /// All weights made, in order.
    #[must_use]
    pub fn into_weights(self) -> Vec<Weight> {
        self.weights
    }
}

/// Weights of zeros, for a model that gets its values from a file: how many elements they may
/// still have, so that no configuration makes more of them than the file has values for.
#[derive(Clone, Debug)]
pub(crate) struct Blank(Arc<AtomicUsize>);

impl Blank {
    pub(crate) fn new(elements: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(elements)))
    }

    fn zeros(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let left = self.0.load(Ordering::Relaxed);
        let size = shape.iter().try_fold(1usize, |size, &len| size.checked_mul(len));
        let Some(rest) = size.and_then(|size| left.checked_sub(size)) else {
            let expected = format!("a weight of {left} elements or fewer");
            return Err(Error::invalid(
                "the layer's weights exceed their values",
                expected,
            )
            .got(format_args!("shape {}", shape_text(shape))));
        };
        self.0.store(rest, Ordering::Relaxed);
        Ok(Tensor::zeros(dtype, shape))
    }
}
