//! A neural Turing machine learns to copy: the network with a memory of its own that chapter 3 of
//! *Deep Learning with Python* names, from bare tensors.
//!
//! `cargo run --release --example ch03_turing_machine [-- STEPS]`
//!
//! A network reads up to 20 rows of 8 random bits and an end mark, then has to say all rows again,
//! in silence. What it has read it can only keep in a memory of 64 rows, where it writes and reads
//! softly: at rows that are like a key, or beside where it has been. If it has learned to copy, and
//! not the lengths that it has seen, it copies 30 and 40 rows too. At first, the writing head moves
//! on by a row at each step and the reading head stays where it is; when to read, when to move on,
//! what to write and what a row means is learned.
//!
//! Graves, Wayne, Danihelka: *Neural Turing Machines* (arXiv 1410.5401), sections 3 and 4.1. The
//! paper has curves of the wrong bits in a sequence, which go to 0, instead of figures. Here, 80,000
//! sequences train; of seeds 1 to 3 the third has not got there by then.

use deckle::{
    autograd::{self, Compiled, Group, scan},
    optim::OptimizerState,
    plot::Grid,
    prelude::*,
};
use deckle_examples::{choice, picture, report, seed};

const BITS: usize = 8;
const HIDDEN: usize = 100;
const ROWS: usize = 64;
const WIDTH: usize = 20;
const BATCH: usize = 16;
const LONGEST: usize = 20;

// What a head says of where it looks: a key, its strength, a gate, three shifts, a sharpness.
const STRENGTH: usize = WIDTH;
const GATE: usize = WIDTH + 1;
const SHIFT: usize = WIDTH + 2;
const SHARPNESS: usize = WIDTH + 5;
const HEAD: usize = WIDTH + 6;

/// A matrix and a vector.
struct Linear {
    kernel: Variable,
    bias: Variable,
}

impl Linear {
    /// With random weights; `bias` gives some of the vector's first values, the others are 0.
    fn new(
        group: &Group,
        name: &str,
        [from, to]: [usize; 2],
        bias: &[(usize, f32)],
    ) -> Result<Self> {
        let limit = (6.0 / (from + to) as f64).sqrt();
        let stream = name.bytes().map(u64::from).sum::<u64>();
        let key = seed().wrapping_mul(1 << 16).wrapping_add(stream);
        let kernel = Tensor::random_uniform([from, to], -limit..limit, key);
        let mut values = vec![0.0; to];
        for &(at, value) in bias {
            values[at] = value;
        }
        Ok(Self {
            kernel: group.variable(&format!("{name}/kernel"), &kernel)?,
            bias: group.variable(&format!("{name}/bias"), &Tensor::new(values, [to])?)?,
        })
    }

    fn call(&self, x: &Var) -> autograd::Result<Var> {
        x.matmul(&self.kernel.read())?.add(&self.bias.read())
    }
}

struct Machine {
    controller: Linear,
    reading: Linear,
    writing: Linear,
    output: Linear,
}

impl Machine {
    fn new(group: &Group) -> Result<Self> {
        // Beside where they have been rather than by content. The writing head is sharp: what is
        // blurred a little at each step says nothing after some. The reading head is blurred at
        // first: where it sees nothing of the next row, no gradient tells it to go there.
        let writes = [(GATE, -3.0), (SHIFT + 2, 3.0), (SHARPNESS, 2.0)];
        let reads = [(GATE, -3.0), (SHIFT + 1, 1.0), (SHARPNESS, -2.0)];
        let linear = |name, sizes, bias: &[_]| Linear::new(group, name, sizes, bias);
        Ok(Self {
            controller: linear("controller", [BITS + 1 + WIDTH, HIDDEN], &[])?,
            reading: linear("reading", [HIDDEN, HEAD], &reads)?,
            writing: linear("writing", [HIDDEN, HEAD + 2 * WIDTH], &writes)?,
            output: linear("output", [HIDDEN + WIDTH, BITS], &[])?,
        })
    }

    fn weights(&self) -> Vec<Variable> {
        let parts = [&self.controller, &self.reading, &self.writing, &self.output];
        parts.iter().flat_map(|part| [part.kernel.clone(), part.bias.clone()]).collect()
    }

    /// How much a head looks at each row, `(batch, rows)`, after it has looked like `before`.
    fn look(head: &Var, before: &Var, memory: &Var) -> autograd::Result<Var> {
        let number = |at| head.slice((.., at..at + 1));
        let key = head.slice((.., ..WIDTH))?.tanh()?.expand_dims(1)?;
        let strength = number(STRENGTH)?.softplus()?;
        let gate = number(GATE)?.sigmoid()?;
        let shift = head.slice((.., SHIFT..SHIFT + 3))?.softmax(-1)?;
        let sharpness = number(SHARPNESS)?.softplus()? + 1.0;

        // By content: the rows that are like the key (equations 5 and 6).
        let product = (memory * &key).sum(2)?;
        let lengths = (memory.square()?.sum(2)? + 1e-8).sqrt()?
            * (key.square()?.sum(2)? + 1e-8).sqrt()?;
        let alike = (strength * product / lengths).softmax(-1)?;
        let at = &gate * alike + (1.0 - &gate) * before;
        // By location: the row before, this row, the row after, around the end (equation 8).
        let last_first =
            Var::concatenate(&[at.slice((.., -1..))?, at.slice((.., ..-1))?], 1)?;
        let first_last =
            Var::concatenate(&[at.slice((.., 1..))?, at.slice((.., ..1))?], 1)?;
        let by = |at| shift.slice((.., at..at + 1));
        let moved = first_last * by(0)? + at * by(1)? + last_first * by(2)?;
        // Powers that sum to 1 (equation 9).
        (sharpness * (moved + 1e-8).log()?).softmax(-1)
    }

    /// The logits of the bits at each step, `(time, batch, bits)`, for inputs that have one
    /// column more, for the end mark.
    fn run(&self, inputs: &Var) -> autograd::Result<Var> {
        let first = Tensor::from_fn([BATCH, ROWS], |at| f32::from(u8::from(at[1] == 0)));
        let first = Var::constant(&first);
        let memory = Var::full(DType::F32, [BATCH, ROWS, WIDTH], 1e-3)?;
        let read = Var::zeros(DType::F32, [BATCH, WIDTH])?;
        let carries = [&memory, &read, &first, &first];
        let steps = scan(&carries, &[inputs], false, |carries, inputs| {
            let [memory, read, reads_at, writes_at] = carries else { unreachable!() };
            let seen = Var::concatenate(&[&inputs[0], read], 1)?;
            let hidden = self.controller.call(&seen)?.tanh()?;

            let head = self.writing.call(&hidden)?;
            let writes_at = Self::look(&head, writes_at, memory)?;
            let place = writes_at.expand_dims(2)?;
            let erase =
                head.slice((.., HEAD..HEAD + WIDTH))?.sigmoid()?.expand_dims(1)?;
            let add = head.slice((.., HEAD + WIDTH..))?.tanh()?.expand_dims(1)?;
            let memory = memory * (1.0 - &place * erase) + place * add;

            let reads_at = Self::look(&self.reading.call(&hidden)?, reads_at, &memory)?;
            let read = (reads_at.expand_dims(2)? * &memory).sum(1)?;
            let output = self.output.call(&Var::concatenate(&[&hidden, &read], 1)?)?;
            Ok((vec![memory, read, reads_at, writes_at], vec![output]))
        })?;
        Ok(steps.results[0].clone())
    }
}

/// Inputs and targets, time first: so many rows of bits and the end mark, then silence; silence,
/// then the same rows.
fn task(rows: usize, key: u64) -> Result<[Tensor; 2]> {
    let bits = Tensor::random_integers([rows, BATCH, BITS], 0..2, key)?.cast(DType::F32);
    let zeros = |rows, columns| Tensor::zeros(DType::F32, [rows, BATCH, columns]);
    // -1 and 1, since 0 is silence.
    let marked = Tensor::concatenate(&[&(&(&bits * 2.0) - 1.0), &zeros(rows, 1)], 2)?;
    let one = Tensor::ones(DType::F32, [1, BATCH, 1]);
    let mark = Tensor::concatenate(&[&zeros(1, BITS), &one], 2)?;
    let inputs = Tensor::concatenate(&[&marked, &mark, &zeros(rows, BITS + 1)], 0)?;
    let targets = Tensor::concatenate(&[&zeros(rows + 1, BITS), &bits], 0)?;
    Ok([inputs, targets])
}

/// What is wanted and what is said in the second part, `(rows, batch, bits)`, as zeros and ones.
fn copies(predict: &Compiled, rows: usize) -> Result<[Tensor; 2]> {
    // No key of the training.
    let [inputs, targets] = task(rows, 1 << 60)?;
    let said = predict.call(&[inputs])?.remove(0);
    let said = (&said * 1e6).clip(0.0, 1.0)?;
    Ok([targets.slice(rows as isize + 1..)?, said.slice(rows as isize + 1..)?])
}

/// How many bits of a sequence are wrong, on average; each of them is 0 or 1 by chance in half of
/// the cases.
fn wrong_bits(predict: &Compiled, rows: usize) -> Result<f64> {
    let [wanted, said] = copies(predict, rows)?;
    let apart = &wanted - &said;
    let apart = (&apart * &apart).sum(..)?.item::<f32>()?;
    Ok(f64::from(apart) / BATCH as f64)
}

fn main() -> Result<()> {
    let steps: u64 = choice().map_or(5_000, |n| n.parse().expect("a number of steps"));
    let device = Device::new(Cpu::new());
    let group = Group::new(&device);
    let machine = Machine::new(&group)?;
    let weights = machine.weights();

    let inputs = Var::input("inputs", [None, Some(BATCH), Some(BITS + 1)], DType::F32);
    let targets = Var::input("targets", [None, Some(BATCH), Some(BITS)], DType::F32);
    let logits = machine.run(&inputs)?;
    let loss = logits.sigmoid_cross_entropy(&targets)?.mean(..)?;
    let optimizer = Adam::new().learning_rate(1e-3).global_clipnorm(1.0);
    let optimizer = OptimizerState::new(optimizer, &weights, &group)?;
    let reads: Vec<_> = weights.iter().map(Variable::read).collect();
    let gradients = grad(&loss, &reads.iter().collect::<Vec<_>>())?;
    let step = Function::new([&inputs, &targets], [&loss])
        .updates(optimizer.updates(&gradients)?)
        .compile(&device)?;
    let predict = Function::new([&inputs], [&logits]).compile(&device)?;

    let mut sum = 0.0;
    for number in 0..steps {
        let key = seed() << 32 | number;
        let rows = Tensor::random_integers([1], 1..LONGEST as i64 + 1, key)?.at(0)?;
        let rows = rows.item::<i64>()? as usize;
        sum += step.call(&task(rows, key)?)?[0].item::<f32>()?;
        if (number + 1) % 250 == 0 {
            let wrong = wrong_bits(&predict, LONGEST)?;
            println!(
                "step {}: loss {:.4}; of {} bits, {wrong:.1} wrong",
                number + 1,
                sum / 250.0,
                LONGEST * BITS
            );
            sum = 0.0;
        }
    }

    for rows in [10, 20, 30, 40] {
        let what =
            format!("Turing machine: wrong bits of {} in {rows} rows", rows * BITS);
        report(&what, None, wrong_bits(&predict, rows)?);
    }
    let [wanted, said] = copies(&predict, 40)?;
    let first = |bits: &Tensor| bits.slice((.., 0))?.transpose().expand_dims(0);
    let pair = Tensor::concatenate(&[&first(&wanted)?, &first(&said)?], 0)?;
    let grid = Grid::new().columns(1).scale(8).image(&pair)?;
    grid.save_png(picture("ch03_turing_machine.png"))?;
    Ok(())
}
