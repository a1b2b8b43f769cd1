//! Batches whose examples are computed part by part, as far as they can: [`compile`].

use std::sync::{Arc, OnceLock};

use deckle_tensor::{
    Composite, DType, Instruction, Operation, Primitive, Program, Result, Value,
};

use crate::{
    Options, Threads,
    canonical::{reduced_in_steps, without_dead},
    cut::Cut,
    examples::Both,
    kernel,
    plan::Plan,
    profile::Measured,
    threads::part,
};

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
/// A part's values stay in the cache of the core that computes it, and threads meet once for
/// all of them, not at each instruction.
pub(crate) struct Parts {
    examples: usize,
    count: usize,
    /// Plans for the least examples of a part, and for one more.
    plans: Vec<Plan>,
    /// What a part runs on.
    pub(crate) serial: Arc<Threads>,
    /// What they compute, for all examples.
    body: Arc<Program>,
    /// Of the most common parts, if they are measured.
    pub(crate) measured: OnceLock<Measured>,
}

/// Some examples.
pub(crate) struct Part<'a> {
    pub(crate) number: usize,
    pub(crate) plan: &'a Plan,
    pub(crate) start: usize,
    /// Whether it is of the most common length.
    pub(crate) is_common: bool,
    /// Where what parts of its length share starts.
    pub(crate) shared: usize,
}

impl Parts {
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// What they compute, for all examples.
    pub(crate) const fn body(&self) -> &Arc<Program> {
        &self.body
    }

    /// The examples of all parts.
    pub(crate) const fn examples(&self) -> usize {
        self.examples
    }

    pub(crate) fn part(&self, number: usize) -> Part<'_> {
        let examples = part(self.examples, self.count, number);
        let more = examples.len() - self.examples / self.count;
        let is_common = more == self.common();
        let shared = self.plans[..more].iter().map(Plan::shared_bytes).sum();
        Part { number, plan: &self.plans[more], start: examples.start, is_common, shared }
    }

    /// A part of each length.
    pub(crate) fn of_each_plan(&self) -> impl Iterator<Item = Part<'_>> {
        let last = (self.plans.len() > 1).then(|| self.count - 1);
        std::iter::once(0).chain(last).map(|number| self.part(number))
    }

    /// The bytes of what parts share, of all lengths.
    pub(crate) fn shared_bytes(&self) -> usize {
        self.plans.iter().map(Plan::shared_bytes).sum()
    }

    /// Which plan most parts have.
    fn common(&self) -> usize {
        usize::from(2 * (self.examples % self.count) > self.count)
    }

    /// The plan of most parts.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plans[self.common()]
    }

    pub(crate) fn fallible(&self) -> bool {
        self.plans.iter().any(Plan::fallible)
    }

    /// The bytes of memory that a part needs.
    pub(crate) fn arena_bytes(&self) -> usize {
        self.plans.iter().map(Plan::arena_bytes).max().unwrap_or(0)
    }

    /// What a part does, for people.
    pub(crate) fn text(&self) -> String {
        let Self { examples, count, .. } = self;
        let lines = self.plan().text().lines().map(|line| format!("\n    | {line}"));
        let lines: String = lines.collect();
        let copies = match self.shared_bytes() {
            0 => String::new(),
            bytes => format!(" with {bytes} bytes of copies"),
        };
        format!("{count} parts of {examples} examples{copies}, each:{lines}")
    }
}

/// The plan of a program, which computes examples part by part, if they can be computed by
/// themselves, and that saves time; by the program alone, whatever the threads. `smaller` makes
/// the program for fewer examples.
pub(crate) fn compile(
    program: &Program,
    smaller: &dyn Fn(usize) -> Option<Program>,
    options: &Options,
) -> Result<Plan> {
    let whole = Plan::compile(program, options)?;
    let most = whole.bytes() / 4 * 3;
    let Some((examples, count)) = division(program, &whole) else { return Ok(whole) };
    let mut whole = Some(whole);
    // What compiles parts needs the memory of the whole.
    let drop = &mut || drop(whole.take());
    let divided = divided(program, [examples, count, most], smaller, options, drop)?;
    match divided.or(whole) {
        Some(plan) => Ok(plan),
        None => Plan::compile(program, options),
    }
}

/// A plan of so many parts, if no more than so many bytes are read and written. `sure` is called
/// as soon as only the plan itself can tell.
fn divided(
    program: &Program,
    [examples, count, most]: [usize; 3],
    smaller: &dyn Fn(usize) -> Option<Program>,
    options: &Options,
    sure: &mut dyn FnMut(),
) -> Result<Option<Plan>> {
    let keep = |composite: &Composite| options.composites && kernel::takes(composite);
    // No further: for one example, more may be superfluous.
    let plain = |program: &Program| without_dead(&program.lowered(&keep));
    let program = plain(program)?;
    let mut fewer = Vec::new();
    for len in examples / count..=examples.div_ceil(count) {
        let Some(part) = smaller(len) else { return Ok(None) };
        fewer.push(plain(&part)?);
    }
    // What is reduced over examples and more is reduced for each of them first.
    let Some(both) = alike(&program, &fewer) else { return Ok(None) };
    let many = |instruction: &Instruction| match &instruction.operation {
        Operation::Primitive(Primitive::Reduce { axes, .. }) => {
            let operand = instruction.inputs[0];
            // Half-precision numbers are summed up in another type.
            let is_half = matches!(program.spec(operand).dtype, DType::F16 | DType::BF16);
            let counts = both[0].axis(operand) == Some(Some(0));
            counts && !is_half && axes.contains(&0) && axes.len() > 1
        }
        _ => false,
    };
    let many: Vec<_> = program.instructions().iter().map(many).collect();
    let in_steps = |program| reduced_in_steps(program, &many);
    let (program, fewer) =
        (in_steps(&program)?, fewer.iter().map(in_steps).collect::<Result<Vec<_>>>()?);
    let Some(both) = alike(&program, &fewer) else { return Ok(None) };
    let all = |each: &mut dyn Iterator<Item = Vec<bool>>| {
        let first = vec![true; program.instructions().len()];
        each.fold(first, |all, one| all.iter().zip(one).map(|(a, b)| a & b).collect())
    };
    let separate = all(&mut both.iter().map(|both| both.separate().collect()));
    let axis = |value: Value| both[0].axis(value).flatten();
    let mut sums = all(&mut both.iter().map(|both| both.sums().collect()));
    for (instruction, sum) in program.instructions().iter().zip(&mut sums) {
        *sum = *sum && adds_up(&program, instruction, count);
    }
    let Some(cut) = Cut::new(&program, &separate, &sums, &axis) else { return Ok(None) };
    let (body, given) = cut.body(&program)?;
    if given.iter().any(|&value| axis(value).is_some_and(|axis| axis > 0)) {
        return Ok(None);
    }
    let is_shared: Vec<_> = given.iter().map(|&value| axis(value).is_none()).collect();
    // Each part reads again what all share, and makes a summand of each sum.
    let shared = count * (shared(&body, &is_shared) + 2 * cut.summed_bytes(&axis));
    if shared > most {
        return Ok(None);
    }
    sure();
    let serial = Arc::new(Threads::new(1));
    // What parts share are variables and constants, or made of them.
    let (threads, learned) = (Arc::clone(&serial), is_shared);
    let inner = Options { threads, parts: None, learned, in_part: true, ..*options };
    let mut plans = Vec::new();
    for part in &fewer {
        plans.push(Plan::compile(&cut.body(part)?.0, &inner)?);
    }
    let measured = OnceLock::new();
    let body = Arc::new(body);
    let around = cut.around(&body, &given)?;
    let parts = Arc::new(Parts { examples, count, plans, serial, body, measured });
    let threads = Arc::clone(&options.threads);
    let options =
        Options { threads, parts: Some(parts), learned: Vec::new(), ..*options };
    let plan = Plan::compile(&around, &options)?;
    Ok((plan.bytes() + shared <= most).then_some(plan))
}

/// The program beside each of those for fewer examples, if they do the same.
fn alike<'a>(program: &'a Program, fewer: &'a [Program]) -> Option<Vec<Both<'a>>> {
    fewer.iter().map(|part| Both::new(program, part)).collect()
}

/// Whether so many sums of parts are fewer bytes than what the sum of all examples reads, which
/// is still in a cache in the parts.
fn adds_up(program: &Program, instruction: &Instruction, parts: usize) -> bool {
    let bytes = |values: &[Value]| -> usize {
        values.iter().map(|&value| program.spec(value).bytes()).sum()
    };
    let dtype = program.spec(instruction.outputs[0]).dtype;
    let sums = 2 * parts * bytes(&instruction.outputs);
    matches!(dtype, DType::F32 | DType::F64) && sums <= bytes(&instruction.inputs)
}

/// The examples, and how many parts they are worth.
fn division(program: &Program, whole: &Plan) -> Option<(usize, usize)> {
    let first = program.inputs().first()?;
    let examples = *program.spec(*first).shape.first()?;
    if whole.value_bytes() <= NEAR || examples < PARTS {
        return None;
    }
    let mut near = (NEAR / whole.value_bytes().div_ceil(examples)).max(1);
    let least =
        program.instructions().iter().map(|one| least(program, one)).max().unwrap_or(1);
    if near < least && least <= 2 * near {
        near = least;
    }
    let count = examples.div_ceil(near).max(PARTS);
    if examples / count < least {
        return None;
    }
    Some((examples, count))
}

/// The bytes of the inputs that all parts share and read as a whole.
fn shared(body: &Program, is_shared: &[bool]) -> usize {
    let picks = |instruction: &Instruction| {
        matches!(instruction.operation, Operation::Primitive(Primitive::Gather { .. }))
    };
    let whole = body.instructions().iter().filter(|&instruction| !picks(instruction));
    let whole: Vec<_> = whole.flat_map(|instruction| &instruction.inputs).collect();
    let read = body.inputs().iter().zip(is_shared);
    let read = read.filter(|&(value, is_shared)| *is_shared && whole.contains(&value));
    read.map(|(&value, _)| body.spec(value).bytes()).sum()
}

/// The least examples that a part with this instruction is worth.
fn least(program: &Program, instruction: &Instruction) -> usize {
    match &instruction.operation {
        Operation::Primitive(Primitive::Scan(_)) => IN_LOOPS,
        Operation::Primitive(Primitive::Convolution(convolution))
            if convolution.strides.len() > 1
                && convolution.padding.iter().any(|&padding| padding != (0, 0)) =>
        {
            OF_IMAGES
        }
        // The images' edges are as good as padded, unless each window is one cell.
        Operation::Primitive(Primitive::ConvolutionToInput { convolution, .. })
            if convolution.strides.len() > 1 =>
        {
            let kernel = &program.spec(instruction.inputs[1]).shape;
            let cells: usize = kernel[..convolution.strides.len()].iter().product();
            if cells == 1 { 1 } else { OF_IMAGES }
        }
        Operation::Primitive(_) => 1,
        Operation::Composite(composite) => {
            let body = &composite.body;
            body.instructions().iter().map(|one| least(body, one)).max().unwrap_or(1)
        }
    }
}
