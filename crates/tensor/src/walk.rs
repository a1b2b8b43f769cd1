//! Walks over the elements of several views at once, in row-major order.

use crate::{Element, Storage, Tensor};

/// Calls `row` for each run of evenly spaced elements of `N` views that share `shape`.
///
/// Neighbouring axes that every view crosses evenly are one run, so views without gaps are a
/// single one. `row` gets the positions of the first elements, the strides and the length.
pub(crate) fn rows<const N: usize>(
    shape: &[usize],
    strides: [&[isize]; N],
    offsets: [usize; N],
    mut row: impl FnMut([isize; N], [isize; N], usize),
) {
    visit(shape, strides, offsets, &mut row);
}

/// As [`rows`], once in the program for each `N`.
fn visit<const N: usize>(
    shape: &[usize],
    strides: [&[isize]; N],
    offsets: [usize; N],
    row: &mut dyn FnMut([isize; N], [isize; N], usize),
) {
    if shape.contains(&0) {
        return;
    }
    let mut lens: Vec<usize> = Vec::with_capacity(shape.len());
    let mut steps: Vec<[isize; N]> = Vec::with_capacity(shape.len());
    for (axis, &len) in shape.iter().enumerate() {
        if len == 1 {
            continue;
        }
        let step = strides.map(|strides| strides[axis]);
        if let (Some(last_len), Some(last)) = (lens.last_mut(), steps.last_mut())
            && (0..N).all(|i| last[i] == step[i] * len.cast_signed())
        {
            *last_len *= len;
            *last = step;
        } else {
            lens.push(len);
            steps.push(step);
        }
    }
    let len = lens.pop().unwrap_or(1);
    let step = steps.pop().unwrap_or([0; N]);
    let mut index = vec![0; lens.len()];
    let mut at = offsets.map(usize::cast_signed);
    loop {
        row(at, step, len);
        let mut axis = lens.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            for i in 0..N {
                at[i] += steps[axis][i];
            }
            if index[axis] < lens[axis] {
                break;
            }
            for i in 0..N {
                at[i] -= steps[axis][i] * lens[axis].cast_signed();
            }
            index[axis] = 0;
        }
    }
}

/// The position `i` steps from `at`; it lies inside the memory, so it is not negative.
#[inline]
pub(crate) const fn position(at: isize, step: isize, i: usize) -> usize {
    (at + step * i.cast_signed()).unsigned_abs()
}

/// A new tensor of `f` of each element of `x`. `A` must be the element type.
pub(crate) fn map<A: Element, B: Element>(x: &Tensor, f: impl Fn(A) -> B) -> Tensor {
    let mut storage = Storage::zeroed(x.size() * size_of::<B>());
    let (to, from) = (storage.as_mut_slice::<B>(), x.memory::<A>());
    let mut done = 0;
    rows(x.shape(), [x.strides()], [x.offset()], |[at], [step], len| {
        let to = &mut to[done..done + len];
        done += len;
        if step == 1 {
            let from = &from[position(at, 0, 0)..][..len];
            for (to, &from) in to.iter_mut().zip(from) {
                *to = f(from);
            }
        } else {
            for (i, to) in to.iter_mut().enumerate() {
                *to = f(from[position(at, step, i)]);
            }
        }
    });
    Tensor::from_storage(storage, B::DTYPE, x.shape())
}

/// A new tensor of `f` of each pair of elements of two views of one shape and of type `A`.
pub(crate) fn zip<A: Element, B: Element>(
    x: &Tensor,
    y: &Tensor,
    f: impl Fn(A, A) -> B,
) -> Tensor {
    let mut storage = Storage::zeroed(x.size() * size_of::<B>());
    let to = storage.as_mut_slice::<B>();
    let (from_x, from_y) = (x.memory::<A>(), y.memory::<A>());
    let mut done = 0;
    let strides = [x.strides(), y.strides()];
    rows(x.shape(), strides, [x.offset(), y.offset()], |[x, y], steps, len| {
        let to = &mut to[done..done + len];
        done += len;
        match steps {
            [1, 1] => {
                let (x, y) = (&from_x[position(x, 0, 0)..], &from_y[position(y, 0, 0)..]);
                for ((to, &x), &y) in to.iter_mut().zip(&x[..len]).zip(&y[..len]) {
                    *to = f(x, y);
                }
            }
            [1, 0] => {
                let (x, y) = (&from_x[position(x, 0, 0)..], from_y[position(y, 0, 0)]);
                for (to, &x) in to.iter_mut().zip(&x[..len]) {
                    *to = f(x, y);
                }
            }
            [step_x, step_y] => {
                for (i, to) in to.iter_mut().enumerate() {
                    let (x, y) = (position(x, step_x, i), position(y, step_y, i));
                    *to = f(from_x[x], from_y[y]);
                }
            }
        }
    });
    Tensor::from_storage(storage, B::DTYPE, x.shape())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(shape: &[usize], strides: &[isize]) -> (usize, Vec<isize>) {
        let (mut runs, mut positions) = (0, Vec::new());
        rows(shape, [strides], [0], |[at], [step], len| {
            runs += 1;
            positions.extend((0..len.cast_signed()).map(|i| at + i * step));
        });
        (runs, positions)
    }

    #[test]
    fn axes_without_gaps_are_one_run() {
        assert_eq!(walk(&[2, 1, 3], &[3, 99, 1]), (1, (0..6).collect()));
        assert_eq!(walk(&[2, 3], &[4, 1]), (2, vec![0, 1, 2, 4, 5, 6]));
        assert_eq!(walk(&[2, 2], &[1, 2]), (2, vec![0, 2, 1, 3]));
        assert_eq!(walk(&[2, 2], &[0, 0]), (1, vec![0; 4]));
        assert_eq!(walk(&[], &[]), (1, vec![0]));
        assert_eq!(walk(&[3, 0], &[0, 1]), (0, vec![]));
    }
}
