//! Trying learning rates: [`LearningRateFinder`].

use deckle_tensor::Tensor;

use crate::{Callback, Context, Error, Result};

/// How much of the smoothed loss stays in each step.
const SMOOTHING: f64 = 0.95;

/// How many times the best loss ends the search.
const DIVERGED: f64 = 4.0;

/// Raises the learning rate from batch to batch and notes the loss; then all is as before.
///
/// The learning rate grows by the same factor at each batch. The search ends after its steps,
/// when the smoothed loss is 4 times the best one, or when a loss is not finite. Weights and
/// the optimizer's state are put back.
///
/// # Examples
///
/// ```
/// use deckle_data::Arrays;
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::{Compile, Fit, Trainable, callbacks::LearningRateFinder};
///
/// let x = Tensor::random_normal([64, 2], 0.0, 1.0, 1);
/// let data = Arrays::new(x, Tensor::full([64, 1], 2.0f32))?;
/// let model = Sequential::new([2]).add(Dense::new(1)).build()?;
/// let mut trainer = model.compile(Compile::named("sgd", "mse")?)?;
/// let mut finder = LearningRateFinder::new(1e-4, 10.0, 50);
/// trainer.fit(&data, Fit::new().epochs(100).batch_size(64).verbose(0).callback(&mut finder))?;
/// let rate = finder.suggestion().unwrap();
/// assert!(rate > 0.01 && rate < 1.0, "{rate}");
/// assert_eq!(trainer.optimizer().iterations()?, 0);
/// # Ok::<(), deckle_train::Error>(())
/// ```
///
/// # References
///
/// L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3.
#[derive(Clone, Debug)]
pub struct LearningRateFinder {
    from: f64,
    to: f64,
    steps: usize,
    tried: Vec<(f64, f64)>,
    average: f64,
    before: Option<Before>,
}

/// What is put back.
#[derive(Clone, Debug)]
struct Before {
    weights: Vec<Tensor>,
    optimizer: Vec<Tensor>,
}

impl LearningRateFinder {
    /// Tries learning rates between two, in that many batches; give `fit` epochs enough.
    #[must_use]
    pub fn new(from: f64, to: f64, steps: usize) -> Self {
        Self { from, to, steps, tried: Vec::new(), average: 0.0, before: None }
    }

    /// Learning rates and smoothed losses, in order.
    #[must_use]
    pub fn tried(&self) -> &[(f64, f64)] {
        &self.tried
    }

    /// The learning rate at which the smoothed loss fell fastest over the learning rate's
    /// logarithm; none if it never fell.
    #[must_use]
    pub fn suggestion(&self) -> Option<f64> {
        let slope = |three: &[(f64, f64)]| {
            (three[2].1 - three[0].1) / (three[2].0 / three[0].0).ln()
        };
        let steepest = self.tried.windows(3).min_by(|a, b| slope(a).total_cmp(&slope(b)));
        steepest.filter(|three| slope(three) < 0.0).map(|three| three[1].0)
    }
}

impl Callback for LearningRateFinder {
    fn name(&self) -> &'static str {
        "LearningRateFinder"
    }

    fn on_train_begin(&mut self, context: &mut Context<'_>) -> Result<()> {
        let fine = self.from > 0.0 && self.from < self.to && self.to.is_finite();
        if !fine || self.steps < 2 {
            return Err(Error::invalid(
                "learning rates to try",
                "two, the smaller one first, and two steps or more",
            )
            .got(format_args!("{} to {} in {} steps", self.from, self.to, self.steps)));
        }
        (self.tried, self.average) = (Vec::new(), 0.0);
        let optimizer = context.trainer().optimizer().variables();
        let optimizer = optimizer.iter().map(|variable| Ok(variable.value()?));
        self.before = Some(Before {
            weights: context.weights()?,
            optimizer: optimizer.collect::<Result<_>>()?,
        });
        context.set_learning_rate(self.from)
    }

    fn on_train_batch_end(&mut self, _: usize, context: &mut Context<'_>) -> Result<()> {
        let rate = context.learning_rate()?;
        let loss = f64::from(context.batch_loss());
        self.average = SMOOTHING * self.average + (1.0 - SMOOTHING) * loss;
        let count = self.tried.len() as i32 + 1;
        let smoothed = self.average / (1.0 - SMOOTHING.powi(count));
        let best = self.tried.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
        self.tried.push((rate, smoothed));
        if self.tried.len() >= self.steps || smoothed > DIVERGED * best {
            context.stop_training();
            return Ok(());
        }
        let part = self.tried.len() as f64 / (self.steps - 1) as f64;
        context.set_learning_rate(self.from * (self.to / self.from).powf(part))
    }

    fn on_not_finite(&mut self, _: usize, context: &mut Context<'_>) -> Result<()> {
        context.stop_training();
        Ok(())
    }

    fn on_train_end(&mut self, context: &mut Context<'_>) -> Result<()> {
        let Some(before) = self.before.take() else { return Ok(()) };
        context.set_weights(&before.weights)?;
        Ok(context.trainer().optimizer().load(&before.optimizer)?)
    }
}
