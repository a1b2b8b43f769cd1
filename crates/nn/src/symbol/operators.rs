//! Operators on tensors between layers: `&x + &y`, `2.0 * &x`, `-&x`.

use std::ops;

use serde_json::Value;

use super::Symbol;
use crate::{Arguments, LayerExt, Nest, Result, layers::Operation};

/// The operation on a tensor and another or a number, in that order.
fn operation(class: &str, parts: [Part<'_>; 2]) -> Result<Symbol> {
    let mut symbols = Vec::new();
    let positional = parts.map(|part| match part {
        Part::Symbol(symbol) => {
            symbols.push(symbol);
            Nest::One(symbols.len() - 1)
        }
        Part::Number(number) => Nest::Constant(number),
    });
    let arguments = Arguments { positional: positional.to_vec(), named: Vec::new() };
    Operation::new(class)?.arguments(arguments).join(symbols)
}

enum Part<'a> {
    Symbol(&'a Symbol),
    Number(Value),
}

impl<'a> From<&'a Symbol> for Part<'a> {
    fn from(symbol: &'a Symbol) -> Self {
        Self::Symbol(symbol)
    }
}

#[track_caller]
fn expect(made: Result<Symbol>) -> Symbol {
    match made {
        Ok(symbol) => symbol,
        Err(error) => panic!("{error}"),
    }
}

macro_rules! binary {
    ($($trait:ident, $method:ident, $class:literal;)*) => {$(
        impl ops::$trait for &Symbol {
            type Output = Symbol;

            /// # Panics
            ///
            /// If the shapes do not broadcast.
            #[track_caller]
            fn $method(self, other: Self) -> Symbol {
                expect(operation($class, [self.into(), other.into()]))
            }
        }

        binary! { $trait, $method, $class, Symbol, &Symbol }
        binary! { $trait, $method, $class, &Symbol, Symbol }
        binary! { $trait, $method, $class, Symbol, Symbol }
        binary! { $trait, $method, $class; f32, f64, i32 }
    )*};
    ($trait:ident, $method:ident, $class:literal, $left:ty, $right:ty) => {
        impl ops::$trait<$right> for $left {
            type Output = Symbol;

            #[track_caller]
            fn $method(self, other: $right) -> Symbol {
                let (left, right): (&Symbol, &Symbol) = (&self, &other);
                ops::$trait::$method(left, right)
            }
        }
    };
    ($trait:ident, $method:ident, $class:literal; $($number:ty),*) => {$(
        impl ops::$trait<$number> for &Symbol {
            type Output = Symbol;

            #[track_caller]
            fn $method(self, other: $number) -> Symbol {
                expect(operation($class, [self.into(), Part::Number(other.into())]))
            }
        }

        impl ops::$trait<$number> for Symbol {
            type Output = Symbol;

            #[track_caller]
            fn $method(self, other: $number) -> Symbol {
                ops::$trait::$method(&self, other)
            }
        }

        impl ops::$trait<&Symbol> for $number {
            type Output = Symbol;

            #[track_caller]
            fn $method(self, other: &Symbol) -> Symbol {
                expect(operation($class, [Part::Number(self.into()), other.into()]))
            }
        }

        impl ops::$trait<Symbol> for $number {
            type Output = Symbol;

            #[track_caller]
            fn $method(self, other: Symbol) -> Symbol {
                ops::$trait::$method(self, &other)
            }
        }
    )*};
}

binary! {
    Add, add, "Add";
    Sub, sub, "Subtract";
    Mul, mul, "Multiply";
    Div, div, "TrueDivide";
}

impl ops::Neg for &Symbol {
    type Output = Symbol;

    #[track_caller]
    fn neg(self) -> Symbol {
        expect(Operation::new("Negative").and_then(|operation| operation.apply(self)))
    }
}

impl ops::Neg for Symbol {
    type Output = Self;

    #[track_caller]
    fn neg(self) -> Self {
        -&self
    }
}

#[cfg(test)]
mod tests {
    use deckle_autograd::{Device, Var};
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Call, Model, Registry};

    #[test]
    fn operators_compute_what_they_say() -> Result<()> {
        let (x, y) = (Symbol::input("x", [2]), Symbol::input("y", [2]));
        let outputs = [
            &x + &y,
            &x - &y,
            &x * &y,
            &x / &y,
            &x + 1,
            2.5 - &x,
            2 / (&x * 2.0f32),
            -(&x - &y) + 0.5,
        ];
        let model = Model::new([&x, &y], outputs.iter())?;
        let config = model.config()?;
        let again =
            Model::from_config(&config, &Registry::keras(), 0, &Device::reference())?;
        assert_eq!(again.config()?, config);
        let given =
            [[[1.0f32, 4.0]], [[2.0, 8.0]]].map(|x| Var::constant(&Tensor::from(x)));
        let made = again.call(&given, &mut Call::inference())?;
        let expected = [
            [3.0f32, 12.0],
            [-1.0, -4.0],
            [2.0, 32.0],
            [0.5, 0.5],
            [2.0, 5.0],
            [1.5, -1.5],
            [1.0, 0.25],
            [1.5, 4.5],
        ];
        for (made, expected) in made.iter().zip(expected) {
            assert_eq!(made.eval()?, Tensor::from([expected]));
        }
        Ok(())
    }

    #[test]
    #[should_panic(expected = "layer `add` (Add)")]
    fn shapes_that_do_not_broadcast_are_named() {
        let _ = Symbol::input("x", [2]) + Symbol::input("y", [3]);
    }
}
