//! Tensors as Keras nests them: [`Nest`].

use serde_json::{Map, Value};

/// One tensor, a list or a dictionary of tensors, and constants among them.
///
/// This is how Keras gives tensors to a layer, and names a model's inputs and outputs.
///
/// # Examples
///
/// ```
/// use deckle_nn::Nest;
///
/// let nest = Nest::Dict(vec![("b".to_owned(), Nest::One(1)), ("a".to_owned(), Nest::One(2))]);
/// assert_eq!(nest.flatten(), [&2, &1]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Nest<T> {
    /// A tensor.
    One(T),
    /// A list or tuple.
    List(Vec<Self>),
    /// A dictionary.
    Dict(Vec<(String, Self)>),
    /// Anything but a tensor, as a number, a text or nothing.
    Constant(Value),
}

impl<T> Nest<T> {
    /// The tensors in Keras's order: dictionaries by key.
    #[must_use]
    pub fn flatten(&self) -> Vec<&T> {
        let mut all = Vec::new();
        self.visit(&mut |tensor| all.push(tensor));
        all
    }

    /// The tensors, and the constants between them, in Keras's order.
    pub(crate) fn leaves(&self) -> Vec<Result<&T, &Value>> {
        match self {
            Self::One(tensor) => vec![Ok(tensor)],
            Self::List(parts) => parts.iter().flat_map(Self::leaves).collect(),
            Self::Dict(_) => self.sorted().into_iter().flat_map(Self::leaves).collect(),
            Self::Constant(value) => vec![Err(value)],
        }
    }

    fn sorted(&self) -> Vec<&Self> {
        let Self::Dict(parts) = self else { return vec![self] };
        let mut parts: Vec<_> = parts.iter().collect();
        parts.sort_by(|(a, _), (b, _)| a.cmp(b));
        parts.into_iter().map(|(_, part)| part).collect()
    }

    fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a T)) {
        match self {
            Self::One(tensor) => see(tensor),
            Self::List(parts) => parts.iter().for_each(|part| part.visit(see)),
            Self::Dict(_) => self.sorted().into_iter().for_each(|part| part.visit(see)),
            Self::Constant(_) => {}
        }
    }

    /// The same nest of other tensors, made in Keras's order.
    ///
    /// # Errors
    ///
    /// That of `change`.
    pub fn try_map<U, E>(
        &self,
        change: &mut dyn FnMut(&T) -> Result<U, E>,
    ) -> Result<Nest<U>, E> {
        Ok(match self {
            Self::One(tensor) => Nest::One(change(tensor)?),
            Self::List(parts) => Nest::List(
                parts
                    .iter()
                    .map(|part| part.try_map(change))
                    .collect::<Result<_, E>>()?,
            ),
            Self::Dict(parts) => {
                let mut order: Vec<usize> = (0..parts.len()).collect();
                order.sort_by(|&a, &b| parts[a].0.cmp(&parts[b].0));
                let mut made: Vec<Option<(String, Nest<U>)>> =
                    parts.iter().map(|_| None).collect();
                for at in order {
                    let (key, part) = &parts[at];
                    made[at] = Some((key.clone(), part.try_map(change)?));
                }
                Nest::Dict(made.into_iter().flatten().collect())
            }
            Self::Constant(value) => Nest::Constant(value.clone()),
        })
    }

    /// The same nest of other tensors, made in Keras's order.
    pub fn map<U>(&self, change: &mut dyn FnMut(&T) -> U) -> Nest<U> {
        let mut change = |tensor: &T| Ok::<U, std::convert::Infallible>(change(tensor));
        match self.try_map(&mut change) {
            Ok(made) => made,
            Err(never) => match never {},
        }
    }

    /// The nest as JSON.
    pub(crate) fn to_json(&self, write: &dyn Fn(&T) -> Value) -> Value {
        match self {
            Self::One(tensor) => write(tensor),
            Self::List(parts) => parts.iter().map(|part| part.to_json(write)).collect(),
            Self::Dict(parts) => {
                let parts = parts.iter();
                let parts = parts.map(|(key, part)| (key.clone(), part.to_json(write)));
                Value::Object(parts.collect::<Map<_, _>>())
            }
            Self::Constant(value) => value.clone(),
        }
    }

    /// The only tensor as itself, several as a list.
    pub(crate) fn of_all(tensors: impl IntoIterator<Item = T>) -> Self {
        let mut all: Vec<_> = tensors.into_iter().map(Self::One).collect();
        if all.len() == 1 { all.remove(0) } else { Self::List(all) }
    }
}

/// What a layer is called with: positional and named arguments.
///
/// The tensors among them are numbers: places in the list of all tensors of the call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments {
    /// Positional arguments.
    pub positional: Vec<Nest<usize>>,
    /// Named arguments.
    pub named: Vec<(String, Nest<usize>)>,
}

impl Arguments {
    /// The named argument.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Nest<usize>> {
        self.named.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A named argument that is not a tensor.
    #[must_use]
    pub fn constant(&self, name: &str) -> Option<&Value> {
        match self.named(name) {
            Some(Nest::Constant(value)) => Some(value),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_go_by_key_and_keep_their_order() {
        let nest: Nest<usize> = Nest::List(vec![
            Nest::One(7),
            Nest::Dict(vec![
                ("z".to_owned(), Nest::One(8)),
                (
                    "a".to_owned(),
                    Nest::List(vec![Nest::One(9), Nest::Constant(1.into())]),
                ),
            ]),
        ]);
        assert_eq!(nest.flatten(), [&7, &9, &8]);
        let mut number = 0;
        let numbered = nest.map(&mut |_| {
            number += 1;
            number
        });
        assert_eq!(
            numbered.to_json(&|n| Value::from(*n)).to_string(),
            r#"[1,{"z":3,"a":[2,1]}]"#
        );
        assert_eq!(nest.leaves().len(), 4);
    }
}
