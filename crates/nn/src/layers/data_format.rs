//! Where the channels of images are: [`DataFormat`].

use deckle_autograd::{Result as GraphResult, Var};
use deckle_tensor::{Dim, Shape};
use serde::{Deserialize, Serialize};

use crate::{Result, expect};

/// Where the channels of images are; last by default.
///
/// Layers compute with channels last: with channels first, input and output are turned, which
/// costs a copy each.
///
/// # Keras
///
/// `data_format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// `(batch, spatial..., channels)`.
    #[default]
    ChannelsLast,
    /// `(batch, channels, spatial...)`.
    ChannelsFirst,
}

impl DataFormat {
    /// The tensor with channels last.
    pub(super) fn to_last(self, x: &Var) -> GraphResult<Var> {
        match self {
            Self::ChannelsFirst if x.rank() > 2 => x.move_axis(1, -1),
            _ => Ok(x.clone()),
        }
    }

    /// A tensor with channels last in this format.
    pub(super) fn of_last(self, y: &Var) -> GraphResult<Var> {
        match self {
            Self::ChannelsFirst if y.rank() > 2 => y.move_axis(-1, 1),
            _ => Ok(y.clone()),
        }
    }

    /// The shape with channels last.
    pub(super) fn shape_to_last(self, shape: &Shape) -> Shape {
        let mut dims: Vec<Dim> = shape.dims().to_vec();
        if self == Self::ChannelsFirst && dims.len() > 2 {
            dims[1..].rotate_left(1);
        }
        dims.into()
    }

    /// A shape with channels last in this format.
    pub(super) fn shape_of_last(self, shape: &Shape) -> Shape {
        let mut dims: Vec<Dim> = shape.dims().to_vec();
        if self == Self::ChannelsFirst && dims.len() > 2 {
            dims[1..].rotate_right(1);
        }
        dims.into()
    }

    /// The only input, with that many spatial axes, as it is with channels last.
    pub(super) fn spatial_input<const N: usize>(self, inputs: &[Shape]) -> Result<Shape> {
        let spatial = ["steps", "height, width", "depth, height, width"][N - 1];
        let help = match expect::one_input(inputs)?.rank() {
            rank if rank + 1 == N + 2 => "add an axis of length 1, e.g. with Reshape",
            _ => "give the model's input that shape, without the batch",
        };
        let expected = match self {
            Self::ChannelsLast => format!("(batch, {spatial}, channels)"),
            Self::ChannelsFirst => format!("(batch, channels, {spatial})"),
        };
        let input = expect::exactly(&inputs[0], N + 2, &expected, help)?;
        Ok(self.shape_to_last(input))
    }
}
