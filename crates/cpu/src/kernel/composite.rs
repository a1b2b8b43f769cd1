//! Which composites have kernels of their own: [`takes`] and [`make`].

use deckle_tensor::Composite;

use super::{Kernel, attention::Attend, lstm_gates::Gates, recurrent, softmax::Softmax};
use crate::place::Dense;

/// A composite that there is a kernel for.
struct Claim {
    name: &'static str,
    /// Whether the kernel takes these settings and shapes.
    takes: fn(&Composite) -> bool,
    make: Make,
}

/// Makes a kernel of what it reads and writes.
type Make = fn(&Composite, Vec<Dense>, Vec<Dense>) -> Option<Box<dyn Kernel>>;

/// All of them, by name.
const CLAIMS: [Claim; 12] = [
    Claim { name: "attention", takes: Attend::takes, make: Attend::make },
    Claim { name: "attention_backward", takes: Attend::takes, make: Attend::make },
    recurrent("gru"),
    recurrent("gru_backward"),
    Claim { name: "log_softmax", takes: Softmax::takes, make: Softmax::make },
    recurrent("lstm"),
    recurrent("lstm_backward"),
    Claim { name: "lstm_gates", takes: Gates::takes, make: Gates::make },
    Claim { name: "lstm_gates_backward", takes: Gates::takes, make: Gates::make },
    recurrent("simple_rnn"),
    recurrent("simple_rnn_backward"),
    Claim { name: "softmax", takes: Softmax::takes, make: Softmax::make },
];

const fn recurrent(name: &'static str) -> Claim {
    Claim { name, takes: recurrent::takes, make: recurrent::make }
}

fn claim(composite: &Composite) -> Option<&'static Claim> {
    CLAIMS.iter().find(|claim| *claim.name == *composite.name)
}

/// Whether there is a kernel for the composite; if not, its body runs.
pub(crate) fn takes(composite: &Composite) -> bool {
    claim(composite).is_some_and(|claim| (claim.takes)(composite))
}

/// The kernel for a composite, of its inputs and results.
pub(crate) fn make(
    composite: &Composite,
    inputs: Vec<Dense>,
    results: Vec<Dense>,
) -> Option<Box<dyn Kernel>> {
    (claim(composite)?.make)(composite, inputs, results)
}
