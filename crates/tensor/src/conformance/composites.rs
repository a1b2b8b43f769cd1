//! Composites, each by its kernel or by its body.

use std::collections::BTreeSet;

use super::{
    Report, Suite,
    case::{Case, Measure},
};
use crate::{Backend, Operation, Primitive, Program, Tensor};

/// Checks a program with composites in every combination of composites that the backend gets
/// as such, for which it may have kernels, and ones that it gets as their bodies.
///
/// With a composite and its backward composite in the program, these are all four of forward
/// and backward. All are compared with [`Reference`](crate::Reference) in `f64`, as
/// [`check_program`](super::check_program) does. Of more than six composites, by name, not all
/// combinations are tried: none, all, each alone, and all but each.
///
/// # Errors
///
/// If a combination gives other numbers, or the program has no composite.
pub fn check_composite(
    backend: &dyn Backend,
    program: &Program,
    inputs: &[Tensor],
) -> Result<(), Report> {
    let mut suite = Suite::new(backend);
    let mut names = BTreeSet::new();
    collect(program, &mut names);
    let names: Vec<_> = names.into_iter().collect();
    suite.expect("composites", !names.is_empty(), "the program has none");
    for kept in combinations(names.len()) {
        let keep =
            |name: &str| names.iter().position(|n| n == name).is_some_and(|i| kept[i]);
        let kept: Vec<_> = names.iter().filter(|name| keep(name)).collect();
        let program = program.lowered(&|composite| keep(&composite.name));
        suite.check(&Case {
            name: format!("composites {kept:?} of {names:?} kept"),
            program,
            inputs: inputs.to_vec(),
            variables: Vec::new(),
            measure: Measure::Norm,
        });
    }
    suite.report.into_result()
}

/// The names of all composites, those in bodies included.
fn collect(program: &Program, names: &mut BTreeSet<String>) {
    for instruction in program.instructions() {
        match &instruction.operation {
            Operation::Composite(composite) => {
                names.insert(composite.name.to_string());
                collect(&composite.body, names);
            }
            Operation::Primitive(Primitive::Scan(scan)) => collect(&scan.body, names),
            Operation::Primitive(_) => {}
        }
    }
}

/// Which of so many are kept.
fn combinations(count: usize) -> Vec<Vec<bool>> {
    if count <= 6 {
        return (0..1usize << count)
            .map(|bits| (0..count).map(|i| bits >> i & 1 == 1).collect())
            .collect();
    }
    let mut all = vec![vec![false; count], vec![true; count]];
    for i in 0..count {
        all.push((0..count).map(|j| i == j).collect());
        all.push((0..count).map(|j| i != j).collect());
    }
    all
}
