//! The loop of an LSTM against one that is written plainly.

use deckle_tensor::random::Draw;

use super::*;

fn numbers<T: Float>(len: usize, seed: u64) -> Vec<T> {
    let draw = Draw::new(seed, 0, 0);
    (0..len).map(|i| T::from_f64(2.0 * draw.uniform(i as u64) - 1.0)).collect()
}

struct Case<T> {
    lstm: Lstm,
    x: Vec<T>,
    h: Vec<T>,
    c: Vec<T>,
    kernel: Vec<T>,
    mask: Option<Vec<u8>>,
    by_sequence: Option<Vec<T>>,
    dh: Vec<T>,
    dc: Vec<T>,
}

impl<T: Float> Case<T> {
    fn new([time, batch, units]: [usize; 3], extras: bool) -> Self {
        let steps = time * batch;
        Self {
            lstm: Lstm::new(time, batch, units),
            x: numbers(4 * steps * units, 1),
            h: numbers(batch * units, 2),
            c: numbers(batch * units, 3),
            kernel: numbers(4 * units * units, 4),
            mask: extras.then(|| (0..steps).map(|i| u8::from(i % 3 != 1)).collect()),
            by_sequence: extras.then(|| numbers(steps * units, 5)),
            dh: numbers(batch * units, 6),
            dc: numbers(batch * units, 7),
        }
    }

    /// Sequence, h, c, gates, cells.
    fn forward(&self, simd: Simd, threads: &Threads) -> [Vec<T>; 5] {
        let nan = T::from_f64(f64::NAN);
        let (steps, states) = (self.x.len() / 4, self.h.len());
        let mut made =
            [steps, states, states, 4 * steps, steps].map(|len| vec![nan; len]);
        let [sequence, h, c, gates, cells] = &mut made;
        let len = self.lstm.forward_scratch::<T>(simd, threads.count());
        let from = Forward {
            x: &self.x,
            h: &self.h,
            c: &self.c,
            kernel: &self.kernel,
            mask: self.mask.as_deref(),
        };
        let to = States { sequence, h, c, gates, cells };
        self.lstm.forward(simd, threads, &from, to, &mut vec![nan; len]);
        made
    }

    /// By x, h, c and the kernel.
    fn backward(
        &self,
        simd: Simd,
        threads: &Threads,
        states: &[Vec<T>; 5],
    ) -> [Vec<T>; 4] {
        let nan = T::from_f64(f64::NAN);
        let lens = [&self.x, &self.h, &self.c, &self.kernel].map(Vec::len);
        let mut made = lens.map(|len| vec![nan; len]);
        let [dx, dh, dc, dkernel] = &mut made;
        let len = self.lstm.backward_scratch::<T>(simd, threads.count());
        let [sequence, _, _, gates, cells] = states;
        let from = Backward {
            kernel: &self.kernel,
            h: &self.h,
            c: &self.c,
            sequence,
            gates,
            cells,
            dh: &self.dh,
            dc: &self.dc,
            by_sequence: self.by_sequence.as_deref(),
            mask: self.mask.as_deref(),
        };
        let to = Gradients { dx, dh, dc, dkernel };
        self.lstm.backward(simd, threads, &from, to, &mut vec![nan; len]);
        made
    }

    /// One row after the other, by the formulas: sequence, last h and c.
    fn expected(&self) -> [Vec<f64>; 3] {
        let Lstm { time, batch, units } = self.lstm;
        let numbers =
            |values: &[T]| values.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
        let (mut h, mut c) = (numbers(&self.h), numbers(&self.c));
        let mut sequence = Vec::new();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for step in 0..time {
            for row in 0..batch {
                let at = step * batch + row;
                if self.mask.as_ref().is_none_or(|mask| mask[at] != 0) {
                    let z: Vec<f64> = (0..4 * units)
                        .map(|j| {
                            let product = (0..units).map(|k| {
                                h[row * units + k]
                                    * self.kernel[k * 4 * units + j].to_f64()
                            });
                            self.x[at * 4 * units + j].to_f64() + product.sum::<f64>()
                        })
                        .collect();
                    for j in 0..units {
                        let [i, f, g, o] = [0, 1, 2, 3].map(|part| z[part * units + j]);
                        let c = &mut c[row * units + j];
                        *c = sigmoid(f) * *c + sigmoid(i) * g.tanh();
                        h[row * units + j] = sigmoid(o) * c.tanh();
                    }
                }
            }
            sequence.extend(&h);
        }
        [sequence, h, c]
    }

    /// What the gradients are those of.
    fn objective(&self) -> f64 {
        let [sequence, h, c] = self.expected();
        let dot = |a: &[f64], b: &[T]| {
            a.iter().zip(b).map(|(a, b)| a * b.to_f64()).sum::<f64>()
        };
        let by_sequence = self.by_sequence.as_ref();
        dot(&h, &self.dh)
            + dot(&c, &self.dc)
            + by_sequence.map_or(0.0, |by| dot(&sequence, by))
    }
}

const SHAPES: [[usize; 3]; 7] =
    [[3, 2, 5], [1, 33, 4], [4, 70, 3], [2, 15, 17], [0, 2, 3], [2, 0, 3], [2, 3, 0]];

#[test]
fn states_are_those_of_the_formulas() {
    fn check<T: Float>(tolerance: f64) {
        let threads = [1, 2, 3].map(Threads::new);
        for simd in Simd::available() {
            for shape in SHAPES {
                for extras in [false, true] {
                    let case = Case::<T>::new(shape, extras);
                    let made = case.forward(simd, &threads[0]);
                    for (made, expected) in made[..3].iter().zip(case.expected()) {
                        assert_eq!(made.len(), expected.len());
                        let close = made
                            .iter()
                            .zip(&expected)
                            .all(|(a, b)| (a.to_f64() - b).abs() < tolerance);
                        assert!(close, "{shape:?} on {simd:?}: {made:?} {expected:?}");
                    }
                    for threads in &threads[1..] {
                        assert_eq!(case.forward(simd, threads), made);
                    }
                }
            }
        }
    }
    check::<f32>(3e-6);
    check::<f64>(1e-14);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let threads = [1, 3].map(Threads::new);
    for simd in Simd::available() {
        for shape in SHAPES {
            for extras in [false, true] {
                let mut case = Case::<f64>::new(shape, extras);
                let states = case.forward(simd, &threads[0]);
                let made = case.backward(simd, &threads[0], &states);
                assert_eq!(case.backward(simd, &threads[1], &states), made);
                for (tensor, gradient) in made.iter().enumerate() {
                    // Some of the elements.
                    for i in (0..gradient.len()).step_by(1 + gradient.len() / 5) {
                        let mut at = |by: f64| {
                            let of =
                                [&mut case.x, &mut case.h, &mut case.c, &mut case.kernel];
                            of.into_iter().nth(tensor).unwrap()[i] += by;
                            case.objective()
                        };
                        let (above, below) = (at(1e-5), at(-2e-5));
                        at(1e-5);
                        let difference = (above - below) / 2e-5;
                        assert!(
                            (gradient[i] - difference).abs() < 1e-6,
                            "{shape:?}, {extras}: gradient {i} of tensor {tensor} is {}, not \
                             {difference}",
                            gradient[i]
                        );
                    }
                }
            }
        }
    }
}
