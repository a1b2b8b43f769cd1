//! The promises of a backend.

use deckle_cpu::Cpu;
use deckle_tensor::conformance::{Family, check_family};

#[track_caller]
fn check(family: Family) {
    for threads in 1..4 {
        if let Err(report) = check_family(&Cpu::with_threads(threads), family) {
            panic!("on {threads} threads: {report}");
        }
    }
}

macro_rules! families {
    ($($name:ident $family:ident,)*) => {$(
        #[test]
        fn $name() {
            check(Family::$family);
        }
    )*};
}

families! {
    element_wise ElementWise,
    reductions Reductions,
    matrix_products MatMul,
    convolution Convolution,
    pooling Pooling,
    indexing Indexing,
    layout Layout,
    random Random,
    scan Scan,
    chains Chains,
    semantics Semantics,
    contract Contract,
}
