//! Strided views of values: [`View`].

use deckle_tensor::SliceAxis;

/// Which elements of a contiguous value are meant, in which order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct View {
    pub(crate) shape: Vec<usize>,
    /// In elements, per axis; 0 repeats.
    pub(crate) strides: Vec<isize>,
    /// Of the first element, in elements.
    pub(crate) offset: isize,
}

impl View {
    /// All elements in row-major order.
    pub(crate) fn contiguous(shape: &[usize]) -> Self {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis].max(1).cast_signed();
        }
        Self { shape: shape.to_vec(), strides, offset: 0 }
    }

    pub(crate) fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the elements lie in row-major order without gaps, wherever they start.
    pub(crate) fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&len, &stride)| {
            let fits = len <= 1 || stride == expected;
            expected *= len.cast_signed();
            fits
        }) || self.size() == 0
    }

    /// Whether these are all of the `size` elements of the value, in order.
    pub(crate) fn is_whole(&self, size: usize) -> bool {
        self.size() == size && (size == 0 || self.offset == 0) && self.is_contiguous()
    }

    pub(crate) fn transpose(&self, permutation: &[usize]) -> Self {
        Self {
            shape: permutation.iter().map(|&axis| self.shape[axis]).collect(),
            strides: permutation.iter().map(|&axis| self.strides[axis]).collect(),
            offset: self.offset,
        }
    }

    pub(crate) fn slice(&self, axes: &[SliceAxis]) -> Self {
        let mut view = self.clone();
        for (i, axis) in axes.iter().enumerate() {
            if axis.len > 0 {
                view.offset += axis.start.cast_signed() * self.strides[i];
            }
            view.shape[i] = axis.len;
            view.strides[i] = self.strides[i] * axis.step;
        }
        view
    }

    /// Repeats axes of length 1, and adds axes in front, by NumPy's rule.
    pub(crate) fn broadcast(&self, shape: &[usize]) -> Self {
        let new = shape.len() - self.shape.len();
        let strides = (0..shape.len()).map(|i| match i.checked_sub(new) {
            Some(axis) if self.shape[axis] == shape[i] => self.strides[axis],
            _ => 0,
        });
        Self { shape: shape.to_vec(), strides: strides.collect(), offset: self.offset }
    }

    /// Whether neighbours lie far apart in memory while elements that are far apart here are
    /// neighbours there, so that it pays to copy blocks.
    pub(crate) fn is_turned(&self) -> bool {
        const SMALL: usize = 4096;
        let view = self.collapsed();
        let far = view.strides.last().is_some_and(|stride| stride.unsigned_abs() >= 16);
        far && view.strides.contains(&1) && view.size() >= SMALL
    }

    /// The same order of elements with the fewest axes, none of length 1.
    pub(crate) fn collapsed(&self) -> Self {
        if self.size() == 0 {
            return Self { shape: vec![0], strides: vec![1], offset: 0 };
        }
        let mut shape: Vec<usize> = Vec::new();
        let mut strides: Vec<isize> = Vec::new();
        for (&len, &stride) in self.shape.iter().zip(&self.strides) {
            match (shape.last_mut(), strides.last_mut()) {
                _ if len == 1 => {}
                (Some(last), Some(step)) if *step == stride * len.cast_signed() => {
                    *last *= len;
                    *step = stride;
                }
                _ => {
                    shape.push(len);
                    strides.push(stride);
                }
            }
        }
        Self { shape, strides, offset: self.offset }
    }

    /// The same order of elements under another shape of the same size, if it is still a view.
    pub(crate) fn reshape(&self, shape: &[usize]) -> Option<Self> {
        if self.size() == 0 {
            return Some(Self::contiguous(shape));
        }
        let runs = self.collapsed();
        let mut runs = runs.shape.iter().copied().zip(runs.strides.iter().copied()).rev();
        let (mut left, mut step) = (1, 0);
        let mut strides = vec![0; shape.len()];
        for (axis, &len) in shape.iter().enumerate().rev() {
            if len == 1 {
                continue;
            }
            if left == 1 {
                (left, step) = runs.next()?;
            }
            if left % len != 0 {
                return None;
            }
            strides[axis] = step;
            left /= len;
            step *= len.cast_signed();
        }
        Some(Self { shape: shape.to_vec(), strides, offset: self.offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_compose() {
        let view = View::contiguous(&[2, 3, 4]);
        assert!(view.is_whole(24));
        let turned = view.transpose(&[2, 0, 1]);
        assert_eq!(turned.strides, [1, 12, 4]);
        assert!(!turned.is_contiguous());
        assert_eq!(turned.reshape(&[4, 6]).map(|view| view.strides), Some(vec![1, 4]));
        assert_eq!(turned.reshape(&[8, 3]), None);
        let back = turned.slice(&[
            SliceAxis { start: 3, len: 4, step: -1 },
            SliceAxis::all(2),
            SliceAxis::all(3),
        ]);
        assert_eq!((back.offset, back.strides[0]), (3, -1));
        let bias = View::contiguous(&[4]).broadcast(&[2, 3, 4]).collapsed();
        assert_eq!((bias.shape, bias.strides), (vec![6, 4], vec![0, 1]));
    }
}
