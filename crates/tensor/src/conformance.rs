//! The promises of a [`Backend`], checked: every primitive, every type, and whole programs.
//!
//! [`check`] generates programs, always the same ones, runs them on a backend, and compares
//! with [`Reference`](crate::Reference) in `f64`: integers, `Bool` and positions exactly,
//! floating point within a tolerance that follows from the element type and the number of
//! terms in a sum. A backend that passes can stand in for any other. [`check_family`] checks
//! one part of it, [`check_program`] a program of your own, [`check_composite`] kernels for
//! [composites](crate::Composite) in all combinations with their bodies.
//!
//! # Examples
//!
//! ```
//! use deckle_tensor::{Reference, conformance::{Family, check_family}};
//!
//! check_family(&Reference::new(), Family::Pooling)?;
//! # Ok::<(), deckle_tensor::conformance::Report>(())
//! ```

mod case;
mod chains;
mod composites;
mod contract;
mod data;
mod element_wise;
mod indexing;
mod layout;
mod linear;
mod pooling;
mod random;
mod reductions;
mod scans;
mod semantics;
mod widen;

use std::fmt;

use self::case::{Case, Measure};
pub use self::composites::check_composite;
use crate::{Backend, Program, Tensor};

/// A part of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Functions of single elements, comparisons, selection, casts.
    ElementWise,
    /// Reductions, positions of extremes, running sums, sorting, top-k.
    Reductions,
    /// Products of matrices.
    MatMul,
    /// Convolution and its adjoints.
    Convolution,
    /// Pooling and its adjoints.
    Pooling,
    /// Gather, scatter-add and the errors of bad indices.
    Indexing,
    /// Constants, iota, pad, slice, concat, transpose, broadcast, reshape.
    Layout,
    /// Random numbers.
    Random,
    /// Loops.
    Scan,
    /// Chains that a backend may fuse, shared and dead values.
    Chains,
    /// Inputs, outputs and updates of whole programs.
    Semantics,
    /// Buffers, errors, repeatability, several threads.
    Contract,
}

impl Family {
    /// Every part.
    pub const ALL: [Self; 12] = [
        Self::ElementWise,
        Self::Reductions,
        Self::MatMul,
        Self::Convolution,
        Self::Pooling,
        Self::Indexing,
        Self::Layout,
        Self::Random,
        Self::Scan,
        Self::Chains,
        Self::Semantics,
        Self::Contract,
    ];
}

/// Checks all promises of a backend.
///
/// # Errors
///
/// If the backend breaks one; the report names primitives, shapes and elements.
pub fn check(backend: &dyn Backend) -> Result<(), Report> {
    let mut suite = Suite::new(backend);
    for family in Family::ALL {
        suite.family(family);
    }
    suite.report.into_result()
}

/// Checks one part of the promises.
///
/// # Errors
///
/// As [`check`].
pub fn check_family(backend: &dyn Backend, family: Family) -> Result<(), Report> {
    let mut suite = Suite::new(backend);
    suite.family(family);
    suite.report.into_result()
}

/// Checks that a backend runs a program as [`Reference`](crate::Reference) does in `f64`:
/// outputs and updated variables, twice with the same bits.
///
/// The tolerance grows with the number of terms in the program's sums and with the rounding
/// errors of `Reference` in the program's own types.
///
/// # Errors
///
/// If it does not, or the program cannot be run in `f64` (see [`Program::to_f64`]).
///
/// # Examples
///
/// ```
/// use deckle_tensor::{Builder, DType, Primitive, Reference, Spec, Tensor, Unary, conformance};
///
/// let mut builder = Builder::new();
/// let x = builder.input(Spec::new(DType::F32, [2]));
/// let y = builder.push(Primitive::Unary(Unary::Exp), &[x])?;
/// let program = builder.finish([y], [])?;
/// let x = Tensor::new([0.5f32, -1.0], [2])?;
/// assert!(conformance::check_program(&Reference::new(), &program, &[x], &[]).is_ok());
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
pub fn check_program(
    backend: &dyn Backend,
    program: &Program,
    inputs: &[Tensor],
    variables: &[Tensor],
) -> Result<(), Report> {
    let mut suite = Suite::new(backend);
    suite.check(&Case {
        name: "program".to_owned(),
        program: program.clone(),
        inputs: inputs.to_vec(),
        variables: variables.to_vec(),
        measure: Measure::Norm,
    });
    suite.report.into_result()
}

/// What a backend does wrong.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    backend: String,
    failures: Vec<Failure>,
}

/// The number of failures that a report shows.
const SHOWN: usize = 20;

/// One promise that a backend breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The case: primitive, element types, shapes.
    pub case: String,
    /// What is wrong, down to the element.
    pub problem: String,
    /// The program that was run; empty if it is not about one, or after the first failures.
    pub program: String,
}

impl Report {
    /// The backend's name.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// All that is wrong.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    fn into_result(self) -> Result<(), Self> {
        if self.failures.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.failures.len();
        write!(f, "backend `{}` breaks {count} promises", self.backend)?;
        for failure in self.failures.iter().take(SHOWN) {
            write!(f, "\n\n{}: {}", failure.case, failure.problem)?;
            for line in failure.program.lines() {
                write!(f, "\n    {line}")?;
            }
        }
        if count > SHOWN {
            write!(f, "\n\nand {} more", count - SHOWN)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Report {}

/// A backend under test, and what was found.
struct Suite<'a> {
    backend: &'a dyn Backend,
    report: Report,
}

impl<'a> Suite<'a> {
    fn new(backend: &'a dyn Backend) -> Self {
        let report = Report { backend: backend.name().to_owned(), failures: Vec::new() };
        Self { backend, report }
    }

    fn family(&mut self, family: Family) {
        match family {
            Family::ElementWise => element_wise::check(self),
            Family::Reductions => reductions::check(self),
            Family::MatMul => linear::check_matmul(self),
            Family::Convolution => linear::check_convolution(self),
            Family::Pooling => pooling::check(self),
            Family::Indexing => indexing::check(self),
            Family::Layout => layout::check(self),
            Family::Random => random::check(self),
            Family::Scan => scans::check(self),
            Family::Chains => chains::check(self),
            Family::Semantics => semantics::check(self),
            Family::Contract => contract::check(self),
        }
    }

    /// Runs a case and notes what is wrong.
    fn check(&mut self, case: &Case) {
        if let Err(problem) = case.run(self.backend) {
            // Of what the report does not show there is no need to keep the text.
            let shown = self.report.failures.len() < SHOWN;
            let program = if shown { case.program.to_string() } else { String::new() };
            self.report.failures.push(Failure {
                case: case.name.clone(),
                problem,
                program,
            });
        }
    }

    /// Notes a promise that is not about a single program.
    fn expect(&mut self, case: &str, holds: bool, problem: impl fmt::Display) {
        if !holds {
            self.report.failures.push(Failure {
                case: case.to_owned(),
                problem: problem.to_string(),
                program: String::new(),
            });
        }
    }
}
