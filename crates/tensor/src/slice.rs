//! Slices of tensors: ranges, steps, indices, new axes.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use crate::{Error, Result, Tensor};

/// What a slice takes along one axis.
///
/// Ranges, also open ones, and integers convert to it; negative bounds count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The elements at `start`, `start + step`, … before `stop`; an axis stays.
    Range {
        /// The first position; `None` is the first that the step can start from.
        start: Option<isize>,
        /// The position before which it ends; `None` is past the last.
        stop: Option<isize>,
        /// The distance to the next; not 0, negative runs from the end.
        step: isize,
    },
    /// One element; the axis goes away.
    Index(isize),
    /// A new axis of length 1.
    NewAxis,
    /// As many whole axes as the other parts leave over.
    Ellipsis,
}

/// A range in steps; NumPy's `start:stop:by`.
///
/// # Examples
///
/// ```
/// use deckle_tensor::{Tensor, step};
///
/// let x = Tensor::arange(0..6);
/// assert_eq!(x.slice(step(1.., 2))?, Tensor::from([1, 3, 5]));
/// assert_eq!(x.slice(step(.., -1))?, Tensor::from([5, 4, 3, 2, 1, 0]));
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[must_use]
pub fn step(range: impl Into<Part>, by: isize) -> Part {
    match range.into() {
        Part::Range { start, stop, step } => {
            Part::Range { start, stop, step: step.saturating_mul(by) }
        }
        part => part,
    }
}

impl From<RangeFull> for Part {
    fn from(_: RangeFull) -> Self {
        Self::Range { start: None, stop: None, step: 1 }
    }
}

/// The stop of a range whose last element is at `last`.
fn past(last: isize) -> Option<isize> {
    // -1 is the last element, so what follows it has no number.
    if last == -1 { None } else { Some(last.saturating_add(1)) }
}

macro_rules! part_from {
    ($($integer:ty: $convert:expr;)*) => {$(
        impl From<$integer> for Part {
            fn from(index: $integer) -> Self {
                Self::Index($convert(index))
            }
        }

        impl From<Range<$integer>> for Part {
            fn from(range: Range<$integer>) -> Self {
                let (start, stop) = ($convert(range.start), $convert(range.end));
                Self::Range { start: Some(start), stop: Some(stop), step: 1 }
            }
        }

        impl From<RangeInclusive<$integer>> for Part {
            fn from(range: RangeInclusive<$integer>) -> Self {
                let (start, last) = range.into_inner();
                Self::Range { start: Some($convert(start)), stop: past($convert(last)), step: 1 }
            }
        }

        impl From<RangeFrom<$integer>> for Part {
            fn from(range: RangeFrom<$integer>) -> Self {
                Self::Range { start: Some($convert(range.start)), stop: None, step: 1 }
            }
        }

        impl From<RangeTo<$integer>> for Part {
            fn from(range: RangeTo<$integer>) -> Self {
                Self::Range { start: None, stop: Some($convert(range.end)), step: 1 }
            }
        }

        impl From<RangeToInclusive<$integer>> for Part {
            fn from(range: RangeToInclusive<$integer>) -> Self {
                Self::Range { start: None, stop: past($convert(range.end)), step: 1 }
            }
        }
    )*};
}

part_from! {
    i32: |value| value as isize;
    isize: std::convert::identity;
    usize: |value| isize::try_from(value).unwrap_or(isize::MAX);
}

/// The argument of [`Tensor::slice`]: one [`Part`], a tuple of up to six, or a list.
pub trait Parts {
    /// The parts in order.
    fn parts(self) -> Vec<Part>;
}

impl<P: Into<Part>> Parts for P {
    fn parts(self) -> Vec<Part> {
        vec![self.into()]
    }
}

impl Parts for &[Part] {
    fn parts(self) -> Vec<Part> {
        self.to_vec()
    }
}

impl Parts for Vec<Part> {
    fn parts(self) -> Vec<Part> {
        self
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {$(
        impl<$($name: Into<Part>),+> Parts for ($($name,)+) {
            #[expect(non_snake_case, reason = "the names of the tuple's types")]
            fn parts(self) -> Vec<Part> {
                let ($($name,)+) = self;
                vec![$($name.into()),+]
            }
        }
    )+};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }

impl Tensor {
    /// The part of the tensor that ranges and indices name, one per axis from the first.
    ///
    /// A view of the same memory. Ranges beyond the end are cut there, as in Python; an index
    /// beyond it is an error. Axes that are not named stay whole.
    ///
    /// # Errors
    ///
    /// If there are more parts than axes or two [`Part::Ellipsis`], an index is out of range, or
    /// a step is 0.
    ///
    /// A literal such as `7..-7` is right here, but Clippy's `reversed_empty_ranges` takes it
    /// for an empty range; allow that lint where you write such slices.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{Part, Tensor};
    ///
    /// let x = Tensor::arange(0..12).reshape([3, 4])?;
    /// assert_eq!(x.slice((1, ..))?, Tensor::from([4, 5, 6, 7]));
    /// assert_eq!(x.slice((.., 1..-1))?, Tensor::from([[1, 2], [5, 6], [9, 10]]));
    /// assert_eq!(x.slice((-1, -1))?, Tensor::from(11));
    /// assert_eq!(x.slice((Part::Ellipsis, 0, Part::NewAxis))?.shape(), [3, 1]);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn slice(&self, parts: impl Parts) -> Result<Self> {
        let mut view = View {
            shape: Vec::new(),
            strides: Vec::new(),
            offset: self.offset().cast_signed(),
        };
        let mut axis = 0;
        for part in self.without_ellipsis(parts.parts())? {
            if part == Part::NewAxis {
                view.shape.push(1);
                view.strides.push(0);
            } else {
                view.take(part, axis, self.shape()[axis], self.strides()[axis])?;
                axis += 1;
            }
        }
        view.shape.extend_from_slice(&self.shape()[axis..]);
        view.strides.extend_from_slice(&self.strides()[axis..]);
        Ok(self.view(view.shape, view.strides, view.offset.unsigned_abs()))
    }

    /// The slice at `index` of the first axis, which goes away.
    ///
    /// # Errors
    ///
    /// If there is no axis, or the index is out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([[1, 2], [3, 4]]).at(-1)?, Tensor::from([3, 4]));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn at(&self, index: isize) -> Result<Self> {
        self.slice(index)
    }

    fn without_ellipsis(&self, mut parts: Vec<Part>) -> Result<Vec<Part>> {
        let ellipses = parts.iter().filter(|&&part| part == Part::Ellipsis).count();
        let named =
            parts.iter().filter(|&&part| part != Part::NewAxis).count() - ellipses;
        if ellipses > 1 || named > self.rank() {
            return Err(Error::invalid(
                "slice",
                format_args!("at most {} parts, one per axis", self.rank()),
            )
            .got(if ellipses > 1 {
                "more than one ellipsis".to_owned()
            } else {
                format!("{named} parts")
            }));
        }
        if let Some(at) = parts.iter().position(|&part| part == Part::Ellipsis) {
            let whole = std::iter::repeat_n(Part::from(..), self.rank() - named);
            parts.splice(at..=at, whole);
        }
        Ok(parts)
    }
}

/// The view that the parts so far make.
struct View {
    shape: Vec<usize>,
    strides: Vec<isize>,
    offset: isize,
}

impl View {
    /// Takes a part of one axis of the tensor.
    fn take(&mut self, part: Part, axis: usize, len: usize, stride: isize) -> Result<()> {
        let (start, stop, step) = match part {
            Part::Index(index) => {
                self.offset += stride * index_in(axis, index, len)?;
                return Ok(());
            }
            Part::Range { start, stop, step } => (start, stop, step),
            Part::NewAxis | Part::Ellipsis => (None, None, 1),
        };
        let (first, count) = range_in(start, stop, step, len)?;
        if count > 0 {
            self.offset += stride * first;
        }
        self.shape.push(count);
        // A single element has no next one, which the step might overshoot.
        self.strides.push(if count > 1 { stride * step } else { stride });
        Ok(())
    }
}

fn index_in(axis: usize, index: isize, len: usize) -> Result<isize> {
    let signed = len.cast_signed();
    let at = if index < 0 { index + signed } else { index };
    if (0..signed).contains(&at) {
        return Ok(at);
    }
    let expected = match len {
        0 => format!("no index along axis {axis}, which is empty"),
        _ => format!("an index from -{len} to {} along axis {axis}", len - 1),
    };
    Err(Error::invalid("slice", expected).got(index))
}

/// The first position and the number of elements of Python's `start:stop:step`.
fn range_in(
    start: Option<isize>,
    stop: Option<isize>,
    step: isize,
    len: usize,
) -> Result<(isize, usize)> {
    if step == 0 {
        return Err(Error::invalid("slice", "a step that is not 0").got(0));
    }
    let len = len.cast_signed();
    // From the end it may stop before the first element, at -1.
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let bound = |bound: isize| {
        (if bound < 0 { bound.saturating_add(len) } else { bound }).clamp(low, high)
    };
    let start = start.map_or(if step > 0 { low } else { high }, bound);
    let stop = stop.map_or(if step > 0 { high } else { low }, bound);
    let distance = if step > 0 { stop - start } else { start - stop };
    let count = distance.max(0).unsigned_abs().div_ceil(step.unsigned_abs());
    Ok((start, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    /// Python's own results, `list(range(5))[start:stop:step]`.
    #[test]
    fn ranges_are_pythons() {
        type Row<'a> = (Option<isize>, Option<isize>, isize, &'a [i32]);
        let table: [Row<'_>; 14] = [
            (None, None, 1, &[0, 1, 2, 3, 4]),
            (Some(1), Some(-1), 1, &[1, 2, 3]),
            (Some(-2), None, 1, &[3, 4]),
            (Some(3), Some(1), 1, &[]),
            (Some(-9), Some(9), 1, &[0, 1, 2, 3, 4]),
            (Some(7), None, 1, &[]),
            (None, None, 2, &[0, 2, 4]),
            (Some(1), None, 3, &[1, 4]),
            (None, None, -1, &[4, 3, 2, 1, 0]),
            (Some(3), Some(0), -1, &[3, 2, 1]),
            (Some(-2), Some(-9), -2, &[3, 1]),
            (Some(9), Some(-9), -3, &[4, 1]),
            (Some(0), Some(3), -1, &[]),
            (None, None, isize::MIN, &[4]),
        ];
        for (start, stop, step, expected) in table {
            let part = Part::Range { start, stop, step };
            let slice = Tensor::arange(0..5).slice(part).unwrap();
            assert_eq!(slice.to_vec::<i32>().unwrap(), expected, "{part:?}");
        }
    }

    #[test]
    fn the_middle_of_images_is_a_view() {
        let x = Tensor::arange(0..2 * 28 * 28).reshape([2, 28, 28]).unwrap();
        let y = x.slice((.., 7..-7, 7..-7)).unwrap();
        assert_eq!(y.shape(), [2, 14, 14]);
        assert_eq!(y.strides(), [784, 28, 1]);
        assert_eq!(y.slice((1, 0, 0)).unwrap(), Tensor::from(784 + 7 * 28 + 7));
    }

    #[test]
    fn inclusive_ranges_reach_the_last_element() {
        let x = Tensor::arange(0..4);
        assert_eq!(x.slice(1..=2).unwrap(), Tensor::from([1, 2]));
        assert_eq!(x.slice(..=-1).unwrap(), x);
        assert_eq!(x.slice(2usize..).unwrap(), Tensor::from([2, 3]));
    }

    #[test]
    fn empty_slices_stay_inside_the_memory() {
        let x = Tensor::zeros(DType::F32, [3, 4]);
        for y in
            [x.slice((3.., 4..)), x.slice(step(2..-2, 1)), x.slice((.., step(0..0, -1)))]
        {
            assert!(y.unwrap().is_empty());
        }
        assert!(Tensor::zeros(DType::F32, [0]).slice(0).is_err());
    }

    #[test]
    fn wrong_slices_are_named() {
        let x = Tensor::zeros(DType::F32, [3, 4]);
        let text = |result: Result<Tensor>| result.unwrap_err().to_string();
        assert_eq!(
            text(x.slice((0, 4))),
            "`slice`: cannot take this input\n  expected: an index from -4 to 3 along axis 1\n  \
             \x20    got: 4"
        );
        assert!(text(x.slice((0, 0, 0))).contains("at most 2 parts, one per axis"));
        assert!(text(x.slice(step(.., 0))).contains("a step that is not 0"));
        let twice = text(x.slice((Part::Ellipsis, Part::Ellipsis)));
        assert!(twice.contains("more than one ellipsis"));
    }
}
