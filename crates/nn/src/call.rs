//! What a layer sees when it builds graph: [`Call`], [`Inputs`].

use std::sync::Arc;

use deckle_autograd::{Var, Variable};
use deckle_tensor::{DType, Distribution};

use crate::{Arguments, Error, Result};

/// The tensors given to a layer.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    positional: Vec<Var>,
    named: Vec<(String, Var)>,
    arguments: Option<Arc<Arguments>>,
}

impl Inputs {
    /// Positional inputs.
    pub fn new(positional: impl Into<Vec<Var>>) -> Self {
        Self { positional: positional.into(), named: Vec::new(), arguments: None }
    }

    /// Says how the inputs are nested, and which constants are among them.
    pub(crate) fn called_with(mut self, arguments: Option<&Arc<Arguments>>) -> Self {
        self.arguments = arguments.cloned();
        self
    }

    /// How a file nests the inputs, and the constants among them, if the call stems from one.
    #[must_use]
    pub fn arguments(&self) -> Option<&Arguments> {
        self.arguments.as_deref()
    }

    /// Adds an input by name, as `mask` or `initial_state`.
    #[must_use]
    pub fn with(mut self, name: &str, value: Var) -> Self {
        self.named.push((name.to_owned(), value));
        self
    }

    /// The only positional input.
    ///
    /// # Errors
    ///
    /// If there is not exactly one.
    pub fn only(&self) -> Result<&Var> {
        match &self.positional[..] {
            [input] => Ok(input),
            inputs => Err(Error::invalid("cannot take these inputs", "one input")
                .got(format_args!("{} inputs", inputs.len()))),
        }
    }

    /// The positional inputs.
    #[must_use]
    pub fn positional(&self) -> &[Var] {
        &self.positional
    }

    /// The inputs of that name, in order.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Var> + 'a {
        self.named.iter().filter(move |(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn map(
        &self,
        mut change: impl FnMut(&Var) -> Result<Var>,
    ) -> Result<Self> {
        let positional =
            self.positional.iter().map(&mut change).collect::<Result<_>>()?;
        let named = self.named.iter();
        let named = named.map(|(name, value)| Ok((name.clone(), change(value)?)));
        let (named, arguments) = (named.collect::<Result<_>>()?, self.arguments.clone());
        Ok(Self { positional, named, arguments })
    }
}

/// Where the random numbers of a step come from: two `I64` scalars.
#[derive(Clone, Copy, Debug)]
pub struct Randomness<'a> {
    /// The seed given by the user.
    pub seed: &'a Var,
    /// The number of the training step.
    pub step: &'a Var,
}

/// One pass through a model: training or not, random streams, losses, updates, masks.
#[derive(Debug)]
pub struct Call<'a> {
    training: bool,
    randomness: Option<Randomness<'a>>,
    losses: Vec<Var>,
    updates: Vec<(Variable, Var)>,
    masks: Vec<(Var, Var)>,
    /// What variables have for the rest of the pass instead of their value.
    replaced: Vec<(Variable, Var)>,
    layer: Place,
    /// How often each path has drawn random numbers.
    draws: std::collections::BTreeMap<String, u64>,
}

/// The layer that is being called.
#[derive(Clone, Debug)]
struct Place {
    path: String,
    trainable: bool,
    dtype: DType,
}

impl<'a> Call<'a> {
    /// A pass for inference: nothing random, no state changes.
    #[must_use]
    pub fn inference() -> Self {
        let layer = Place { path: String::new(), trainable: true, dtype: DType::F32 };
        Self {
            training: false,
            randomness: None,
            losses: Vec::new(),
            updates: Vec::new(),
            masks: Vec::new(),
            replaced: Vec::new(),
            layer,
            draws: std::collections::BTreeMap::new(),
        }
    }

    /// A pass for training.
    #[must_use]
    pub fn training(randomness: Randomness<'a>) -> Self {
        Self { training: true, randomness: Some(randomness), ..Self::inference() }
    }

    /// Whether this pass is for training.
    #[must_use]
    pub fn is_training(&self) -> bool {
        self.training
    }

    /// Whether the layer's state is to be updated: in training, unless the layer is frozen.
    #[must_use]
    pub fn updates_state(&self) -> bool {
        self.training && self.layer.trainable
    }

    /// The element type that the layer computes in.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.layer.dtype
    }

    /// The tensor, with whole numbers as floating point: of the type that the layer computes in.
    pub(crate) fn floats(&self, x: &Var) -> Result<Var> {
        Ok(if x.dtype().is_float() { x.clone() } else { x.cast(self.dtype())? })
    }

    /// The path of the layer, as `dense_1`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.layer.path
    }

    /// The value of a weight, in mixed precision in the type that the layer computes in; of one
    /// that this pass has updated, the new value.
    ///
    /// # Panics
    ///
    /// Never: numbers can be cast to all element types.
    #[must_use]
    pub fn read(&self, variable: &Variable) -> Var {
        let value = self.read_exact(variable);
        let is_half = matches!(self.dtype(), DType::F16 | DType::BF16);
        if is_half && value.dtype() == DType::F32 {
            return value.cast(self.dtype()).expect("numbers have all element types");
        }
        value
    }

    /// The value of a weight or state as it is; of one that this pass has updated, the new value,
    /// and of a kernel that spectral normalization has divided, the quotient.
    #[must_use]
    pub fn read_exact(&self, variable: &Variable) -> Var {
        let replaced = self.replaced.iter().rev();
        let pending =
            replaced.chain(&self.updates).find(|(known, _)| known.is_same(variable));
        pending.map_or_else(|| variable.read(), |(_, value)| value.clone())
    }

    /// Gives a state its new value when the step is done, in the state's own type.
    ///
    /// # Panics
    ///
    /// Never, as [`read`](Self::read).
    pub fn update(&mut self, variable: &Variable, value: &Var) {
        let value = value.cast(variable.dtype());
        let value = &value.expect("numbers have all element types");
        match self.updates.iter_mut().find(|(known, _)| known.is_same(variable)) {
            Some((_, pending)) => *pending = value.clone(),
            None => self.updates.push((variable.clone(), value.clone())),
        }
    }

    /// Adds a number to the loss.
    pub fn add_loss(&mut self, loss: Var) {
        self.losses.push(loss);
    }

    /// Forgets the numbers that were added to the loss after so many of them.
    pub(crate) fn forget_losses(&mut self, after: usize) {
        self.losses.truncate(after);
    }

    /// The mask that belongs to a tensor: `Bool`, true where a step counts.
    #[must_use]
    pub fn mask(&self, of: &Var) -> Option<&Var> {
        self.masks.iter().rev().find(|(known, _)| known.is_same(of)).map(|(_, mask)| mask)
    }

    /// Gives a tensor its mask. What the mask is computed from gets no gradient through it.
    pub fn set_mask(&mut self, of: &Var, mask: &Var) {
        let mask = mask.stop_gradient().unwrap_or_else(|_| mask.clone());
        self.masks.push((of.clone(), mask));
    }

    /// Takes a tensor's mask away: what is computed after that finds none.
    pub fn remove_mask(&mut self, of: &Var) {
        self.masks.retain(|(known, _)| !known.is_same(of));
    }

    /// Random numbers in the shape of `like`, but of length 1 along `shared` axes; others at
    /// each call and each step.
    ///
    /// # Errors
    ///
    /// If this pass is not for training.
    pub fn random(
        &mut self,
        distribution: Distribution,
        like: &Var,
        shared: &[usize],
    ) -> Result<Var> {
        self.random_from(None, distribution, like, shared)
    }

    /// As [`Call::random`], from a layer's own seed instead of its path, if it has one.
    ///
    /// # Errors
    ///
    /// As [`Call::random`].
    pub fn random_from(
        &mut self,
        own_seed: Option<u64>,
        distribution: Distribution,
        like: &Var,
        shared: &[usize],
    ) -> Result<Var> {
        let Some(Randomness { seed, step }) = self.randomness else {
            return Err(Error::invalid(
                "nothing is random in inference",
                "a pass for training",
            ));
        };
        let count = self.draws.entry(self.layer.path.clone()).or_insert(0);
        let number = *count;
        *count += 1;
        let path =
            own_seed.map_or_else(|| self.layer.path.clone(), |own| format!("seed {own}"));
        let stream = stream(&path, number);
        Ok(Var::random_like(like, distribution, stream, seed, step, shared)?)
    }

    /// Lets a weight read as that value from now on in this pass, in the weight's own type.
    pub(crate) fn replace(&mut self, variable: &Variable, value: &Var) -> Result<()> {
        self.replaced.push((variable.clone(), value.cast(variable.dtype())?));
        Ok(())
    }

    /// The numbers added to the loss.
    #[must_use]
    pub fn losses(&self) -> &[Var] {
        &self.losses
    }

    /// The new values of states.
    #[must_use]
    pub fn updates(&self) -> &[(Variable, Var)] {
        &self.updates
    }

    /// Runs `action` as part of the layer of that name, below the current one.
    pub(crate) fn within<T>(
        &mut self,
        name: &str,
        trainable: bool,
        dtype: DType,
        action: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let path = if self.layer.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.layer.path)
        };
        let trainable = trainable && self.layer.trainable;
        let outer = std::mem::replace(&mut self.layer, Place { path, trainable, dtype });
        let result = action(self);
        self.layer = outer;
        result
    }
}

/// The random stream of the `count`-th draw under a path: FNV-1a, 64 bits.
///
/// # References
///
/// Fowler, Noll, Vo: *The FNV non-cryptographic hash algorithm* (IETF draft).
#[must_use]
pub fn stream(path: &str, count: u64) -> u64 {
    let bytes = path.bytes().chain([0]).chain(count.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
