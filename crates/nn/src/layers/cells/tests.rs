//! The cells keep the promises of layers.

use super::*;
use crate::check_layer;

#[test]
fn keeps_the_promises_of_a_layer() -> Result<()> {
    check_layer(&SimpleRNNCell::new(2), [[2, 3], [2, 2]])?;
    check_layer(
        &SimpleRNNCell::new(2).use_bias(false).dropout(0.2).recurrent_dropout(0.4),
        [[2, 1], [2, 2]],
    )?;
    check_layer(&GRUCell::new(2), [[2, 3], [2, 2]])?;
    check_layer(
        &GRUCell::new(2).reset_after(false).recurrent_dropout(0.4),
        [[2, 1], [2, 2]],
    )?;
    check_layer(&LSTMCell::new(2), [[2, 3], [2, 2], [2, 2]])?;
    check_layer(
        &LSTMCell::new(2).unit_forget_bias(false).dropout(0.3).recurrent_dropout(0.4),
        [[2, 1], [2, 2], [2, 2]],
    )
}

#[test]
fn a_missing_state_is_named() {
    let error = LSTMCell::new(2).output_shape(&[[2, 3].into(), [2, 2].into()]);
    assert_eq!(
        error.unwrap_err().to_string(),
        "cannot take these states\n  expected: 2 of shape (2, 2)\n       got: (2, 2)"
    );
}
