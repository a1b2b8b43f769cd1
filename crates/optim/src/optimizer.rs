//! What an optimizer is: [`Optimizer`], [`Common`].

use std::fmt;

use deckle_autograd::Var;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Error, LearningRate, LossScale, Result, Slot, Step, Updated,
    config::{Count, Fields},
};

/// A rule by which a gradient changes a weight.
///
/// An optimizer is data; [`OptimizerState`](crate::OptimizerState) holds what it remembers.
/// To bring your own: keep a [`Common`] among its settings, name the tensors that it keeps for
/// each weight in [`Optimizer::slots`], and write the rule of one weight in
/// [`Optimizer::update`]. Clipping, weight decay, averages and accumulation of gradients are
/// done around it. [`check_optimizer`](crate::check_optimizer) tests the rest.
///
/// # Examples
///
/// ```
/// use deckle_optim::{Adam, Optimizer};
///
/// let slots = Adam::new().slots("dense/kernel", &[784, 512]).concat();
/// assert_eq!(slots.iter().map(|slot| slot.name).collect::<Vec<_>>(), ["momentum", "velocity"]);
/// # Ok::<(), deckle_optim::Error>(())
/// ```
///
/// # Keras
///
/// `keras.optimizers.Optimizer`, whose `update_step` is [`Optimizer::update`].
pub trait Optimizer: fmt::Debug + Send + Sync {
    /// Keras's name of the class.
    fn class_name(&self) -> &str;

    /// The settings that all optimizers have.
    fn common(&self) -> &Common;

    /// All settings as Keras's config JSON.
    fn config(&self) -> Value;

    /// The tensors kept for the weight of that path and shape.
    ///
    /// [`Optimizer::update`] meets them in this order. The groups say in which order files
    /// hold them: a group for all weights, then the next.
    fn slots(&self, path: &str, shape: &[usize]) -> Vec<Vec<Slot>>;

    /// The tensors kept once for all weights; none by default.
    fn shared_slots(&self) -> Vec<Slot> {
        Vec::new()
    }

    /// The slots of [`Optimizer::shared_slots`] after one step; [`Step::shared`] has them.
    ///
    /// # Errors
    ///
    /// If shapes or the number of slots do not fit.
    fn update_shared(&self, step: &Step, slots: &[Var]) -> Result<Vec<Var>> {
        let _ = step;
        Ok(slots.to_vec())
    }

    /// The part of the weight of that path and shape that is taken away before the update;
    /// that of [`Common`] by default.
    fn weight_decay(&self, path: &str, shape: &[usize]) -> Option<f64> {
        let _ = (path, shape);
        self.common().weight_decay
    }

    /// How the loss's scale follows the gradients, if it does.
    fn loss_scale(&self) -> Option<LossScale> {
        None
    }

    /// The weight and its slots after one step.
    ///
    /// `weight`, `gradient`, `slots` and the scalars of `step` are of one floating-point type.
    ///
    /// # Errors
    ///
    /// If shapes or the number of slots do not fit.
    fn update(
        &self,
        step: &Step,
        weight: &Var,
        gradient: &Var,
        slots: &[Var],
    ) -> Result<Updated>;

    /// Whether the settings of this class can work; those of [`Common`] are checked elsewhere.
    ///
    /// # Errors
    ///
    /// If one cannot.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// The settings that all optimizers have.
///
/// # Keras
///
/// The arguments of `keras.optimizers.Optimizer`, in the order of its config.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Common {
    /// The optimizer's name.
    pub name: String,
    /// The learning rate: a number, or a schedule.
    pub learning_rate: LearningRate,
    /// The part of each weight, times the learning rate, that is taken away before the update.
    pub weight_decay: Option<f64>,
    /// The largest norm of each weight's gradient.
    pub clipnorm: Option<f64>,
    /// The largest norm of all gradients together.
    pub global_clipnorm: Option<f64>,
    /// The largest absolute value of a gradient's elements.
    pub clipvalue: Option<f64>,
    /// Whether a moving average of each weight is kept.
    pub use_ema: bool,
    /// How much of the average stays in each step.
    pub ema_momentum: f64,
    /// After how many steps, again and again, the averages replace the weights.
    pub ema_overwrite_frequency: Option<u64>,
    /// What the loss is multiplied by before it is differentiated.
    pub loss_scale_factor: Option<f64>,
    /// After how many steps, again and again, the mean of their gradients is applied.
    pub gradient_accumulation_steps: Option<u64>,
}

impl Common {
    /// Keras's defaults.
    pub fn new(name: &str, learning_rate: impl Into<LearningRate>) -> Self {
        Self {
            name: name.into(),
            learning_rate: learning_rate.into(),
            weight_decay: None,
            clipnorm: None,
            global_clipnorm: None,
            clipvalue: None,
            use_ema: false,
            ema_momentum: 0.99,
            ema_overwrite_frequency: None,
            loss_scale_factor: None,
            gradient_accumulation_steps: None,
        }
    }

    /// Takes the common settings out of a config; what is not there is as in `self`.
    pub(crate) fn read(self, fields: &mut Fields) -> Result<Self> {
        let mut count = |name, default: Option<u64>| -> Result<_> {
            Ok(fields.optional(name, default.map(Count))?.map(|count| count.0))
        };
        let ema_overwrite_frequency =
            count("ema_overwrite_frequency", self.ema_overwrite_frequency)?;
        let gradient_accumulation_steps =
            count("gradient_accumulation_steps", self.gradient_accumulation_steps)?;
        let use_ema = fields.or("use_ema", self.use_ema)?;
        let ema_momentum = if use_ema {
            fields.or("ema_momentum", self.ema_momentum)?
        } else {
            // Keras takes none where it is not used.
            let given = fields.optional("ema_momentum", Some(self.ema_momentum))?;
            given.unwrap_or(self.ema_momentum)
        };
        Ok(Self {
            name: fields.or("name", self.name)?,
            learning_rate: fields.or("learning_rate", self.learning_rate)?,
            weight_decay: fields.optional("weight_decay", self.weight_decay)?,
            clipnorm: fields.optional("clipnorm", self.clipnorm)?,
            global_clipnorm: fields.optional("global_clipnorm", self.global_clipnorm)?,
            clipvalue: fields.optional("clipvalue", self.clipvalue)?,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor: fields
                .optional("loss_scale_factor", self.loss_scale_factor)?,
            gradient_accumulation_steps,
        })
    }

    /// Whether the settings can work, of an optimizer of that class.
    pub(crate) fn check(&self, class: &str) -> Result<()> {
        match &self.learning_rate {
            LearningRate::Constant(rate) => {
                not_negative(class, "learning_rate", *rate)?;
            }
            LearningRate::Schedule(schedule) => schedule.check()?,
        }
        if let Some(decay) = self.weight_decay {
            let expected = "a finite number of at least 0";
            let fine = decay >= 0.0 && decay.is_finite();
            ensure(class, "weight_decay", expected, decay, fine)?;
        }
        let clipping = [
            ("clipnorm", self.clipnorm),
            ("clipvalue", self.clipvalue),
            ("global_clipnorm", self.global_clipnorm),
        ];
        for (setting, value) in clipping {
            let value = value.unwrap_or(1.0);
            ensure(class, setting, "a number of at least 0", value, value >= 0.0)?;
        }
        let got: Vec<_> = clipping
            .iter()
            .filter(|(_, value)| value.is_some())
            .map(|(name, _)| *name)
            .collect();
        if got.len() > 1 {
            return Err(Error::Clipping { class: class.to_owned(), got });
        }
        part(class, "ema_momentum", self.ema_momentum)?;
        if let Some(scale) = self.loss_scale_factor {
            let fine = scale > 0.0 && scale.is_finite();
            ensure(class, "loss_scale_factor", "a positive finite number", scale, fine)?;
        }
        let steps = self.ema_overwrite_frequency.unwrap_or(1);
        ensure(class, "ema_overwrite_frequency", "at least one step", steps, steps >= 1)?;
        let (steps, expected) =
            (self.gradient_accumulation_steps.unwrap_or(2), "at least two steps");
        ensure(class, "gradient_accumulation_steps", expected, steps, steps >= 2)
    }
}

/// Complains about a setting that cannot work.
pub(crate) fn ensure(
    class: &str,
    setting: &'static str,
    expected: &'static str,
    got: impl fmt::Display,
    fine: bool,
) -> Result<()> {
    if fine {
        return Ok(());
    }
    let (class, got) = (class.to_owned(), got.to_string());
    Err(Error::Setting { class, setting, expected, got })
}

/// Complains about a setting that is not a part of 1.
pub(crate) fn part(class: &str, setting: &'static str, value: f64) -> Result<()> {
    let fine = (0.0..=1.0).contains(&value);
    ensure(class, setting, "a number from 0 to 1", value, fine)
}

/// Complains about a decay by which nothing would ever be forgotten.
pub(crate) fn decay(class: &str, setting: &'static str, value: f64) -> Result<()> {
    let fine = (0.0..1.0).contains(&value);
    ensure(class, setting, "a number from 0 to below 1", value, fine)
}

/// Complains about a number that may only be 0 or larger, and has to be one of `F32`.
pub(crate) fn not_negative(class: &str, setting: &'static str, value: f64) -> Result<()> {
    let fine = value >= 0.0 && (value as f32).is_finite();
    ensure(class, setting, "a finite number of at least 0", value, fine)
}

/// The slot at `index` of those that an update was given.
pub(crate) fn slot(slots: &[Var], index: usize) -> Result<&Var> {
    let missing = Error::Count { what: "slots", expected: index + 1, got: slots.len() };
    slots.get(index).ok_or(missing)
}

/// The setters of the settings that all optimizers have.
macro_rules! common_setters {
    () => {
        /// Sets the optimizer's name; the class's in snake case by default.
        #[must_use]
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.common.name = name.into();
            self
        }

        /// Sets the learning rate, a number or a schedule.
        #[must_use]
        pub fn learning_rate(
            mut self,
            learning_rate: impl Into<$crate::LearningRate>,
        ) -> Self {
            self.common.learning_rate = learning_rate.into();
            self
        }

        /// Sets the part of each weight, times the learning rate, that is taken away before
        /// the update.
        #[must_use]
        pub fn weight_decay(mut self, weight_decay: f64) -> Self {
            self.common.weight_decay = Some(weight_decay);
            self
        }

        /// Sets the largest norm of each weight's gradient; none by default.
        #[must_use]
        pub fn clipnorm(mut self, clipnorm: f64) -> Self {
            self.common.clipnorm = Some(clipnorm);
            self
        }

        /// Sets the largest norm of all gradients together; none by default.
        #[must_use]
        pub fn global_clipnorm(mut self, global_clipnorm: f64) -> Self {
            self.common.global_clipnorm = Some(global_clipnorm);
            self
        }

        /// Sets the largest absolute value of a gradient's elements; none by default.
        #[must_use]
        pub fn clipvalue(mut self, clipvalue: f64) -> Self {
            self.common.clipvalue = Some(clipvalue);
            self
        }

        /// Sets whether a moving average of each weight is kept; false by default.
        #[must_use]
        pub fn use_ema(mut self, use_ema: bool) -> Self {
            self.common.use_ema = use_ema;
            self
        }

        /// Sets how much of the average stays in each step; 0.99 by default.
        #[must_use]
        pub fn ema_momentum(mut self, ema_momentum: f64) -> Self {
            self.common.ema_momentum = ema_momentum;
            self
        }

        /// Sets after how many steps, again and again, the averages replace the weights;
        /// only at the end of training by default.
        #[must_use]
        pub fn ema_overwrite_frequency(mut self, steps: u64) -> Self {
            self.common.ema_overwrite_frequency = Some(steps);
            self
        }

        /// Sets what the loss is multiplied by before it is differentiated; nothing by
        /// default.
        #[must_use]
        pub fn loss_scale_factor(mut self, loss_scale_factor: f64) -> Self {
            self.common.loss_scale_factor = Some(loss_scale_factor);
            self
        }

        /// Sets after how many steps, again and again, the mean of their gradients is
        /// applied; each step's own by default.
        #[must_use]
        pub fn gradient_accumulation_steps(mut self, steps: u64) -> Self {
            self.common.gradient_accumulation_steps = Some(steps);
            self
        }
    };
}
pub(crate) use common_setters;
