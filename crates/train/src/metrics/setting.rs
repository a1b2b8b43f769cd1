//! What all metrics' settings share: [`metric`], [`metric_basics`], [`Settings`].

use std::fmt;

use deckle_nn::allowed;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Error, Result};

/// A metric with settings: the struct, Keras's defaults, a setter for each, and its JSON.
///
/// `Class(required: Type = Given) { setting: Type = default; } optional { setting: Type =
/// Given; }`, where `Given` is what `new` and the setter take. The `Metric` is implemented by hand, with
/// [`metric_basics`].
macro_rules! metric {
    (
        $(#[$about:meta])*
        $name:ident $(($($required:ident: $required_type:ty = $required_given:ty),+))? {
            $($(#[$setting_about:meta])* $setting:ident: $type:ty = $default:expr;)*
        } $(optional {
            $($(#[$option_about:meta])* $option:ident: $option_type:ty = $given:ty;)*
        })?
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($($required: $required_type,)+)?
            $($setting: $type,)*
            $($($option: Option<$option_type>,)*)?
        }

        impl $name {
            /// The metric with Keras's defaults.
            #[must_use]
            pub fn new($($($required: $required_given),+)?) -> Self {
                Self {
                    $($($required: $required.into(),)+)?
                    $($setting: $default,)*
                    $($($option: None,)*)?
                }
            }

            $(
                $(#[$setting_about])*
                #[must_use]
                pub fn $setting(mut self, $setting: $type) -> Self {
                    self.$setting = $setting;
                    self
                }
            )*

            $($(
                $(#[$option_about])*
                #[must_use]
                pub fn $option(mut self, $option: $given) -> Self {
                    self.$option = Some($option.into());
                    self
                }
            )*)?

            pub(super) fn read(
                settings: &mut $crate::metrics::setting::Settings,
            ) -> $crate::Result<Self> {
                let _ = &settings;
                Ok(Self {
                    $($($required: settings.required(stringify!($required))?,)+)?
                    $($setting: settings.or(stringify!($setting), $default)?,)*
                    $($($option: settings.or(stringify!($option), None)?,)*)?
                })
            }

            fn settings(&self) -> serde_json::Map<String, serde_json::Value> {
                let _ = self;
                let settings: Vec<(&str, serde_json::Value)> = vec![
                    $($((
                        stringify!($required),
                        $crate::metrics::setting::json(&self.$required),
                    ),)+)?
                    $((
                        stringify!($setting),
                        $crate::metrics::setting::json(&self.$setting),
                    ),)*
                    $($((
                        stringify!($option),
                        $crate::metrics::setting::json(&self.$option),
                    ),)*)?
                ];
                settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }
        }

        $crate::metrics::setting::default_of! { $name $(($($required),+))? }
    };
}

/// `Default` for a metric without required settings.
macro_rules! default_of {
    ($name:ident) => {
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    ($name:ident ($($required:ident),+)) => {};
}

/// The parts of `Metric` that are the same for each of [`metric`]'s: class, JSON, and the name
/// if it is not the class's in snake case.
macro_rules! metric_basics {
    ($name:ident, $snake:literal) => {
        fn name(&self) -> String {
            $snake.to_owned()
        }

        $crate::metrics::setting::metric_basics! { $name }
    };
    ($name:ident) => {
        fn class_name(&self) -> &'static str {
            stringify!($name)
        }

        fn config(&self) -> serde_json::Map<String, serde_json::Value> {
            self.settings()
        }
    };
}

pub(super) use {default_of, metric, metric_basics};

/// The settings in a metric's JSON, taken one by one; what is left at the end is unknown.
#[derive(Debug)]
pub(crate) struct Settings {
    class: &'static str,
    given: Map<String, Value>,
}

impl Settings {
    pub(crate) fn new(class: &'static str, mut given: Map<String, Value>) -> Self {
        for value in given.values_mut() {
            // Keras writes lists that it holds as tensors so.
            if value.get("class_name").and_then(Value::as_str) == Some("__tensor__") {
                *value = value["config"]["value"].take();
            }
        }
        Self { class, given }
    }

    /// A setting that must be there.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T> {
        let value = self.given.remove(name).ok_or_else(|| {
            Error::invalid(
                format_args!("metric {}: `{name}` is missing", self.class),
                "a value for it",
            )
        })?;
        self.parse(name, value)
    }

    /// A setting that has a default when it is missing.
    pub(crate) fn or<T: DeserializeOwned>(
        &mut self,
        name: &str,
        default: T,
    ) -> Result<T> {
        match self.given.remove(name) {
            None => Ok(default),
            Some(value) => self.parse(name, value),
        }
    }

    /// A setting as JSON, if it is there.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.given.remove(name)
    }

    fn parse<T: DeserializeOwned>(&self, name: &str, value: Value) -> Result<T> {
        serde_json::from_value(value.clone())
            .map_err(|error| no_sense(self.class, name, allowed(&error)).got(value))
    }

    /// Complains about all settings that nobody took.
    pub(crate) fn finish(self) -> Result<()> {
        let unknown: Vec<_> =
            self.given.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Error::invalid(
            format_args!("metric {}: unknown settings", self.class),
            "those of Keras's class",
        )
        .got(unknown.join(", ")))
    }
}

/// A setting's JSON.
pub(super) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The error of a setting that makes no sense.
pub(super) fn no_sense(class: &str, setting: &str, expected: impl fmt::Display) -> Error {
    Error::invalid(format_args!("metric {class}: `{setting}` makes no sense"), expected)
}

/// The error of shapes that a metric cannot take.
pub(super) fn wrong_shapes(class: &str, expected: impl fmt::Display) -> Error {
    Error::invalid(format_args!("metric {class}: cannot take these shapes"), expected)
}

/// Whether a setting that says how much memory a metric takes is from `least` to `most`.
pub(super) fn check_size(
    class: &str,
    setting: &str,
    value: usize,
    [least, most]: [usize; 2],
) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let expected = format_args!("a whole number from {least} to {most}");
    Err(no_sense(class, setting, expected).got(value))
}

/// Whether a number is finite.
pub(super) fn check_finite(class: &str, setting: &str, value: f64) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(no_sense(class, setting, "a finite number").got(value))
}

/// Whether a number lies between 0 and 1, both included.
pub(super) fn check_share(class: &str, setting: &str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(no_sense(class, setting, "a number from 0 to 1").got(value))
}
