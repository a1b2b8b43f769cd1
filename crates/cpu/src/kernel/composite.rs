//! Which composites have kernels of their own: [`takes`] and [`make`].

use deckle_tensor::Composite;

use super::{Kernel, gru, lstm, softmax::Softmax};
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
const CLAIMS: [Claim; 6] = [
    Claim { name: "gru", takes: gru::Recurrence::takes, make: gru::Recurrence::make },
    Claim {
        name: "gru_backward",
        takes: gru::Recurrence::takes,
        make: gru::Recurrence::make,
    },
    Claim { name: "log_softmax", takes: Softmax::takes, make: Softmax::make },
    Claim { name: "lstm", takes: lstm::Recurrence::takes, make: lstm::Recurrence::make },
    Claim {
        name: "lstm_backward",
        takes: lstm::Recurrence::takes,
        make: lstm::Recurrence::make,
    },
    Claim { name: "softmax", takes: Softmax::takes, make: Softmax::make },
];

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
