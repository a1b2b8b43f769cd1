//! Shapes whose axes may be unknown until a model is called: [`Dim`] and [`Shape`].

use std::{fmt, sync::Arc};

use crate::{Error, Result};

/// The length of one axis.
///
/// # Examples
///
/// ```
/// use deckle_tensor::Dim;
///
/// assert_eq!(Dim::from(3), Dim::Known(3));
/// assert_eq!(Dim::symbol("batch").to_string(), "batch");
/// assert_eq!(Dim::from(None).known(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dim {
    /// A length that is known.
    Known(usize),
    /// A length that is known when the program is called; equal names are equal lengths.
    Symbol(Arc<str>),
    /// A length that follows from others when the program is called, by no rule written here.
    Unknown,
}

impl Dim {
    /// The symbol of that name.
    #[must_use]
    pub fn symbol(name: &str) -> Self {
        Self::Symbol(name.into())
    }

    /// The batch axis, the symbol `batch`.
    #[must_use]
    pub fn batch() -> Self {
        Self::symbol("batch")
    }

    /// The length, if it is known.
    #[must_use]
    pub const fn known(&self) -> Option<usize> {
        match self {
            Self::Known(len) => Some(*len),
            _ => None,
        }
    }

    /// Whether both can be of one length.
    #[must_use]
    pub fn may_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) => a == b,
            _ => true,
        }
    }

    /// Of two lengths that have to be equal, the one that says more.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) if a != b => None,
            (_, Self::Known(_)) if self.known().is_none() => Some(other.clone()),
            (Self::Unknown, _) => Some(other.clone()),
            _ => Some(self.clone()),
        }
    }

    /// The length that two axes broadcast to, if they do: equal lengths, or one of them 1.
    #[must_use]
    pub fn broadcast(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (a, b) if a == b => Some(a.clone()),
            (Self::Known(1), other) | (other, Self::Known(1)) => Some(other.clone()),
            (Self::Known(_), Self::Known(_)) => None,
            // The other one turns out to be equal or 1.
            (Self::Known(n), _) | (_, Self::Known(n)) => Some(Self::Known(*n)),
            _ => Some(Self::Unknown),
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(len) => write!(f, "{len}"),
            Self::Symbol(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}

impl From<usize> for Dim {
    fn from(len: usize) -> Self {
        Self::Known(len)
    }
}

impl From<Option<usize>> for Dim {
    fn from(len: Option<usize>) -> Self {
        len.map_or(Self::Unknown, Self::Known)
    }
}

impl From<&str> for Dim {
    fn from(name: &str) -> Self {
        Self::symbol(name)
    }
}

/// The lengths of a tensor's axes, some of which may be unknown until it is computed.
///
/// An unknown first axis is the batch. What is computed has a plain `&[usize]` for its shape.
///
/// # Examples
///
/// ```
/// use deckle_tensor::{Dim, Shape};
///
/// let shape = Shape::from([None, Some(784)]);
/// assert_eq!(shape.to_string(), "(batch, 784)");
/// assert_eq!(shape.rank(), 2);
/// assert_eq!(shape.dim(-1)?, &Dim::Known(784));
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Shape(Vec<Dim>);

impl Shape {
    /// The shape with these axes.
    #[must_use]
    pub fn new(dims: impl IntoIterator<Item = impl Into<Dim>>) -> Self {
        Self(dims.into_iter().map(Into::into).collect())
    }

    /// The shape with a batch axis before these axes.
    #[must_use]
    pub fn batch_of(dims: impl IntoIterator<Item = impl Into<Dim>>) -> Self {
        Self(
            std::iter::once(Dim::batch())
                .chain(dims.into_iter().map(Into::into))
                .collect(),
        )
    }

    /// The number of axes.
    #[must_use]
    pub const fn rank(&self) -> usize {
        self.0.len()
    }

    /// The axes.
    #[must_use]
    pub fn dims(&self) -> &[Dim] {
        &self.0
    }

    /// The length of an axis; negative axes count from the end.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    pub fn dim(&self, axis: isize) -> Result<&Dim> {
        Ok(&self.0[resolve_axis("shape", axis, self.rank())?])
    }

    /// All lengths, if every one is known.
    #[must_use]
    pub fn known(&self) -> Option<Vec<usize>> {
        self.0.iter().map(Dim::known).collect()
    }

    /// The number of elements, if every length is known.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        self.0.iter().try_fold(1usize, |size, dim| size.checked_mul(dim.known()?))
    }

    /// This shape with another length along one axis.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    pub fn with(&self, axis: isize, dim: impl Into<Dim>) -> Result<Self> {
        let axis = resolve_axis("shape", axis, self.rank())?;
        let mut dims = self.0.clone();
        dims[axis] = dim.into();
        Ok(Self(dims))
    }

    /// Whether both can be the shape of one tensor.
    #[must_use]
    pub fn may_equal(&self, other: &Self) -> bool {
        self.rank() == other.rank()
            && self.0.iter().zip(&other.0).all(|(a, b)| a.may_equal(b))
    }

    /// The shape that two broadcast to by NumPy's rule, aligned at the last axis.
    #[must_use]
    pub fn broadcast(&self, other: &Self) -> Option<Self> {
        let rank = self.rank().max(other.rank());
        let at = |shape: &Self, i: usize| {
            (i + shape.rank())
                .checked_sub(rank)
                .map_or(Dim::Known(1), |i| shape.0[i].clone())
        };
        (0..rank)
            .map(|i| at(self, i).broadcast(&at(other, i)))
            .collect::<Option<_>>()
            .map(Self)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_shape(f, &self.0)
    }
}

fn write_shape(f: &mut fmt::Formatter<'_>, dims: &[impl fmt::Display]) -> fmt::Result {
    f.write_str("(")?;
    for (i, dim) in dims.iter().enumerate() {
        write!(f, "{}{dim}", if i > 0 { ", " } else { "" })?;
    }
    f.write_str(if dims.len() == 1 { ",)" } else { ")" })
}

impl FromIterator<Dim> for Shape {
    fn from_iter<I: IntoIterator<Item = Dim>>(dims: I) -> Self {
        Self(dims.into_iter().collect())
    }
}

impl From<&[usize]> for Shape {
    fn from(lens: &[usize]) -> Self {
        Self::new(lens.iter().copied())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(lens: Vec<usize>) -> Self {
        Self::new(lens)
    }
}

impl From<Vec<Dim>> for Shape {
    fn from(dims: Vec<Dim>) -> Self {
        Self(dims)
    }
}

impl From<&Self> for Shape {
    fn from(shape: &Self) -> Self {
        shape.clone()
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(lens: [usize; N]) -> Self {
        Self::new(lens)
    }
}

impl<const N: usize> From<[Dim; N]> for Shape {
    fn from(dims: [Dim; N]) -> Self {
        Self(dims.into())
    }
}

/// Keras's form: `None` first is the batch.
impl From<&[Option<usize>]> for Shape {
    fn from(lens: &[Option<usize>]) -> Self {
        let dim = |(i, len): (usize, &Option<usize>)| match len {
            None if i == 0 => Dim::batch(),
            len => Dim::from(*len),
        };
        Self(lens.iter().enumerate().map(dim).collect())
    }
}

/// Keras's form: `None` first is the batch.
impl<const N: usize> From<[Option<usize>; N]> for Shape {
    fn from(lens: [Option<usize>; N]) -> Self {
        Self::from(&lens[..])
    }
}

/// An axis that may count from the end, as an index below `rank`.
///
/// # Errors
///
/// If there is no such axis; `op` names who asked.
pub fn resolve_axis(op: &'static str, axis: isize, rank: usize) -> Result<usize> {
    let resolved = if axis < 0 { axis + rank.cast_signed() } else { axis };
    if (0..rank.cast_signed()).contains(&resolved) {
        return Ok(resolved.unsigned_abs());
    }
    let expected = match rank {
        0 => "no axis, because a scalar has none".to_owned(),
        _ => format!("an axis from -{rank} to {}", rank - 1),
    };
    Err(Error::invalid(op, expected).got(format_args!("axis {axis}")))
}

/// A shape whose lengths are all known, as text: `(2, 3)`.
#[must_use]
pub fn shape_text(lens: &[usize]) -> String {
    Shape::from(lens).to_string()
}

/// The shape that two known ones broadcast to by NumPy's rule, if they do.
#[must_use]
pub fn broadcast_shapes(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    Shape::from(a).broadcast(&Shape::from(b))?.known()
}
