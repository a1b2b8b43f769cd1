//! The methods that set the fields of a layer: [`setters`].

/// Methods that set the field of their name; a row is the doc, the name, and the field's type.
///
/// With `into`, all that can become that type is taken, as `Regularizer` for
/// `Option<Regularizer>`.
macro_rules! setters {
    () => {};
    ($(#[$doc:meta])* $name:ident: into $type:ty; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl Into<$type>) -> Self {
            self.$name = $name.into();
            self
        }

        $crate::layers::setters::setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $name:ident: $type:ty; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $name;
            self
        }

        $crate::layers::setters::setters! { $($rest)* }
    };
}

pub(super) use setters;
