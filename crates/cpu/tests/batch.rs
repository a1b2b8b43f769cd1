//! Programs whose examples are computed part by part.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use deckle_cpu::{Cpu, Profile};
use deckle_tensor::{
    Backend, Binary, Builder, Compare, Convolution, DType, Distribution, Pool, Primitive,
    Program, Reduction, Reference, SliceAxis, Spec, Tensor, Value,
};

mod common;

fn f(shape: &[usize]) -> Spec {
    Spec::new(DType::F32, shape.to_vec())
}

/// Rows of a table by the input's numbers, as an image; a convolution and pooling of it, and
/// what the classes of all examples have in common, if they have.
fn network(examples: usize, common: bool) -> Program {
    let mut b = Builder::new();
    let indices = b.input(Spec::new(DType::I64, [examples, 24, 24]));
    let (table, kernel) = (b.variable(f(&[10, 3])), b.variable(f(&[3, 3, 3, 20])));
    let weights = b.variable(f(&[11 * 11 * 20, 5]));
    let bias = b.variable(f(&[5]));
    // The second half of the variables would be zero.
    for _ in 0..4 {
        b.variable(f(&[]));
    }
    let x = b.push(Primitive::Gather { axis: 0 }, &[table, indices]).unwrap();
    let settings = Convolution {
        strides: vec![1, 1],
        padding: vec![(0, 0); 2],
        dilation: vec![1; 2],
        groups: 1,
    };
    let x = b.push(Primitive::Convolution(settings), &[x, kernel]).unwrap();
    let zero = common::scalar(&mut b, 0.0);
    let x = common::add(&mut b, Binary::Max, x, zero);
    let pool = Pool { window: vec![2; 2], strides: vec![2; 2], padding: vec![(0, 0); 2] };
    let x = b.push(Primitive::MaxPool(pool), &[x]).unwrap();
    let flat = Primitive::Reshape { shape: vec![examples, 11 * 11 * 20] };
    let x = b.push(flat, &[x]).unwrap();
    let matmul = Primitive::MatMul { transpose_a: false, transpose_b: false };
    let mut y = b.push(matmul, &[x, weights]).unwrap();
    if common {
        let sum = Primitive::Reduce { reduction: Reduction::Sum, axes: vec![0] };
        let sum = b.push(sum, &[y]).unwrap();
        y = common::add(&mut b, Binary::Sub, y, sum);
    } else {
        y = common::add(&mut b, Binary::Add, y, bias);
    }
    b.finish([y, x], []).unwrap()
}

fn run(cpu: &dyn Backend, program: &Program, common: bool) -> (Vec<Tensor>, String) {
    let smaller = |examples: usize| Some(network(examples, common));
    let executable = cpu.compile_batch(program, &smaller).unwrap();
    let common::Buffers { inputs, variables, outputs } =
        common::Buffers::new(cpu, program);
    for _ in 0..3 {
        executable.run(&inputs, &variables, &outputs).unwrap();
    }
    (common::read(cpu, &outputs), executable.plan())
}

#[track_caller]
fn close(got: &[Tensor], expected: &[Tensor]) {
    for (got, expected) in got.iter().zip(expected) {
        let [got, expected] = [got, expected].map(|t| t.to_vec::<f32>().unwrap());
        assert!(expected.iter().any(|&b| b != 0.0), "numbers that say nothing");
        for (i, (a, b)) in got.iter().zip(&expected).enumerate() {
            assert!((a - b).abs() <= 1e-3 + 1e-3 * b.abs(), "{i}: {a} {b}");
        }
    }
}

#[test]
fn parts_compute_what_the_whole_computes_on_any_number_of_threads() {
    // Parts of one length and of two.
    for examples in [64, 83] {
        let program = network(examples, false);
        let (first, plan) = run(&Cpu::with_threads(1), &program, false);
        assert!(plan.contains(&format!("parts of {examples} examples")), "{plan}");
        // The bias, which only an output reads, is added there too.
        assert!(!plan.lines().any(|line| line.starts_with("  1  ")), "{plan}");
        close(&first, &run(&Reference::new(), &program, false).0);
        for threads in 2..5 {
            assert_eq!(run(&Cpu::with_threads(threads), &program, false).0, first);
        }
        let whole = common::run(&Cpu::with_threads(2), &program, 1);
        close(&first, &whole[..2]);
    }
}

#[test]
fn more_threads_than_parts_compute_the_same_parts() {
    let program = network(64, false);
    let (first, plan) = run(&Cpu::with_threads(1), &program, false);
    for threads in [15, 16, 17, 40] {
        let (got, parts) = run(&Cpu::with_threads(threads), &program, false);
        assert_eq!(got, first);
        assert_eq!(parts.lines().next(), plan.lines().next());
    }
}

/// Products with weights that are copied before they are multiplied: of whole vectors, and not.
fn products(examples: usize) -> Program {
    let mut b = Builder::new();
    let mut x = b.input(f(&[examples, 128, 96]));
    for (from, to, transpose_b) in [(96, 160, false), (160, 301, true), (301, 97, false)]
    {
        let shape = if transpose_b { [to, from] } else { [from, to] };
        let (weights, bias) = (b.variable(f(&shape)), b.variable(f(&[to])));
        let matmul = Primitive::MatMul { transpose_a: false, transpose_b };
        let y = b.push(matmul, &[x, weights]).unwrap();
        x = common::add(&mut b, Binary::Add, y, bias);
    }
    // The second half of the variables would be zero.
    for _ in 0..6 {
        b.variable(f(&[]));
    }
    b.finish([x], []).unwrap()
}

#[test]
fn weights_that_parts_copy_are_those_of_each_run() {
    for examples in [32, 41] {
        let program = products(examples);
        let run = |backend: &dyn Backend| {
            let smaller = |examples: usize| Some(products(examples));
            let executable = backend.compile_batch(&program, &smaller).unwrap();
            let common::Buffers { inputs, variables, outputs } =
                common::Buffers::new(backend, &program);
            let mut all = Vec::new();
            for factor in [1.0, -0.5] {
                for (variable, tensor) in
                    variables.iter().zip(common::read(backend, &variables))
                {
                    let numbers = tensor.to_vec::<f32>().unwrap();
                    let numbers: Vec<_> = numbers.iter().map(|x| factor * x).collect();
                    let shape = tensor.shape().to_vec();
                    backend
                        .write(&Tensor::new(numbers, shape).unwrap(), variable)
                        .unwrap();
                }
                executable.run(&inputs, &variables, &outputs).unwrap();
                all.extend(common::read(backend, &outputs));
            }
            (all, executable.plan())
        };
        let (first, plan) = run(&Cpu::with_threads(1));
        assert!(plan.contains(&format!("parts of {examples} examples with")), "{plan}");
        close(&first, &run(&Reference::new()).0);
        for threads in [2, 3, 50] {
            assert_eq!(run(&Cpu::with_threads(threads)).0, first);
        }
    }
}

/// Sums of half-precision numbers over examples and steps, which cancel each other, but not
/// those of one example.
fn halves(examples: usize) -> Program {
    let mut b = Builder::new();
    let x = b.input(Spec::new(DType::F16, [examples, 3000, 8]));
    b.variable(f(&[]));
    b.variable(f(&[]));
    let mut y = x;
    for axis in [2, 2] {
        let sum_up = Primitive::CumSum { axis, exclusive: false, reverse: false };
        y = b.push(sum_up, &[y]).unwrap();
    }
    let sum = Primitive::Reduce { reduction: Reduction::Sum, axes: vec![0, 1] };
    let sum = b.push(sum, &[y]).unwrap();
    b.finish([sum], []).unwrap()
}

#[test]
fn sums_of_half_precision_are_taken_of_all_examples_at_once() {
    let program = halves(64);
    let cpu = Cpu::with_threads(2);
    let executable = cpu.compile_batch(&program, &|n| Some(halves(n))).unwrap();
    let all = |values: &[Value]| -> Vec<_> {
        values.iter().map(|&value| cpu.allocate(program.spec(value)).unwrap()).collect()
    };
    let inputs = all(program.inputs());
    let (variables, outputs) = (all(program.variables()), all(program.outputs()));
    let sign = |i: usize| if (i / 24_000).is_multiple_of(2) { 100.0 } else { -100.0 };
    let numbers: Vec<f32> = (0..64 * 24_000).map(sign).collect();
    let numbers = Tensor::new(numbers, [64, 3000, 8]).unwrap();
    cpu.write(&numbers.cast(DType::F16), &inputs[0]).unwrap();
    executable.run(&inputs, &variables, &outputs).unwrap();
    let sums = common::read(&cpu, &outputs).remove(0).cast(DType::F32);
    assert_eq!(sums.to_vec::<f32>().unwrap(), [0.0; 8], "{}", executable.plan());
}

#[test]
fn what_examples_have_in_common_is_computed_of_all() {
    let program = network(64, true);
    let (got, plan) = run(&Cpu::with_threads(2), &program, true);
    assert!(plan.contains("16 parts of 64 examples"), "{plan}");
    assert!(plan.lines().any(|line| line.contains("1  sum")), "{plan}");
    close(&got, &run(&Reference::new(), &program, true).0);
}

/// A training step of five layers on sequences: dropout, a loss that knows how many examples
/// there are, weights that are decayed, gradients of all layers.
fn step(examples: usize) -> Program {
    let mut b = Builder::new();
    let x = b.input(f(&[examples, 20, 48]));
    let target = b.input(f(&[examples, 20, 48]));
    let weights: Vec<_> = (0..5).map(|_| b.variable(f(&[48, 48]))).collect();
    let biases: Vec<_> = (0..5).map(|_| b.variable(f(&[48]))).collect();
    let matmul =
        |transpose_a, transpose_b| Primitive::MatMul { transpose_a, transpose_b };
    let sum = |axes: &[usize]| Primitive::Reduce {
        reduction: Reduction::Sum,
        axes: axes.to_vec(),
    };
    let rows = Primitive::Reshape { shape: vec![examples * 20, 48] };
    let zero = common::scalar(&mut b, 0.0);
    let (seed, count) = (b.constant(&Tensor::scalar(3_i64)), examples as f32);
    let random = Primitive::Random {
        distribution: Distribution::Uniform,
        stream: 5,
        shape: vec![examples, 20, 48],
        dtype: DType::F32,
    };
    let drawn = b.push(random, &[seed, seed]).unwrap();
    let half = common::scalar(&mut b, 0.5);
    let keep = b.push(Primitive::Compare(Compare::Greater), &[drawn, half]).unwrap();
    let mut inputs = vec![b.push(Primitive::Select, &[keep, x, zero]).unwrap()];
    for (&w, &bias) in weights.iter().zip(&biases) {
        let y = b.push(matmul(false, false), &[inputs[inputs.len() - 1], w]).unwrap();
        let y = common::add(&mut b, Binary::Add, y, bias);
        inputs.push(common::add(&mut b, Binary::Max, y, zero));
    }
    let difference = common::add(&mut b, Binary::Sub, inputs[5], target);
    let square = common::add(&mut b, Binary::Mul, difference, difference);
    let loss = b.push(sum(&[0, 1, 2]), &[square]).unwrap();
    let scale = common::scalar(&mut b, 1.0 / count);
    let mut gradient = common::add(&mut b, Binary::Mul, difference, scale);
    let mut updates = Vec::new();
    for layer in (0..5).rev() {
        let (input, output) = (inputs[layer], inputs[layer + 1]);
        let passed = b.push(Primitive::Compare(Compare::Greater), &[output, zero]);
        gradient = b.push(Primitive::Select, &[passed.unwrap(), gradient, zero]).unwrap();
        let [input, by] =
            [input, gradient].map(|value| b.push(rows.clone(), &[value]).unwrap());
        let by_weights = b.push(matmul(true, false), &[input, by]).unwrap();
        let by_bias = b.push(sum(&[0, 1]), &[gradient]).unwrap();
        let rate = common::scalar(&mut b, 0.01);
        for (variable, by) in [(layer, by_weights), (5 + layer, by_bias)] {
            let all: Vec<_> = weights.iter().chain(&biases).copied().collect();
            let by = common::add(&mut b, Binary::Mul, by, rate);
            let new = common::add(&mut b, Binary::Sub, all[variable], by);
            updates.push((variable, new));
        }
        gradient = b.push(matmul(false, true), &[gradient, weights[layer]]).unwrap();
    }
    b.finish([loss, inputs[5]], updates).unwrap()
}

/// The results of some steps, the variables after them, and the plan.
fn train(cpu: &dyn Backend, examples: usize, divided: bool) -> (Vec<Tensor>, String) {
    let program = step(examples);
    let smaller = |examples: usize| divided.then(|| step(examples));
    let executable = cpu.compile_batch(&program, &smaller).unwrap();
    let common::Buffers { inputs, variables, outputs } =
        common::Buffers::new(cpu, &program);
    // Small weights, of which half a layer's outputs are positive.
    for (i, variable) in variables.iter().enumerate() {
        let spec = variable.spec();
        let number = |j: usize| ((i + 7 * j) % 13) as f32 / 60.0 - 0.09;
        let numbers: Vec<_> = (0..spec.size()).map(number).collect();
        cpu.write(&Tensor::new(numbers, spec.shape.clone()).unwrap(), variable).unwrap();
    }
    for _ in 0..3 {
        executable.run(&inputs, &variables, &outputs).unwrap();
    }
    let mut all = common::read(cpu, &outputs);
    all.extend(common::read(cpu, &variables));
    (all, executable.plan())
}

#[test]
fn a_training_step_runs_part_by_part_up_to_the_gradients_by_weights() {
    for examples in [64, 83] {
        let (first, plan) = train(&Cpu::with_threads(1), examples, true);
        assert!(plan.contains(&format!("parts of {examples} examples")), "{plan}");
        let (whole, plain) = train(&Cpu::with_threads(2), examples, false);
        assert!(!plain.contains("parts"), "{plain}");
        // Gradients by weights are products over all examples, after the parts.
        let products = |plan: &str| plan.matches("matmul").count();
        assert_eq!(products(&plan), products(&plain));
        let after = plan.lines().filter(|line| !line.contains('|'));
        assert_eq!(after.filter(|line| line.contains("matmul")).count(), 5, "{plan}");
        close(&first, &whole);
        close(&first, &train(&Reference::new(), examples, false).0);
        for threads in 2..5 {
            assert_eq!(train(&Cpu::with_threads(threads), examples, true).0, first);
        }
    }
}

/// Two convolutions, the error of a target, and the gradients by their kernels: of few channels
/// and filters, or of so many that a kernel is more than some images.
fn kernels(examples: usize, dtype: DType, [channels, filters]: [usize; 2]) -> Program {
    let mut b = Builder::new();
    let spec = |shape: &[usize]| Spec::new(dtype, shape.to_vec());
    let x = b.input(spec(&[examples, 16, 14, channels]));
    let target = b.input(spec(&[examples, 12, 10, 8]));
    let first = b.variable(spec(&[3, 3, channels, filters]));
    let second = b.variable(spec(&[3, 3, filters / 2, 8]));
    let settings = |groups| Convolution {
        strides: vec![1, 1],
        padding: vec![(0, 0); 2],
        dilation: vec![1; 2],
        groups,
    };
    let [zero, rate] = [0.0, 0.1].map(|x| b.constant(&Tensor::scalar(x).cast(dtype)));
    let hidden = b.push(Primitive::Convolution(settings(1)), &[x, first]).unwrap();
    let hidden = common::add(&mut b, Binary::Max, hidden, zero);
    let y = b.push(Primitive::Convolution(settings(2)), &[hidden, second]).unwrap();
    let error = common::add(&mut b, Binary::Sub, y, target);
    let by_kernel = |groups| Primitive::ConvolutionToKernel {
        convolution: settings(groups),
        spatial: vec![3, 3],
    };
    let by_second = b.push(by_kernel(2), &[hidden, error]).unwrap();
    let by_input =
        Primitive::ConvolutionToInput { convolution: settings(2), spatial: vec![14, 12] };
    let by_hidden = b.push(by_input, &[error, second]).unwrap();
    let passed = b.push(Primitive::Compare(Compare::Greater), &[hidden, zero]).unwrap();
    let by_hidden = b.push(Primitive::Select, &[passed, by_hidden, zero]).unwrap();
    let by_first = b.push(by_kernel(1), &[x, by_hidden]).unwrap();
    let step = common::add(&mut b, Binary::Mul, by_first, rate);
    let new = common::add(&mut b, Binary::Sub, first, step);
    b.finish([by_second], [(0, new)]).unwrap()
}

#[test]
fn gradients_by_small_kernels_are_added_up_from_those_of_parts() {
    let run = |cpu: &dyn Backend, examples, dtype, sizes, divided: bool| {
        let program = kernels(examples, dtype, sizes);
        let smaller = |n: usize| divided.then(|| kernels(n, dtype, sizes));
        let executable = cpu.compile_batch(&program, &smaller).unwrap();
        let common::Buffers { inputs, variables, outputs } =
            common::Buffers::new(cpu, &program);
        for (i, variable) in variables.iter().enumerate() {
            let number = |j: usize| ((i + 7 * j) % 13) as f32 / 60.0 - 0.09;
            let numbers: Vec<_> = (0..variable.spec().size()).map(number).collect();
            let numbers = Tensor::new(numbers, variable.spec().shape.clone()).unwrap();
            cpu.write(&numbers.cast(dtype), variable).unwrap();
        }
        for _ in 0..2 {
            executable.run(&inputs, &variables, &outputs).unwrap();
        }
        let mut all = common::read(cpu, &outputs);
        all.extend(common::read(cpu, &variables[..1]));
        let single = all.iter().map(|t| t.cast(DType::F32)).collect::<Vec<_>>();
        (single, executable.plan())
    };
    for (examples, dtype) in [(64, DType::F32), (83, DType::F32), (70, DType::F64)] {
        let (first, plan) = run(&Cpu::with_threads(1), examples, dtype, [4, 16], true);
        let after = |plan: &str| {
            let after = plan.lines().filter(|line| !line.contains('|'));
            after.filter(|line| line.contains("convolution_to_kernel")).count()
        };
        assert!(plan.contains(&format!("parts of {examples} examples")), "{plan}");
        assert_eq!(after(&plan), 0, "{plan}");
        let (whole, plain) = run(&Cpu::with_threads(2), examples, dtype, [4, 16], false);
        assert_eq!(after(&plain), 2, "{plain}");
        close(&first, &whole);
        close(&first, &run(&Reference::new(), examples, dtype, [4, 16], false).0);
        for threads in [2, 3, 4, 40] {
            let cpu = Cpu::with_threads(threads);
            assert_eq!(run(&cpu, examples, dtype, [4, 16], true).0, first);
        }
    }
    // Sums of parts would be more bytes than the images.
    let run = |divided| run(&Cpu::with_threads(2), 64, DType::F32, [120, 96], divided);
    let (many, plan) = run(true);
    let lines = plan.lines().filter(|line| line.contains("float32 (3, 3, 120, 96)"));
    assert!(lines.clone().count() > 0, "{plan}");
    assert!(lines.into_iter().all(|line| !line.contains('|')), "{plan}");
    close(&many, &run(false).0);
}

#[test]
fn results_without_elements_are_no_sums_of_parts() {
    let program = |examples: usize| {
        let mut b = Builder::new();
        let indices = b.input(Spec::new(DType::I64, [examples, 300, 16]));
        let table = b.variable(f(&[10, 3]));
        // The second half of the variables would be zero.
        b.variable(f(&[]));
        let x = b.push(Primitive::Gather { axis: 0 }, &[table, indices]).unwrap();
        let sum_up = Primitive::CumSum { axis: 1, exclusive: false, reverse: false };
        let y = b.push(sum_up.clone(), &[x]).unwrap();
        let y = b.push(sum_up, &[y]).unwrap();
        let none = Primitive::Slice(vec![
            SliceAxis::all(examples),
            SliceAxis { start: 0, len: 0, step: 1 },
            SliceAxis::all(16),
            SliceAxis::all(3),
        ]);
        let none = b.push(none, &[y]).unwrap();
        let zero = common::scalar(&mut b, 0.0);
        let more = Primitive::Compare(Compare::Greater);
        let none = b.push(more, &[none, zero]).unwrap();
        b.finish([y, none], []).unwrap()
    };
    let cpu = Cpu::with_threads(2);
    let whole = program(64);
    let executable = cpu.compile_batch(&whole, &|n| Some(program(n))).unwrap();
    let plan = executable.plan();
    assert!(plan.contains("parts of 64 examples"), "{plan}");
    let common::Buffers { inputs, variables, outputs } =
        common::Buffers::new(&cpu, &whole);
    executable.run(&inputs, &variables, &outputs).unwrap();
    let got = common::read(&cpu, &outputs);
    assert_eq!(got[1].shape(), [64, 0, 16, 3]);
    close(&got[..1], &common::run(&Reference::new(), &whole, 1)[..1]);
}

/// Layers of inputs times numbers that are drawn with all examples along the first axis or the
/// last; then sums along each of them, taken along the first axis or the last.
fn turned(examples: usize, drawn_last: bool, made_last: bool) -> Program {
    let mut b = Builder::new();
    let x = b.input(f(&[examples, 300, 16]));
    let weights = b.variable(f(&[16, 16]));
    b.variable(f(&[]));
    let seed = b.constant(&Tensor::scalar(3_i64));
    let shape = if drawn_last { [300, 16, examples] } else { [examples, 300, 16] };
    let (distribution, dtype) = (Distribution::Uniform, DType::F32);
    let random =
        Primitive::Random { distribution, stream: 5, shape: shape.into(), dtype };
    let mut drawn = b.push(random, &[seed, seed]).unwrap();
    if drawn_last {
        let turn = Primitive::Transpose { permutation: vec![2, 0, 1] };
        drawn = b.push(turn, &[drawn]).unwrap();
    }
    let mut y = common::add(&mut b, Binary::Mul, x, drawn);
    let matmul = Primitive::MatMul { transpose_a: false, transpose_b: false };
    let sum_up = Primitive::CumSum { axis: 1, exclusive: false, reverse: false };
    for _ in 0..4 {
        y = b.push(matmul.clone(), &[y, weights]).unwrap();
        y = b.push(sum_up.clone(), &[y]).unwrap();
    }
    let mut axis = 0;
    if made_last {
        let turn = Primitive::Transpose { permutation: vec![1, 2, 0] };
        y = b.push(turn, &[y]).unwrap();
        y = b.push(sum_up, &[y]).unwrap();
        axis = 2;
    }
    let sum = Primitive::Reduce { reduction: Reduction::Sum, axes: vec![axis] };
    let sums = b.push(sum, &[y]).unwrap();
    let small = common::scalar(&mut b, 1e-9);
    let sums = common::add(&mut b, Binary::Mul, sums, small);
    b.finish([sums], []).unwrap()
}

#[test]
fn values_whose_examples_do_not_come_first_are_not_shared_with_parts() {
    for (drawn_last, made_last) in
        [(false, false), (true, false), (false, true), (true, true)]
    {
        let program = turned(64, drawn_last, made_last);
        let smaller = |examples| Some(turned(examples, drawn_last, made_last));
        let cpu = Cpu::with_threads(2);
        let executable = cpu.compile_batch(&program, &smaller).unwrap();
        let common::Buffers { inputs, variables, outputs } =
            common::Buffers::new(&cpu, &program);
        executable.run(&inputs, &variables, &outputs).unwrap();
        let plan = executable.plan();
        assert_eq!(plan.contains("parts"), !drawn_last && !made_last, "{plan}");
        close(
            &common::read(&cpu, &outputs),
            &common::run(&Reference::new(), &program, 1),
        );
    }
}

#[test]
fn few_examples_and_small_ones_are_computed_at_once() {
    let (_, plan) = run(&Cpu::with_threads(2), &network(15, false), false);
    assert!(!plan.contains("parts"), "{plan}");
    let small = |examples: usize| -> Program {
        let mut b = Builder::new();
        let x = b.input(f(&[examples, 8]));
        let w: Value = b.variable(f(&[8, 8]));
        let matmul = Primitive::MatMul { transpose_a: false, transpose_b: false };
        let y = b.push(matmul, &[x, w]).unwrap();
        b.finish([y], []).unwrap()
    };
    let executable = Cpu::with_threads(2)
        .compile_batch(&small(256), &|examples| Some(small(examples)))
        .unwrap();
    assert!(!executable.plan().contains("parts"), "{}", executable.plan());
}

#[test]
fn the_first_wrong_index_is_an_error_and_the_next_run_is_right() {
    let program = network(64, false);
    for threads in [1, 3] {
        let cpu = Cpu::with_threads(threads);
        let smaller = |examples: usize| Some(network(examples, false));
        let executable = cpu.compile_batch(&program, &smaller).unwrap();
        let common::Buffers { inputs, variables, outputs } =
            common::Buffers::new(&cpu, &program);
        let right = common::read(&cpu, &inputs).remove(0);
        let mut wrong = right.to_vec::<i64>().unwrap();
        let last = wrong.len() - 1;
        (wrong[last], wrong[last / 2]) = (12, 11);
        let wrong = Tensor::new(wrong, [64, 24, 24]).unwrap();
        cpu.write(&wrong, &inputs[0]).unwrap();
        let error = executable.run(&inputs, &variables, &outputs).unwrap_err();
        assert!(error.to_string().contains("got: 11"), "{error}");
        cpu.write(&right, &inputs[0]).unwrap();
        executable.run(&inputs, &variables, &outputs).unwrap();
        close(&common::read(&cpu, &outputs), &run(&Reference::new(), &program, false).0);
    }
}

#[test]
fn parts_are_measured() {
    let cpu = Cpu::with_threads(2).profile(Profile::Table);
    let program = network(64, false);
    let smaller = |examples: usize| Some(network(examples, false));
    let executable = cpu.compile_batch(&program, &smaller).unwrap();
    let common::Buffers { inputs, variables, outputs } =
        common::Buffers::new(&cpu, &program);
    executable.run(&inputs, &variables, &outputs).unwrap();
    let table = executable.profile();
    assert!(table.starts_with("profile: 1 runs"), "{table}");
    let (whole, parts) = table.split_once("profile: 16 runs").unwrap();
    assert!(whole.contains("parts of 64 examples"), "{table}");
    assert!(parts.contains("max_pool") && !whole.contains("max_pool"), "{table}");
}
