//! The loops: threads, instruction sets, scratch memory, shared memory, formulas. What they
//! compute is compared with its meaning where the layers are.

use deckle_cpu::{
    Simd, Threads,
    recurrent::{
        Backward, Cell, Forward, Gradients, Learned, Lstm, Recurrence, ResetAfter,
        ResetBefore, Simple, States, Target,
    },
    simd::Float,
};
use deckle_tensor::random::Draw;

fn numbers<T: Float>(len: usize, seed: u64) -> Vec<T> {
    let draw = Draw::new(seed, 0, 0);
    (0..len).map(|i| T::from_f64(2.0 * draw.uniform(i as u64) - 1.0)).collect()
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    sizes: [usize; 3],
    /// With a mask and gradients by all steps.
    extras: bool,
    dropped: bool,
    /// x and what is kept have the memory of what is made of them.
    in_place: bool,
    simd: Simd,
    threads: usize,
}

/// Sequence, last states, what is kept, `c` of all steps; then the gradients by x, states, kernel
/// and bias. What is not written is NaN.
fn run<C: Cell, T: Float>(settings: Settings) -> Vec<Vec<T>> {
    let Settings { sizes, extras, dropped, simd, .. } = settings;
    let [time, batch, units] = sizes;
    let recurrence = Recurrence::<C>::new(sizes, dropped);
    let threads = Threads::new(settings.threads);
    let has_c = usize::from(C::STATES > 1);
    let (steps, state) = (time * batch * units, batch * units);
    let nan = |len: usize| vec![T::from_f64(f64::NAN); len];
    let bias_len = if C::BIAS { C::GATES * units } else { 0 };
    let x: Vec<T> = numbers(C::GATES * steps, 1);
    let (h, c) = (numbers::<T>(state, 2), numbers::<T>(has_c * state, 3));
    let kernel: Vec<T> = numbers(C::GATES * units * units, 4);
    let bias: Vec<T> = numbers(bias_len, 5);
    let dropout = dropped.then(|| numbers::<T>(C::GATES * state, 6));
    let mask: Option<Vec<u8>> =
        extras.then(|| (0..time * batch).map(|i| u8::from(i % 3 != 1)).collect());
    let by_sequence: Option<Vec<T>> = extras.then(|| numbers(steps, 7));
    let (mut sequence, mut kept) = (nan(steps), nan(C::KEPT * steps));
    let shared = settings.in_place && C::IN_PLACE.is_some();
    match C::IN_PLACE.filter(|_| shared) {
        Some(Target::Kept) => kept.copy_from_slice(&x),
        Some(Target::Sequence) => sequence.copy_from_slice(&x),
        None => {}
    }
    let (mut last_h, mut last_c, mut cells) =
        (nan(state), nan(has_c * state), nan(has_c * steps));
    recurrence.forward(
        simd,
        &threads,
        &Forward {
            x: (!shared).then_some(&x[..]),
            inputs: None,
            states: [&h, &c],
            kernel: &kernel,
            bias: &bias,
            dropout: dropout.as_deref(),
            mask: mask.as_deref(),
        },
        States {
            sequence: &mut sequence,
            states: [&mut last_h, &mut last_c],
            kept: &mut kept,
            cells: &mut cells,
        },
        &mut nan(recurrence.forward_scratch::<T>(simd, settings.threads)),
    );
    let shared = settings.in_place && recurrence.kept_in_place();
    let mut dx = if shared { kept.clone() } else { nan(x.len()) };
    let (mut dh, mut dc, mut dkernel, mut dbias) =
        (nan(state), nan(has_c * state), nan(kernel.len()), nan(bias_len));
    recurrence.backward(
        simd,
        &threads,
        &Backward {
            kernel: &kernel,
            states: [&h, &c],
            sequence: &sequence,
            kept: (!shared).then_some(&kept[..]),
            cells: &cells,
            by_states: [&numbers::<T>(state, 8), &numbers::<T>(has_c * state, 9)],
            by_sequence: by_sequence.as_deref(),
            dropout: dropout.as_deref(),
            mask: mask.as_deref(),
            inputs: None,
        },
        Gradients {
            dx: &mut dx,
            states: [&mut dh, &mut dc],
            dkernel: &mut dkernel,
            dbias: &mut dbias,
            learned: Learned { dkernel: &mut [], dbias: &mut [], dinput: &mut [] },
        },
        &mut nan(recurrence.backward_scratch::<T>(simd, settings.threads)),
    );
    vec![sequence, last_h, last_c, kept, cells, dx, dh, dc, dkernel, dbias]
}

/// The last ones have kernels whose gradients are products over all steps; the last two products
/// that threads share, of which the very last has sums too long to be made at once.
const SIZES: [[usize; 3]; 12] = [
    [0, 2, 3],
    [3, 0, 2],
    [2, 3, 0],
    [1, 1, 1],
    [4, 15, 5],
    [3, 29, 16],
    [2, 64, 17],
    [2, 113, 3],
    [3, 5, 75],
    [2, 30, 130],
    [2, 3, 261],
    [2, 2, 515],
];

fn all(simd: Simd, threads: usize) -> impl Iterator<Item = Settings> {
    SIZES.into_iter().flat_map(move |sizes| {
        (0..8).map(move |bits| {
            let [extras, dropped, in_place] = [1, 2, 4].map(|bit| bits & bit != 0);
            Settings { sizes, extras, dropped, in_place, simd, threads }
        })
    })
}

fn assert_same(a: &[Vec<f32>], b: &[Vec<f32>], settings: Settings) {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    assert!(pairs.clone().all(|(a, _)| a.is_finite()), "{settings:?}");
    assert!(pairs.clone().all(|(a, b)| a.to_bits() == b.to_bits()), "{settings:?}");
}

fn threads_make_no_difference<C: Cell>() {
    for one in all(Simd::detect(), 1) {
        let first = run::<C, f32>(one);
        for threads in 2..4 {
            let settings = Settings { threads, ..one };
            assert_same(&first, &run::<C, f32>(settings), settings);
        }
        let elsewhere = Settings { in_place: false, ..one };
        assert_same(&first, &run::<C, f32>(elsewhere), one);
    }
}

fn instruction_sets_agree<C: Cell>() {
    for settings in all(Simd::Portable, 1).filter(|settings| settings.in_place) {
        let exact = run::<C, f64>(settings).concat();
        for simd in Simd::available() {
            let settings = Settings { simd, threads: 2, ..settings };
            let close = |found: &[f64], tolerance: f64| {
                for (i, (a, b)) in exact.iter().zip(found).enumerate() {
                    let error = (a - b).abs();
                    assert!(error <= tolerance * (1.0 + a.abs()), "{settings:?} {i}");
                }
            };
            close(&run::<C, f64>(settings).concat(), 1e-11);
            let found = run::<C, f32>(settings).concat();
            close(&found.into_iter().map(f64::from).collect::<Vec<_>>(), 2e-4);
        }
    }
}

macro_rules! of_each_cell {
    ($($name:ident: $C:ty;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn any_number_of_threads_and_shared_memory_give_the_same_bits() {
                threads_make_no_difference::<$C>();
            }

            #[test]
            fn all_instruction_sets_agree() {
                instruction_sets_agree::<$C>();
            }
        }
    )*};
}

of_each_cell! {
    lstm: Lstm;
    reset_after: ResetAfter;
    reset_before: ResetBefore;
    simple: Simple;
}

/// One unit, one row, two steps, by the formulas.
#[test]
fn states_are_those_of_the_formulas() {
    fn states<C: Cell>() -> Vec<f64> {
        let settings = Settings {
            sizes: [2, 1, 1],
            extras: false,
            dropped: false,
            in_place: false,
            simd: Simd::Portable,
            threads: 1,
        };
        run::<C, f64>(settings)[0].clone()
    }
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let close = |found: &[f64], expected: [f64; 2]| {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-14;
        assert!(found.iter().zip(&expected).all(near), "{found:?} {expected:?}");
    };
    let (x, u) = (numbers::<f64>(8, 1), numbers::<f64>(4, 4));
    let start = numbers::<f64>(1, 2)[0];

    let (mut h, mut c) = (start, numbers::<f64>(1, 3)[0]);
    let lstm = [0, 1].map(|step| {
        let z = |gate: usize| x[4 * step + gate] + h * u[gate];
        c = sigmoid(z(1)) * c + sigmoid(z(0)) * z(2).tanh();
        h = sigmoid(z(3)) * c.tanh();
        h
    });
    close(&states::<Lstm>(), lstm);

    let bias = numbers::<f64>(3, 5);
    for after in [true, false] {
        let mut h = start;
        let gru = [0, 1].map(|step| {
            let x = &x[3 * step..];
            let y = |gate: usize| h * u[gate] + if after { bias[gate] } else { 0.0 };
            let (z, r) = (sigmoid(x[0] + y(0)), sigmoid(x[1] + y(1)));
            let by_h = if after { r * y(2) } else { r * h * u[2] };
            h = z * h + (1.0 - z) * (x[2] + by_h).tanh();
            h
        });
        let found = if after { states::<ResetAfter>() } else { states::<ResetBefore>() };
        close(&found, gru);
    }

    let mut h = start;
    let simple = [0, 1].map(|step| {
        h = (x[step] + h * u[0]).tanh();
        h
    });
    close(&states::<Simple>(), simple);
}
