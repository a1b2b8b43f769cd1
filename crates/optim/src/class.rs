//! What every optimizer's class has, written once: [`class`] and [`identity`].

/// Defaults, and reading from a config, of an optimizer with plain settings, groups of
/// settings and settings that may be null.
macro_rules! class {
    ($name:ident, $class:literal, $($field:ident),*; $($part:ident),*; $($option:ident),*) => {
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl TryFrom<serde_json::Value> for $name {
            type Error = $crate::Error;

            fn try_from(config: serde_json::Value) -> $crate::Result<Self> {
                let mut fields = $crate::config::Fields::new($class, config)?;
                let default = Self::new();
                let read = Self {
                    common: default.common.read(&mut fields)?,
                    $($part: default.$part.read(&mut fields)?,)*
                    $($option: fields.optional(stringify!($option), default.$option)?,)*
                    $($field: fields.or(stringify!($field), default.$field)?,)*
                };
                fields.finish()?;
                Ok(read)
            }
        }
    };
}

/// The methods of [`Optimizer`](crate::Optimizer) that say what a class is.
macro_rules! identity {
    ($class:literal) => {
        fn class_name(&self) -> &str {
            $class
        }

        fn common(&self) -> &$crate::Common {
            &self.common
        }

        fn config(&self) -> serde_json::Value {
            $crate::config::to_value(self)
        }
    };
}

pub(crate) use {class, identity};
