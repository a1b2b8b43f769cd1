//! Loading through strides, and storing into regions.
#![expect(unsafe_code, reason = "strided access to memory of any element type")]

use crate::view::View;

/// Runs `body` with an unsigned integer type as wide as an element.
macro_rules! with_width {
    ($size:expr, $T:ident => $body:expr) => {
        match $size {
            1 => {
                type $T = u8;
                $body
            }
            2 => {
                type $T = u16;
                $body
            }
            4 => {
                type $T = u32;
                $body
            }
            _ => {
                type $T = u64;
                $body
            }
        }
    };
}
pub(crate) use with_width;

/// Copies elements `at` to `at + len` of a view to consecutive places.
///
/// # Safety
///
/// `base` is valid for reads of all that the view picks, `to` for writes of `len` elements of
/// `size` bytes; they do not overlap. The view is collapsed and has these elements.
pub(crate) unsafe fn gather(
    view: &View,
    base: *const u8,
    at: usize,
    len: usize,
    to: *mut u8,
    size: usize,
) {
    with_width!(size, T => {
        let (base, to) = (base.cast::<T>(), to.cast::<T>());
        runs(view, at, len, |from, stride, start, count| {
            // SAFETY: the caller's promise; `runs` stays within the view and within `len`.
            unsafe { copy_run(base.offset(from), stride, to.add(start), 1, count) }
        });
    });
}

/// Copies consecutive elements to elements `at` to `at + len` of a view.
///
/// # Safety
///
/// As for [`gather`], with reading and writing exchanged.
pub(crate) unsafe fn scatter(
    view: &View,
    base: *mut u8,
    at: usize,
    len: usize,
    from: *const u8,
    size: usize,
) {
    with_width!(size, T => {
        let (base, from) = (base.cast::<T>(), from.cast::<T>());
        runs(view, at, len, |to, stride, start, count| {
            // SAFETY: as in `gather`.
            unsafe { copy_run(from.add(start), 1, base.offset(to), stride, count) }
        });
    });
}

/// Repeats each of `rows` elements `len` times.
///
/// # Safety
///
/// `from` is valid for reads of `rows` elements of `size` bytes, `to` for writes of `len` times
/// as many; they do not overlap.
pub(super) unsafe fn expand(
    from: *const u8,
    to: *mut u8,
    rows: usize,
    len: usize,
    size: usize,
) {
    with_width!(size, T => {
        let (from, to) = (from.cast::<T>(), to.cast::<T>());
        for row in 0..rows {
            // SAFETY: the caller's promise.
            unsafe { copy_run(from.add(row), 0, to.add(row * len), 1, len) };
        }
    });
}

/// The position in memory of element `at` of a view, if that and the next `len - 1` lie side by
/// side.
pub(super) fn side_by_side(view: &View, at: usize, len: usize) -> Option<isize> {
    let (&inner, &stride) = (view.shape.last()?, view.strides.last()?);
    let rest = at % inner;
    (stride == 1 && rest + len <= inner).then(|| {
        let mut left = at / inner;
        let mut position = view.offset + rest.cast_signed();
        for (&axis, &stride) in view.shape.iter().zip(&view.strides).rev().skip(1) {
            position += (left % axis).cast_signed() * stride;
            left /= axis;
        }
        position
    })
}

/// Calls `body` with (position in memory, stride, position among the `len`, number) of each run
/// along the last axis.
#[inline(always)]
fn runs(
    view: &View,
    at: usize,
    len: usize,
    mut body: impl FnMut(isize, isize, usize, usize),
) {
    /// More axes than this are counted by division for every run.
    const MOST: usize = 12;
    let (Some(&inner), Some(&stride)) = (view.shape.last(), view.strides.last()) else {
        if len > 0 {
            body(view.offset, 0, 0, len);
        }
        return;
    };
    let outer = view.shape.len() - 1;
    assert!(outer <= MOST, "views of this many axes are not collapsed");
    let mut index = [0; MOST];
    let mut left = at / inner;
    let mut position = view.offset;
    for axis in (0..outer).rev() {
        index[axis] = left % view.shape[axis];
        position += index[axis].cast_signed() * view.strides[axis];
        left /= view.shape[axis];
    }
    let mut rest = at % inner;
    let mut start = 0;
    while start < len {
        let count = (inner - rest).min(len - start);
        body(position + rest.cast_signed() * stride, stride, start, count);
        start += count;
        rest = 0;
        for axis in (0..outer).rev() {
            index[axis] += 1;
            position += view.strides[axis];
            if index[axis] < view.shape[axis] {
                break;
            }
            position -= view.strides[axis] * view.shape[axis].cast_signed();
            index[axis] = 0;
        }
    }
}

#[inline(always)]
unsafe fn copy_run<T: Copy>(
    from: *const T,
    stride: isize,
    to: *mut T,
    to_stride: isize,
    count: usize,
) {
    match (stride, to_stride) {
        // SAFETY: the caller promises `count` elements at these strides.
        (1, 1) if count >= 16 => unsafe { from.copy_to_nonoverlapping(to, count) },
        (1, 1) => {
            for i in 0..count {
                // SAFETY: as above.
                unsafe { to.add(i).write(from.add(i).read()) };
            }
        }
        (0, 1) => {
            // SAFETY: as above.
            let value = unsafe { from.read() };
            for i in 0..count {
                // SAFETY: as above.
                unsafe { to.add(i).write(value) };
            }
        }
        _ => {
            for i in 0..count.cast_signed() {
                // SAFETY: as above.
                unsafe { to.offset(i * to_stride).write(from.offset(i * stride).read()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_in_order_from_anywhere() {
        let memory: Vec<u32> = (0..24).collect();
        let view = View::contiguous(&[2, 3, 4]).transpose(&[2, 0, 1]).collapsed();
        let expected: Vec<u32> =
            (0..4).flat_map(|c| (0..6).map(move |ab| ab * 4 + c)).collect();
        for at in 0..24 {
            for len in 0..=24 - at {
                let mut to = vec![0_u32; len];
                // SAFETY: the view lies within `memory`, and `to` has `len` elements.
                unsafe {
                    gather(
                        &view,
                        memory.as_ptr().cast(),
                        at,
                        len,
                        to.as_mut_ptr().cast(),
                        4,
                    );
                }
                assert_eq!(to, expected[at..at + len]);
            }
        }
    }
}
