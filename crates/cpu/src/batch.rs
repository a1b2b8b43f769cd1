//! Batches whose examples are computed part by part: [`Parts`].

use std::sync::Arc;

use deckle_tensor::{Operation, Primitive, Program, Result};

use crate::{Options, Threads, examples::are_separate, plan::Plan, threads::part};

/// The bytes of a part's values, if they can be so few: they stay in a core's own cache.
const NEAR: usize = 768 * 1024;

/// The least parts: enough to share among many threads.
const PARTS: usize = 16;

/// The least examples of a part whose loops multiply small matrices in each step, and of one
/// whose convolutions look at the same place of some images at once.
const IN_LOOPS: usize = 8;
const OF_IMAGES: usize = 4;

/// Plans for a part of a batch, which compute the whole one after the other or side by side.
///
/// A part's values stay in the cache of the core that computes it, and threads meet once in a
/// run, not at each instruction.
pub(crate) struct Parts {
    examples: usize,
    count: usize,
    /// Plans for the least examples of a part, and for one more.
    plans: Vec<Plan>,
    /// What a part runs on.
    pub(crate) serial: Arc<Threads>,
}

/// Some examples.
pub(crate) struct Part<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) start: usize,
    /// Whether it is of the most common length.
    pub(crate) is_common: bool,
}

impl Parts {
    /// Parts of a batch, if its examples can be computed by themselves, and that saves time;
    /// by the program alone, whatever the threads. `smaller` makes the program for fewer
    /// examples.
    pub(crate) fn new(
        program: &Program,
        whole: &Plan,
        smaller: &dyn Fn(usize) -> Option<Program>,
        options: &Options,
    ) -> Result<Option<Self>> {
        let Some((examples, count)) = division(program, whole) else { return Ok(None) };
        let least = examples / count;
        let most = examples.div_ceil(count);
        let serial = Arc::new(Threads::new(1));
        let options = Options { threads: Arc::clone(&serial), ..*options };
        let mut plans = Vec::new();
        for len in least..=most {
            let Some(part) = smaller(len).filter(|part| are_separate(program, part))
            else {
                return Ok(None);
            };
            plans.push(Plan::compile(&part, &options)?);
        }
        Ok(Some(Self { examples, count, plans, serial }))
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn part(&self, number: usize) -> Part<'_> {
        let examples = part(self.examples, self.count, number);
        let more = examples.len() - self.examples / self.count;
        let is_common = more == self.common();
        Part { plan: &self.plans[more], start: examples.start, is_common }
    }

    /// Which plan most parts have.
    fn common(&self) -> usize {
        usize::from(2 * (self.examples % self.count) > self.count)
    }

    /// The plan of most parts.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plans[self.common()]
    }

    /// The bytes of memory that a part needs.
    pub(crate) fn arena_bytes(&self) -> usize {
        self.plans.iter().map(Plan::arena_bytes).max().unwrap_or(0)
    }

    /// What a part does, for people.
    pub(crate) fn text(&self) -> String {
        let Self { examples, count, .. } = self;
        format!("{count} parts of {examples} examples, each:\n{}", self.plan().text())
    }
}

/// The examples, and how many parts they are worth.
fn division(program: &Program, whole: &Plan) -> Option<(usize, usize)> {
    let first = program.inputs().first()?;
    let examples = *program.spec(*first).shape.first()?;
    if whole.arena_bytes() <= NEAR || examples < PARTS {
        return None;
    }
    let near = (NEAR / whole.arena_bytes().div_ceil(examples)).max(1);
    let count = examples.div_ceil(near).max(PARTS);
    if examples / count < least(program) {
        return None;
    }
    // Each part reads the weights again.
    (count * weights(program) <= whole.bytes() / 2).then_some((examples, count))
}

/// The least examples that a part is worth.
fn least(program: &Program) -> usize {
    let of = |operation: &Operation| match operation {
        Operation::Primitive(Primitive::Scan(_)) => IN_LOOPS,
        Operation::Primitive(
            Primitive::Convolution(convolution)
            | Primitive::ConvolutionToInput { convolution, .. },
        ) if convolution.strides.len() > 1
            && convolution.padding.iter().any(|&padding| padding != (0, 0)) =>
        {
            OF_IMAGES
        }
        Operation::Primitive(_) => 1,
        Operation::Composite(composite) => least(&composite.body),
    };
    let all = program.instructions().iter().map(|one| of(&one.operation));
    all.max().unwrap_or(1)
}

/// The bytes of the variables that are read as a whole.
fn weights(program: &Program) -> usize {
    let whole = |variable| {
        program.instructions().iter().any(|instruction| {
            let picks = matches!(
                instruction.operation,
                Operation::Primitive(Primitive::Gather { .. })
            );
            !picks && instruction.inputs.contains(&variable)
        })
    };
    let read = program.variables().iter().filter(|&&variable| whole(variable));
    read.map(|&variable| program.spec(variable).bytes()).sum()
}
