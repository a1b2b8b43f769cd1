//! What one kind of recurrent layer computes in a step: [`Cell`].

use super::products::Products;
use crate::{
    Simd,
    gemm::Base,
    simd::{Float, one_by_one},
};

/// A kind of recurrent layer: what its steps compute, but not how they follow each other.
///
/// All tensors of a step are rows of parts, each as wide as a state.
pub trait Cell: Copy + Send + Sync + 'static {
    /// The states that go from step to step: `h` alone, or `h` and `c`.
    const STATES: usize;
    /// The parts of x, of the recurrent kernel, and of what multiplies states.
    const GATES: usize;
    /// The parts of what is kept of each step for the gradients.
    const KEPT: usize;
    /// The first gate of each product with the recurrent kernel, and that after its last.
    const PRODUCTS: &'static [(usize, usize)];
    /// Whether products have a bias, so that their gradients are not those by x.
    const BIAS: bool;
    /// Where x is changed to what the step makes, if it is.
    const IN_PLACE: Option<Target>;
    /// The parts of memory for each row that a step needs besides, forward and backward.
    const SPARE: [usize; 2];

    /// Computes the states after a step, and what is kept of it.
    fn forward<T: Float>(step: Step<'_, T>, products: &mut Products<'_, T>);

    /// Computes, of the gradients by the states after a step, those by the states before it.
    fn backward<T: Float>(step: StepBack<'_, T>, products: &mut Products<'_, T>);

    /// Turns the states before a step into what a product took.
    fn source<T: Float>(product: usize, kept: &[T], states: &mut [T], simd: Simd) {
        let _ = (product, kept, states, simd);
    }
}

/// What x can have the memory of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Kept,
    Sequence,
}

/// What a step forward works on: some rows.
#[expect(missing_debug_implementations, reason = "only the tests see it")]
pub struct Step<'a, T> {
    pub(super) simd: Simd,
    pub(super) units: usize,
    /// Nothing, if it is in its target already.
    pub(super) x: &'a [T],
    pub(super) bias: &'a [T],
    pub(super) before: [&'a [T]; 2],
    pub(super) h: &'a mut [T],
    pub(super) c: &'a mut [T],
    pub(super) kept: &'a mut [T],
    pub(super) spare: &'a mut [T],
}

impl<'a, T> Step<'a, T> {
    /// What the products are added to, where x goes.
    pub(super) fn base(&self) -> Base<'a, T> {
        if self.x.is_empty() { Base::C } else { Base::Rows(self.x) }
    }
}

/// What a step backward works on: some rows.
#[expect(missing_debug_implementations, reason = "only the tests see it")]
pub struct StepBack<'a, T> {
    pub(super) simd: Simd,
    pub(super) units: usize,
    /// Nothing, if it is where `dx` goes.
    pub(super) kept: &'a [T],
    pub(super) before: [&'a [T]; 2],
    pub(super) after: [&'a [T]; 2],
    pub(super) dh: &'a mut [T],
    pub(super) dc: &'a mut [T],
    pub(super) dx: &'a mut [T],
    /// The gradient by the products, if it is not that by x.
    pub(super) dy: &'a mut [T],
    /// Rows that do not count are 0.
    pub(super) mask: Option<&'a [u8]>,
    pub(super) spare: &'a mut [T],
}

/// The elements that are computed together: a vector's or more.
const LANES: usize = 16;

/// A block of elements of each of some slices.
type Block<T, const N: usize> = [[T; LANES]; N];

/// What becomes of elements at one place, of which the first are read and the others changed.
pub(super) trait Formula<T, const I: usize, const O: usize> {
    fn apply(&self, given: [T; I], old: [T; O]) -> [T; O];
}

/// A short one, that the compiler inlines.
struct Short<F>(F);

impl<T, const I: usize, const O: usize, F: Fn([T; I], [T; O]) -> [T; O]> Formula<T, I, O>
    for Short<F>
{
    #[inline(always)]
    fn apply(&self, given: [T; I], old: [T; O]) -> [T; O] {
        self.0(given, old)
    }
}

/// Computes the elements of some slices from those at the same place in all, by a short formula;
/// see [`each_by`].
#[inline(always)]
pub(super) fn each<T: Float, const I: usize, const O: usize>(
    len: usize,
    from: [&[T]; I],
    to: [&mut [T]; O],
    formula: impl Fn([T; I], [T; O]) -> [T; O],
) {
    each_by(len, from, to, &Short(formula));
}

/// Computes the elements of some slices from those at the same place in all.
///
/// A block of all slices is read, computed and written at a time, so that what the formula
/// makes in between stays in registers, and long chains of operations overlap. The formula has
/// to be inlined: else it would miss the vector instructions.
#[inline(always)]
pub(super) fn each_by<T: Float, const I: usize, const O: usize>(
    len: usize,
    from: [&[T]; I],
    mut to: [&mut [T]; O],
    formula: &impl Formula<T, I, O>,
) {
    // What is left over is computed with the elements before it, from their old values.
    let last = len.checked_sub(LANES).filter(|last| !last.is_multiple_of(LANES));
    let mut old = [[T::ZERO; LANES]; O];
    if let Some(last) = last {
        old = std::array::from_fn(|i| load(to[i], last));
    }
    let mut at = 0;
    while at + LANES <= len {
        one_by_one();
        let x = std::array::from_fn(|i| load(from[i], at));
        let mut y = std::array::from_fn(|i| load(to[i], at));
        compute(&x, &mut y, formula);
        for (to, y) in to.iter_mut().zip(&y) {
            to[at..at + LANES].copy_from_slice(y);
        }
        at += LANES;
    }
    if let Some(last) = last {
        one_by_one();
        let x = std::array::from_fn(|i| load(from[i], last));
        compute(&x, &mut old, formula);
        for (to, y) in to.iter_mut().zip(&old) {
            to[last..len].copy_from_slice(y);
        }
    } else if at < len {
        let mut x = [[T::ZERO; LANES]; I];
        for (x, from) in x.iter_mut().zip(from) {
            copy_few(len, from, x);
        }
        for (y, to) in old.iter_mut().zip(&to) {
            copy_few(len, to, y);
        }
        compute(&x, &mut old, formula);
        for (to, y) in to.iter_mut().zip(&old) {
            copy_few(len, y, to);
        }
    }
}

/// Copies fewer elements than a block has, in pieces whose lengths the compiler knows: no calls.
#[inline(always)]
fn copy_few<T: Copy>(len: usize, from: &[T], to: &mut [T]) {
    let mut at = 0;
    macro_rules! piece {
        ($($len:literal)*) => {$(
            if len & $len != 0 {
                to[at..at + $len].copy_from_slice(&from[at..at + $len]);
                at += $len;
            }
        )*};
    }
    piece!(8 4 2 1);
    debug_assert_eq!(at, len, "fewer than lanes");
}

#[inline(always)]
fn load<T: Copy>(from: &[T], at: usize) -> [T; LANES] {
    from[at..at + LANES].try_into().expect("as many as lanes")
}

#[inline(always)]
fn compute<T: Float, const I: usize, const O: usize>(
    x: &Block<T, I>,
    y: &mut Block<T, O>,
    formula: &impl Formula<T, I, O>,
) {
    for lane in 0..LANES {
        let given = std::array::from_fn(|i| x[i][lane]);
        let made = formula.apply(given, std::array::from_fn(|i| y[i][lane]));
        for (y, made) in y.iter_mut().zip(made) {
            y[lane] = made;
        }
    }
}

/// The parts of a row.
#[inline(always)]
pub(super) fn parts<T, const N: usize>(row: &[T], units: usize) -> [&[T]; N] {
    std::array::from_fn(|part| &row[part * units..(part + 1) * units])
}

/// The parts of a row, to change.
#[inline(always)]
pub(super) fn parts_mut<T, const N: usize>(row: &mut [T], units: usize) -> [&mut [T]; N] {
    let mut rest = row;
    std::array::from_fn(|_| {
        let (part, others) = std::mem::take(&mut rest).split_at_mut(units);
        rest = others;
        part
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_element_is_computed_once() {
        for len in [0, 1, 15, 16, 17, 31, 32, 40] {
            let x: Vec<f64> = (0..len).map(|i| i as f64).collect();
            let (mut a, mut b) = (vec![1.0; len + 1], vec![2.0; len]);
            each(len, [&x], [&mut a, &mut b], |[x], [a, b]| [a + x, b * x]);
            for i in 0..len {
                assert!((a[i] - (1.0 + x[i])).abs() < 1e-9);
                assert!((b[i] - 2.0 * x[i]).abs() < 1e-9);
            }
            assert!((a[len] - 1.0).abs() < 1e-9);
        }
    }
}
