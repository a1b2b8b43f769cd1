//! What a plan is made of: [`Instruction`]s, each with a [`Kernel`].

mod arrange;
mod attention;
mod composite;
mod convolution;
mod epilogue;
mod index;
mod lstm_gates;
mod matmul;
mod parts;
mod pass;
mod pooling;
mod recurrent;
mod scan;
mod softmax;
mod sort;
mod transpose;

use std::sync::Arc;

use deckle_tensor::Result;

use crate::{Simd, batch::Parts, graph::Id, place::Context};

pub(crate) use composite::{make, takes};
pub(crate) use epilogue::{Finish, Product};
pub(crate) use matmul::{Listed, MatMul};
pub(crate) use parts::ByParts;
pub(crate) use pass::Pass;
pub(crate) use recurrent::{make_projecting, projects};
pub(crate) use scan::ScanLoop;

/// What an instruction runs.
pub(crate) trait Kernel: Send + Sync {
    /// Gets ready when the values' places are known; `same` says whether two share theirs.
    fn prepare(&mut self, same: &dyn Fn(Id, Id) -> bool, simd: Simd) {
        let _ = (same, simd);
    }

    /// A value that it reads and one that it makes, which may share their memory.
    fn in_place(&self) -> Option<(Id, Id)> {
        None
    }

    /// The bytes of memory that it needs while it runs; none by default.
    fn scratch(&self, simd: Simd, threads: usize) -> usize {
        let _ = (simd, threads);
        0
    }

    /// Says where these bytes are, if it needs any.
    fn set_scratch(&mut self, id: Id, bytes: usize) {
        let _ = (id, bytes);
    }

    /// Makes what all parts of a batch read, of values that they share; nothing by default.
    fn share(&self, context: &Context<'_>) {
        let _ = context;
    }

    /// The parts that it computes, if it does.
    fn parts(&self) -> Option<&Parts> {
        None
    }

    /// Computes what the instruction writes.
    ///
    /// # Errors
    ///
    /// If an index lies outside its axis.
    fn run(&self, context: &Context<'_>) -> Result<()>;
}

impl<F: Fn(&Context<'_>) -> Result<()> + Send + Sync> Kernel for F {
    fn run(&self, context: &Context<'_>) -> Result<()> {
        self(context)
    }
}

/// One step of a plan.
pub(crate) struct Instruction {
    pub(crate) kernel: Box<dyn Kernel>,
    /// What it does, for people.
    pub(crate) name: String,
    /// The layer that it stems from.
    pub(crate) path: Arc<str>,
    pub(crate) reads: Vec<Id>,
    pub(crate) writes: Vec<Id>,
    /// Values that it uses while it runs.
    pub(crate) scratch: Vec<Id>,
    /// Pairs of a read and a written value that may share their memory.
    pub(crate) in_place: Vec<(Id, Id)>,
    /// Whether it can return an error.
    pub(crate) fallible: bool,
    /// The arithmetic operations that it takes.
    pub(crate) flops: u64,
}

pub(crate) use arrange::{arg_reduce, cumulative_sum};
pub(crate) use convolution::{
    Convolve, FAST_AXES, convolution, convolution_to_input, convolution_to_kernel,
};
pub(crate) use index::{Indices, gather, gather_along, scatter_add, scatter_add_along};
pub(crate) use pooling::{
    average_pool, average_pool_to_input, max_pool, max_pool_gather, max_pool_scatter,
};
pub(crate) use sort::{sort, top_k};
pub(crate) use transpose::transpose;
