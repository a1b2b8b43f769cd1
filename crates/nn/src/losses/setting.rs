//! What all losses without special settings share: [`loss`] and [`loss_basics`].

/// A loss with settings: the struct, Keras's defaults, and a setter for each.
///
/// `reduction` comes by itself. The `Loss` is implemented by hand, with [`loss_basics`].
macro_rules! loss {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[$setting_about:meta])* $setting:ident: $type:ty = $default:expr,)* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            reduction: $crate::Reduction,
            $($setting: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl $name {
            /// The loss with Keras's defaults.
            #[must_use]
            pub fn new() -> Self {
                Self { reduction: $crate::Reduction::default(), $($setting: $default,)* }
            }

            $(
                $(#[$setting_about])*
                #[must_use]
                pub fn $setting(mut self, $setting: impl Into<$type>) -> Self {
                    self.$setting = $setting.into();
                    self
                }
            )*

            /// Sets how the samples' losses become one number; their mean by default.
            #[must_use]
            pub fn reduction(mut self, reduction: $crate::Reduction) -> Self {
                self.reduction = reduction;
                self
            }
        }
    };
}

/// The parts of `Loss` that are the same for each of [`loss`]'s.
macro_rules! loss_basics {
    ($name:ident) => {
        fn class_name(&self) -> &'static str {
            stringify!($name)
        }

        fn reduction(&self) -> $crate::Reduction {
            self.reduction
        }

        fn config(&self) -> $crate::Result<serde_json::Value> {
            serde_json::to_value(self)
                .map_err(|error| $crate::Error::invalid("settings of a loss", error))
        }
    };
}

pub(super) use {loss, loss_basics};
