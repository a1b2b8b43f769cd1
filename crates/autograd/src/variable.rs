//! Mutable tensors that live on a device: [`Variable`], [`Group`], [`Device`].

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use deckle_tensor::{Backend, Buffer, DType, Reference, Spec, Tensor};

use crate::{
    Error, Result, Var,
    var::{Kind, Node, Signature},
};

/// A handle on a backend: where functions run and variables live.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Device;
///
/// assert_eq!(Device::reference().name(), "reference");
/// ```
#[derive(Clone)]
pub struct Device(Arc<dyn Backend>);

impl Device {
    /// The device of that backend.
    pub fn new(backend: impl Backend + 'static) -> Self {
        Self(Arc::new(backend))
    }

    /// The naive backend, which works on every target; always the same device.
    #[must_use]
    pub fn reference() -> Self {
        static REFERENCE: OnceLock<Device> = OnceLock::new();
        REFERENCE.get_or_init(|| Self::new(Reference::new())).clone()
    }

    /// The backend's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &dyn Backend {
        &*self.0
    }

    /// The backend, for who keeps it.
    #[must_use]
    pub fn share_backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.0)
    }

    /// Whether both are handles on the same backend.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A new buffer with the values of a tensor.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub fn upload(&self, tensor: &Tensor) -> Result<Buffer> {
        let buffer = self.0.allocate(&tensor.spec())?;
        self.0.write(tensor, &buffer)?;
        Ok(buffer)
    }

    /// The values of a buffer.
    ///
    /// # Errors
    ///
    /// If the buffer is another backend's or in use.
    pub fn download(&self, buffer: &Buffer) -> Result<Tensor> {
        // Of another kind, so that the backend makes memory, or shares its own.
        let mut tensor = Tensor::zeros(buffer.spec().dtype, [0]);
        self.0.read(buffer, &mut tensor)?;
        Ok(tensor)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.name())
    }
}

/// Variables that are locked together and share one home.
///
/// A [`Compiled`](crate::Compiled) function takes one lock for each group: for reading, so that
/// any number of threads can predict at once, or for writing if it updates a member.
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Device, Group};
/// use deckle_tensor::Tensor;
///
/// let group = Group::new(&Device::reference());
/// let w = group.variable("w", &Tensor::scalar(2.0f32))?;
/// assert_eq!(w.value()?.item::<f32>()?, 2.0);
/// # Ok::<(), deckle_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Group(Arc<GroupState>);

#[derive(Debug)]
struct GroupState {
    /// Held for writing while members' values change.
    lock: RwLock<()>,
    home: RwLock<Device>,
    /// Counts moves, so that compiled functions notice one.
    moves: AtomicU64,
    members: Mutex<Vec<Weak<VariableState>>>,
}

impl Group {
    /// A group without members, at home on `device`.
    #[must_use]
    pub fn new(device: &Device) -> Self {
        Self(Arc::new(GroupState {
            lock: RwLock::new(()),
            home: RwLock::new(device.clone()),
            moves: AtomicU64::new(0),
            members: Mutex::new(Vec::new()),
        }))
    }

    /// A new member with that value.
    ///
    /// # Errors
    ///
    /// If the device has not enough memory.
    pub fn variable(&self, name: &str, value: &Tensor) -> Result<Variable> {
        Ok(self.member(name, self.device().upload(value)?))
    }

    /// A new member with the values of a tensor that nobody needs any more, so that it can have
    /// the tensor's memory.
    ///
    /// # Errors
    ///
    /// If the device has not enough memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Device, Group};
    /// use deckle_tensor::Tensor;
    ///
    /// let group = Group::new(&Device::reference());
    /// let w = group.adopt("w", Tensor::random_uniform([1000], 0.0..1.0, 7))?;
    /// assert_eq!(w.value()?, Tensor::random_uniform([1000], 0.0..1.0, 7));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn adopt(&self, name: &str, value: Tensor) -> Result<Variable> {
        Ok(self.member(name, self.device().backend().adopt(value)?))
    }

    /// A new member that is all zero, as memory of the device is at first: nothing is copied.
    ///
    /// # Errors
    ///
    /// If the device has not enough memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Device, Group};
    /// use deckle_tensor::{DType, Spec, Tensor};
    ///
    /// let group = Group::new(&Device::reference());
    /// let velocity = group.zeros("velocity", &Spec::new(DType::F32, [2]))?;
    /// assert_eq!(velocity.value()?, Tensor::from([0.0f32, 0.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn zeros(&self, name: &str, spec: &Spec) -> Result<Variable> {
        Ok(self.member(name, self.device().backend().allocate(spec)?))
    }

    fn member(&self, name: &str, buffer: Buffer) -> Variable {
        let state = Arc::new(VariableState {
            name: name.into(),
            group: self.clone(),
            spec: buffer.spec().clone(),
            buffer: RwLock::new(buffer),
            read: Mutex::new(Weak::new()),
        });
        lock(&self.0.members).push(Arc::downgrade(&state));
        Variable(state)
    }

    /// Where the members live.
    #[must_use]
    pub fn device(&self) -> Device {
        self.0.home.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves all members to another device; their values stay the same.
    ///
    /// # Errors
    ///
    /// If the device has not enough memory; then nothing has moved.
    pub fn move_to(&self, device: &Device) -> Result<()> {
        let _alone = self.0.lock.write().unwrap_or_else(PoisonError::into_inner);
        let from = self.device();
        if from.is_same(device) {
            return Ok(());
        }
        let mut members = lock(&self.0.members);
        members.retain(|member| member.strong_count() > 0);
        let alive: Vec<_> = members.iter().filter_map(Weak::upgrade).collect();
        let mut moved = Vec::new();
        for member in &alive {
            let buffer = member.buffer();
            moved.push(if device.backend().accepts(&buffer) {
                buffer.clone()
            } else {
                device.upload(&from.download(&buffer)?)?
            });
        }
        for (member, buffer) in alive.iter().zip(moved) {
            *member.buffer.write().unwrap_or_else(PoisonError::into_inner) = buffer;
        }
        *self.0.home.write().unwrap_or_else(PoisonError::into_inner) = device.clone();
        self.0.moves.fetch_add(1, Ordering::Release);
        Ok(())
    }

    pub(crate) fn moves(&self) -> u64 {
        self.0.moves.load(Ordering::Acquire)
    }

    /// Whether both are handles on the same group.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A place in a total order of the groups that are alive, in which locks are taken.
    pub(crate) fn order(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Runs `action` with this group locked, for writing or reading.
    pub(crate) fn locked<T>(&self, write: bool, action: impl FnOnce() -> T) -> T {
        if write {
            let _guard = self.0.lock.write().unwrap_or_else(PoisonError::into_inner);
            action()
        } else {
            let _guard = self.0.lock.read().unwrap_or_else(PoisonError::into_inner);
            action()
        }
    }
}

/// A named, mutable tensor that lives on a device; clones are handles on the same one.
///
/// Layers' weights, optimizers' slots, moving averages and random counters are variables. In
/// a graph, [`Variable::read`] stands for the value; a [`Function`](crate::Function) updates
/// it.
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Function, Variable};
/// use deckle_tensor::Tensor;
///
/// let count = Variable::new("count", &Tensor::scalar(0.0f32))?;
/// let next = count.read() + 1.0;
/// let step = Function::new([], []).update(&count, &next).compile(&count.device())?;
/// step.call(&[])?;
/// step.call(&[])?;
/// assert_eq!(count.value()?.item::<f32>()?, 2.0);
/// # Ok::<(), deckle_autograd::Error>(())
/// ```
#[derive(Clone)]
pub struct Variable(Arc<VariableState>);

struct VariableState {
    name: Arc<str>,
    group: Group,
    spec: Spec,
    buffer: RwLock<Buffer>,
    /// The node that reads this variable, as long as some graph holds it.
    read: Mutex<Weak<Node>>,
}

impl VariableState {
    fn buffer(&self) -> Buffer {
        self.buffer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Variable {
    /// A variable in a group of its own on the reference device.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub fn new(name: &str, value: &Tensor) -> Result<Self> {
        Group::new(&Device::reference()).variable(name, value)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Element type and shape; they never change.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.0.spec
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.0.spec.shape
    }

    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.0.spec.dtype
    }

    /// The group that it is locked with.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.0.group
    }

    /// Where it lives.
    #[must_use]
    pub fn device(&self) -> Device {
        self.0.group.device()
    }

    /// Whether both are handles on the same variable.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A number that differs from that of every other variable that is alive; for sets, never
    /// for an order that shows.
    #[must_use]
    pub fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Its value in a graph: always the same node, so that gradients by it are complete.
    #[must_use]
    pub fn read(&self) -> Var {
        let mut read = lock(&self.0.read);
        if let Some(node) = read.upgrade() {
            return Var::of(node, 0);
        }
        let signature = Signature::from(self.spec());
        let var = Var::leaf(Kind::Variable(self.clone()), signature);
        *read = Arc::downgrade(var.node());
        var
    }

    /// A copy of the current value.
    ///
    /// # Errors
    ///
    /// If the device cannot be read.
    pub fn value(&self) -> Result<Tensor> {
        self.group().locked(false, || self.device().download(&self.buffer()))
    }

    /// Replaces the value.
    ///
    /// # Errors
    ///
    /// If the tensor has another shape or element type.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        if value.spec() != *self.spec() {
            return Err(Error::Input {
                name: self.name().to_owned(),
                expected: self.spec().to_string(),
                got: value.spec().to_string(),
            });
        }
        self.group()
            .locked(true, || Ok(self.device().backend().write(value, &self.buffer())?))
    }

    /// A copy on another device, in a group of its own.
    ///
    /// # Errors
    ///
    /// If the device has not enough memory.
    pub fn to(&self, device: &Device) -> Result<Self> {
        Group::new(device).variable(self.name(), &self.value()?)
    }

    /// The memory it lives in.
    pub(crate) fn buffer(&self) -> Buffer {
        self.0.buffer()
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variable({}: {})", self.name(), self.spec())
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn read_lock<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
