//! Minimizing with an approximation of the second derivatives: [`Lbfgs`].

use std::collections::VecDeque;

use deckle_autograd::{Function, Var, Variable, grad};
use deckle_tensor::Tensor;

use crate::{
    Error, Result,
    optimizer::{decay, ensure, not_negative},
};

/// Minimization by L-BFGS: a loop around a compiled function of loss and gradients.
///
/// Each iteration goes along the gradient, changed by what the last steps say of its curvature,
/// as far as the strong Wolfe conditions want. It is for a loss without randomness, of all data
/// at once: the style of an image, a fit of few numbers.
///
/// # Examples
///
/// ```
/// use deckle_autograd::{Device, Group};
/// use deckle_optim::Lbfgs;
/// use deckle_tensor::Tensor;
///
/// let group = Group::new(&Device::reference());
/// let x = group.variable("x", &Tensor::from([-1.2, 1.0]))?;
/// let [a, b] = [0, 1].map(|i| x.read().slice(i));
/// let (a, b) = (a?, b?);
/// let valley = (&b - a.square()?).square()? * 100.0 + (1.0 - &a).square()?;
///
/// let found = Lbfgs::new().minimize(&valley, &[x.clone()])?;
/// assert!(found.loss < 1e-12 && found.is_minimum);
/// assert!(x.value()?.allclose(&Tensor::from([1.0, 1.0]), 1e-6, 1e-6)?);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// None; `scipy.optimize.fmin_l_bfgs_b` without bounds is what programs around Keras use.
///
/// # References
///
/// Nocedal and Wright, *Numerical Optimization* (2nd edition, 2006), algorithms 7.4 and 7.5,
/// and 3.5 and 3.6 for the line search.
#[derive(Clone, Debug, PartialEq)]
pub struct Lbfgs {
    max_iterations: usize,
    max_evaluations: usize,
    history_size: usize,
    gradient_tolerance: f64,
    change_tolerance: f64,
    decrease: f64,
    curvature: f64,
}

/// Where a minimization ended.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Minimum {
    /// The loss there.
    pub loss: f64,
    /// How many steps were taken.
    pub iterations: usize,
    /// How often loss and gradients were computed.
    pub evaluations: usize,
    /// Whether a tolerance was reached, instead of the largest number of iterations or
    /// evaluations, or a place from where no step goes down.
    pub is_minimum: bool,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self::new()
    }
}

impl Lbfgs {
    /// At most 100 iterations that remember 10 steps.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_iterations: 100,
            max_evaluations: usize::MAX,
            history_size: 10,
            gradient_tolerance: 1e-7,
            change_tolerance: 1e-12,
            decrease: 1e-4,
            curvature: 0.9,
        }
    }

    /// Sets the largest number of steps; 100 by default.
    #[must_use]
    pub const fn max_iterations(mut self, steps: usize) -> Self {
        self.max_iterations = steps;
        self
    }

    /// Sets the largest number of times that loss and gradients are computed; none by default.
    #[must_use]
    pub const fn max_evaluations(mut self, evaluations: usize) -> Self {
        self.max_evaluations = evaluations;
        self
    }

    /// Sets how many steps are remembered; 10 by default.
    #[must_use]
    pub const fn history_size(mut self, steps: usize) -> Self {
        self.history_size = steps;
        self
    }

    /// Sets below what absolute value of all gradients a place is a minimum; 1e-7 by default.
    #[must_use]
    pub const fn gradient_tolerance(mut self, tolerance: f64) -> Self {
        self.gradient_tolerance = tolerance;
        self
    }

    /// Sets below what change of the loss, relative to its size or 1, a place is a minimum;
    /// 1e-12 by default.
    #[must_use]
    pub const fn change_tolerance(mut self, tolerance: f64) -> Self {
        self.change_tolerance = tolerance;
        self
    }

    /// Sets the two constants of the Wolfe conditions, 0 < `decrease` < `curvature` < 1: how
    /// much of the decrease that the slope promises a step has to bring, and to what part it
    /// has to bring the slope; 1e-4 and 0.9 by default.
    #[must_use]
    pub const fn wolfe(mut self, decrease: f64, curvature: f64) -> Self {
        self.decrease = decrease;
        self.curvature = curvature;
        self
    }

    /// Makes a loss small by changing variables, which live in one group; they are left at the
    /// best place that was found.
    ///
    /// # Errors
    ///
    /// If a setting cannot work, the loss is not one number or does not depend on a variable,
    /// or it is not finite where the variables are at first.
    pub fn minimize(&self, loss: &Var, variables: &[Variable]) -> Result<Minimum> {
        let Some(first) = variables.first() else {
            let (expected, got) = (1, 0);
            return Err(Error::Count { what: "variables to change", expected, got });
        };
        let reads: Vec<_> = variables.iter().map(Variable::read).collect();
        let gradients = grad(loss, &reads.iter().collect::<Vec<_>>())?;
        let outputs: Vec<_> = [loss].into_iter().chain(&gradients).collect();
        let function = Function::new([], outputs).compile(&first.group().device())?;
        let mut start = Vec::new();
        for variable in variables {
            start.extend(
                variable.value()?.cast(deckle_tensor::DType::F64).to_vec::<f64>()?,
            );
        }
        let place = |at: &[f64]| -> Result<()> {
            let mut rest = at;
            for variable in variables {
                let count = variable.shape().iter().product();
                let (own, others) = rest.split_at(count);
                rest = others;
                let value = Tensor::new(own, variable.shape())?;
                variable.set(&value.cast(variable.dtype()))?;
            }
            Ok(())
        };
        let found = self.minimize_function(&start, |at| {
            place(at)?;
            let mut outputs = function.call(&[])?.into_iter();
            let mut numbers = || -> Result<Vec<f64>> {
                let Some(tensor) = outputs.next() else { return Ok(Vec::new()) };
                Ok(tensor.cast(deckle_tensor::DType::F64).to_vec()?)
            };
            let loss = numbers()?.first().copied().unwrap_or(f64::NAN);
            let mut slopes = Vec::with_capacity(at.len());
            for _ in variables {
                slopes.extend(numbers()?);
            }
            Ok((loss, slopes))
        });
        match found {
            Ok((at, minimum)) => {
                place(&at)?;
                Ok(minimum)
            }
            Err(error) => {
                place(&start)?;
                Err(error)
            }
        }
    }

    /// Makes small what a function says of some numbers, of which it also says the gradients;
    /// where it is smallest, and how small.
    ///
    /// # Errors
    ///
    /// If a setting cannot work, the function fails, or is not finite at the start.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_optim::Lbfgs;
    ///
    /// let bowl = |x: &[f64]| Ok(((x[0] - 3.0).powi(2), vec![2.0 * (x[0] - 3.0)]));
    /// let (x, minimum) = Lbfgs::new().minimize_function(&[0.0], bowl)?;
    /// assert!((x[0] - 3.0).abs() < 1e-6 && minimum.is_minimum);
    /// # Ok::<(), deckle_optim::Error>(())
    /// ```
    pub fn minimize_function(
        &self,
        start: &[f64],
        mut function: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>)>,
    ) -> Result<(Vec<f64>, Minimum)> {
        self.check()?;
        let (loss, gradient) = function(start)?;
        if !loss.is_finite() || gradient.iter().any(|slope| !slope.is_finite()) {
            return Err(Error::Setting {
                class: "Lbfgs".to_owned(),
                setting: "start",
                expected: "a place where loss and gradients are finite",
                got: format!("a loss of {loss}"),
            });
        }
        let mut here = Point { x: start.to_vec(), loss, gradient };
        let mut history = History::new(self.history_size);
        let mut count =
            Minimum { loss, iterations: 0, evaluations: 1, is_minimum: false };
        while count.iterations < self.max_iterations {
            if largest(&here.gradient) <= self.gradient_tolerance {
                count.is_minimum = true;
                break;
            }
            let mut direction = history.direction(&here.gradient);
            if dot(&direction, &here.gradient) >= 0.0 {
                history.steps.clear();
                direction = history.direction(&here.gradient);
            }
            let first = match history.steps.is_empty() {
                true => (1.0 / size(&here.gradient)).min(1.0),
                false => 1.0,
            };
            let mut search = Search {
                settings: self,
                here: &here,
                direction: &direction,
                function: &mut function,
                left: self.max_evaluations.saturating_sub(count.evaluations),
                used: 0,
            };
            let next = search.run(first)?;
            count.evaluations += search.used;
            let Some(next) = next else {
                if history.steps.is_empty() || count.evaluations >= self.max_evaluations {
                    break;
                }
                // What is remembered may be wrong: once more along the gradient itself.
                history.steps.clear();
                continue;
            };
            history.add(&here, &next);
            let change = here.loss - next.loss;
            let scale = here.loss.abs().max(next.loss.abs()).max(1.0);
            here = next;
            count.iterations += 1;
            if change.abs() <= self.change_tolerance * scale {
                count.is_minimum = true;
                break;
            }
        }
        count.loss = here.loss;
        count.is_minimum |= largest(&here.gradient) <= self.gradient_tolerance;
        Ok((here.x, count))
    }

    fn check(&self) -> Result<()> {
        let class = "Lbfgs";
        ensure(
            class,
            "history_size",
            "at least one step",
            self.history_size,
            self.history_size > 0,
        )?;
        not_negative(class, "gradient_tolerance", self.gradient_tolerance)?;
        not_negative(class, "change_tolerance", self.change_tolerance)?;
        decay(class, "curvature", self.curvature)?;
        let fine = self.decrease > 0.0 && self.decrease < self.curvature;
        ensure(
            class,
            "decrease",
            "a number from 0 to below `curvature`",
            self.decrease,
            fine,
        )
    }
}

/// A place with what the function says of it.
#[derive(Clone, Debug)]
struct Point {
    x: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn size(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn largest(a: &[f64]) -> f64 {
    a.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// The last steps `s` with the changes `y` of the gradient, and `1 / s·y`.
struct History {
    limit: usize,
    steps: VecDeque<(Vec<f64>, Vec<f64>, f64)>,
}

impl History {
    fn new(limit: usize) -> Self {
        Self { limit, steps: VecDeque::new() }
    }

    /// Remembers a step, if the curvature along it is positive.
    fn add(&mut self, from: &Point, to: &Point) {
        let difference =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        let s: Vec<f64> = difference(&to.x, &from.x);
        let y: Vec<f64> = difference(&to.gradient, &from.gradient);
        let curvature = dot(&s, &y);
        if curvature <= 1e-10 * size(&s) * size(&y) {
            return;
        }
        if self.steps.len() == self.limit {
            self.steps.pop_front();
        }
        self.steps.push_back((s, y, 1.0 / curvature));
    }

    /// Minus the gradient times the inverse of the second derivatives, as far as they are known.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut q = gradient.to_vec();
        let mut shares = Vec::new();
        for (s, y, rho) in self.steps.iter().rev() {
            let share = rho * dot(s, &q);
            q.iter_mut().zip(y).for_each(|(q, y)| *q -= share * y);
            shares.push(share);
        }
        if let Some((_, y, rho)) = self.steps.back() {
            let scale = 1.0 / (rho * dot(y, y));
            q.iter_mut().for_each(|q| *q *= scale);
        }
        for ((s, y, rho), share) in self.steps.iter().zip(shares.into_iter().rev()) {
            let other = rho * dot(y, &q);
            q.iter_mut().zip(s).for_each(|(q, s)| *q += (share - other) * s);
        }
        q.iter().map(|q| -q).collect()
    }
}

/// A search for a step along a direction that meets the strong Wolfe conditions.
struct Search<'a, F> {
    settings: &'a Lbfgs,
    here: &'a Point,
    direction: &'a [f64],
    function: &'a mut F,
    left: usize,
    used: usize,
}

/// A step along the direction, with the slope there.
#[derive(Clone, Debug)]
struct Trial {
    step: f64,
    slope: f64,
    point: Point,
}

/// How many steps a search tries.
const TRIALS: usize = 25;

impl<F: FnMut(&[f64]) -> Result<(f64, Vec<f64>)>> Search<'_, F> {
    /// The place of a step, if one is found that goes down.
    fn run(&mut self, first: f64) -> Result<Option<Point>> {
        let zero = Trial {
            step: 0.0,
            slope: dot(&self.here.gradient, self.direction),
            point: self.here.clone(),
        };
        let (mut before, mut step) = (zero.clone(), first);
        for trial in 0..TRIALS {
            let Some(now) = self.at(step)? else { break };
            if !now.point.loss.is_finite() {
                // Too far to say anything: nearer.
                step = f64::midpoint(before.step, step);
                continue;
            }
            if !self.goes_down(&zero, &now)
                || (trial > 0 && now.point.loss >= before.point.loss)
            {
                return self.between(&zero, before, now);
            }
            if now.slope.abs() <= -self.settings.curvature * zero.slope {
                return Ok(Some(now.point));
            }
            if now.slope >= 0.0 {
                return self.between(&zero, now, before);
            }
            before = now;
            step *= 2.0;
        }
        Ok(Self::if_lower(&zero, before))
    }

    /// The step between two of which the first is the better one, and slopes down to the other.
    fn between(
        &mut self,
        zero: &Trial,
        mut low: Trial,
        mut high: Trial,
    ) -> Result<Option<Point>> {
        for _ in 0..TRIALS {
            let Some(now) = self.at(nearest(&low, &high))? else { break };
            let is_high = !now.point.loss.is_finite()
                || !self.goes_down(zero, &now)
                || now.point.loss >= low.point.loss;
            if is_high {
                high = now;
            } else {
                if now.slope.abs() <= -self.settings.curvature * zero.slope {
                    return Ok(Some(now.point));
                }
                if now.slope * (high.step - low.step) >= 0.0 {
                    high = low;
                }
                low = now;
            }
            if (high.step - low.step).abs() <= 1e-12 * high.step.abs().max(low.step.abs())
            {
                break;
            }
        }
        Ok(Self::if_lower(zero, low))
    }

    fn if_lower(zero: &Trial, found: Trial) -> Option<Point> {
        (found.step > 0.0 && found.point.loss < zero.point.loss).then_some(found.point)
    }

    /// Whether the loss falls as much as the slope at the start promises, in part.
    fn goes_down(&self, zero: &Trial, now: &Trial) -> bool {
        let promised = self.settings.decrease * now.step * zero.slope;
        now.point.loss <= zero.point.loss + promised
    }

    fn at(&mut self, step: f64) -> Result<Option<Trial>> {
        if self.used == self.left {
            return Ok(None);
        }
        self.used += 1;
        let moved = self.here.x.iter().zip(self.direction);
        let x: Vec<_> = moved.map(|(x, d)| x + step * d).collect();
        let (loss, gradient) = (self.function)(&x)?;
        let slope = dot(&gradient, self.direction);
        Ok(Some(Trial { step, slope, point: Point { x, loss, gradient } }))
    }
}

/// Where the cubic through two steps and their slopes is least, kept away from both.
fn nearest(low: &Trial, high: &Trial) -> f64 {
    let (a, b) = (low.step, high.step);
    let middle = f64::midpoint(a, b);
    let d1 = low.slope + high.slope - 3.0 * (low.point.loss - high.point.loss) / (a - b);
    let d2 = (d1 * d1 - low.slope * high.slope).sqrt().copysign(b - a);
    let least =
        b - (b - a) * (high.slope + d2 - d1) / (high.slope - low.slope + 2.0 * d2);
    let (from, to) = (a.min(b), a.max(b));
    let margin = 0.1 * (to - from);
    if least.is_finite() { least.clamp(from + margin, to - margin) } else { middle }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley in any number of dimensions.
    fn valley(x: &[f64]) -> Result<(f64, Vec<f64>)> {
        let (mut loss, mut gradient) = (0.0, vec![0.0; x.len()]);
        for i in 0..x.len() - 1 {
            let (bend, rest) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
            loss += 100.0 * bend * bend + rest * rest;
            gradient[i] -= 400.0 * x[i] * bend + 2.0 * rest;
            gradient[i + 1] += 200.0 * bend;
        }
        Ok((loss, gradient))
    }

    #[test]
    fn a_bent_valley_is_walked_to_its_end() {
        for (dimensions, history) in [(2, 10), (2, 1), (30, 10), (30, 3)] {
            let start: Vec<_> = (0..dimensions).map(|i| [-1.2, 1.0][i % 2]).collect();
            let lbfgs = Lbfgs::new().max_iterations(500).history_size(history);
            let (x, found) = lbfgs.minimize_function(&start, valley).unwrap();
            assert!(found.is_minimum, "{dimensions}, {history}: {found:?}");
            assert!(found.iterations < 60 || dimensions > 2 || history < 10, "{found:?}");
            // Another minimum lies near x = (-1, 1, 1, ...) in more than three dimensions.
            assert!(x[1..].iter().all(|x| (x - 1.0).abs() < 1e-4), "{x:?}");
        }
    }

    #[test]
    fn a_bowl_with_one_scale_takes_two_steps() {
        let bowl = |x: &[f64]| {
            let loss = x.iter().map(|x| x * x).sum();
            Ok((loss, x.iter().map(|x| 2.0 * x).collect()))
        };
        let (x, found) = Lbfgs::new().minimize_function(&[30.0, -40.0], bowl).unwrap();
        assert!(found.iterations <= 3 && found.is_minimum, "{found:?}");
        assert!(x.iter().all(|x| x.abs() < 1e-6));
    }

    #[test]
    fn walls_of_infinity_are_kept_away_from() {
        let log = |x: &[f64]| {
            let loss = if x[0] > 0.0 { x[0] - x[0].ln() } else { f64::NAN };
            Ok((loss, vec![1.0 - 1.0 / x[0]]))
        };
        let (x, found) = Lbfgs::new().minimize_function(&[20.0], log).unwrap();
        assert!(found.is_minimum && (x[0] - 1.0).abs() < 1e-6, "{x:?} {found:?}");
    }

    #[test]
    fn limits_hold_and_the_best_place_is_kept() {
        let lbfgs = Lbfgs::new().max_iterations(3);
        let (_, found) = lbfgs.minimize_function(&[-1.2, 1.0], valley).unwrap();
        assert!(found.iterations == 3 && !found.is_minimum);
        let lbfgs = Lbfgs::new().max_evaluations(6);
        let (x, found) = lbfgs.minimize_function(&[-1.2, 1.0], valley).unwrap();
        assert!(found.evaluations <= 6 && !found.is_minimum);
        assert_eq!(valley(&x).unwrap().0.to_bits(), found.loss.to_bits());
        assert!(found.loss < 24.2);
        let (_, found) = Lbfgs::new().minimize_function(&[1.0, 1.0], valley).unwrap();
        assert!(found.iterations == 0 && found.is_minimum);
    }

    #[test]
    fn settings_without_sense_are_refused() {
        let error = |lbfgs: Lbfgs| {
            lbfgs.minimize_function(&[0.0, 0.0], valley).unwrap_err().to_string()
        };
        assert!(error(Lbfgs::new().history_size(0)).contains("history_size"));
        assert!(error(Lbfgs::new().wolfe(0.5, 0.1)).contains("decrease"));
        assert!(
            error(Lbfgs::new().gradient_tolerance(f64::NAN)).contains("gradient_tol")
        );
        let nowhere = |_: &[f64]| Ok((f64::NAN, vec![0.0]));
        let error = Lbfgs::new().minimize_function(&[0.0], nowhere).unwrap_err();
        assert!(error.to_string().contains("finite"), "{error}");
        assert!(
            Lbfgs::new()
                .minimize(&Var::scalar(deckle_tensor::DType::F32, 0.0), &[])
                .is_err()
        );
    }
}
