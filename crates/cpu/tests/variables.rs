//! What a run does to variables, and who may use a buffer meanwhile.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::{
    Barrier,
    atomic::{AtomicBool, Ordering},
};

use deckle_cpu::Cpu;
use deckle_tensor::{
    Backend, Binary, Buffer, Builder, DType, Primitive, Program, Reference, Spec, Tensor,
};

mod common;

fn buffer(cpu: &Cpu, tensor: &Tensor) -> Buffer {
    let buffer = cpu.allocate(&tensor.spec()).unwrap();
    cpu.write(tensor, &buffer).unwrap();
    buffer
}

fn floats(values: &[f32]) -> Tensor {
    Tensor::new(values, [values.len()]).unwrap()
}

fn spec(len: usize) -> Spec {
    Spec::new(DType::F32, [len])
}

fn values(cpu: &Cpu, buffers: &[Buffer]) -> Vec<Vec<f32>> {
    common::read(cpu, buffers).iter().map(|tensor| tensor.to_vec().unwrap()).collect()
}

#[test]
fn variables_swap_and_the_output_sees_the_old_values() {
    let cpu = Cpu::with_threads(2);
    let mut b = Builder::new();
    let (x, y) = (b.variable(spec(2)), b.variable(spec(2)));
    let program = b.finish([x], [(0, y), (1, x)]).unwrap();
    let executable = cpu.compile(&program).unwrap();
    let variables =
        [buffer(&cpu, &floats(&[1.0, 2.0])), buffer(&cpu, &floats(&[3.0, 4.0]))];
    let output = [cpu.allocate(&spec(2)).unwrap()];
    executable.run(&[], &variables, &output).unwrap();
    assert_eq!(values(&cpu, &variables), [[3.0, 4.0], [1.0, 2.0]]);
    assert_eq!(values(&cpu, &output), [[1.0, 2.0]]);
}

#[test]
fn new_values_read_the_old_ones_in_any_order() {
    // x <- x + y, y <- x·y, z <- the reverse of x: element-wise and not.
    let cpu = Cpu::with_threads(1);
    let mut b = Builder::new();
    let [x, y, _] = [0; 3].map(|_| b.variable(spec(3)));
    let sum = common::add(&mut b, Binary::Add, x, y);
    let product = common::add(&mut b, Binary::Mul, x, y);
    let back = deckle_tensor::SliceAxis { start: 2, len: 3, step: -1 };
    let reverse = b.push(Primitive::Slice(vec![back]), &[x]).unwrap();
    let program = b.finish([sum], [(0, sum), (1, product), (2, reverse)]).unwrap();
    let executable = cpu.compile(&program).unwrap();
    let variables = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [0.0; 3]];
    let variables = variables.map(|v| buffer(&cpu, &floats(&v)));
    let output = [cpu.allocate(&spec(3)).unwrap()];
    executable.run(&[], &variables, &output).unwrap();
    let expected = [[5.0, 7.0, 9.0], [4.0, 10.0, 18.0], [3.0, 2.0, 1.0]];
    assert_eq!(values(&cpu, &variables), expected);
    assert_eq!(values(&cpu, &output), [[5.0, 7.0, 9.0]]);
}

#[test]
fn an_index_out_of_range_changes_no_variable() {
    let cpu = Cpu::with_threads(2);
    let mut b = Builder::new();
    let indices = b.input(Spec::new(DType::I64, [1]));
    let (x, _) = (b.variable(spec(2)), b.variable(spec(1)));
    let one = common::scalar(&mut b, 1.0);
    let next = common::add(&mut b, Binary::Add, x, one);
    b.set_path(&"embedding".into());
    let found = b.push(Primitive::Gather { axis: 0 }, &[next, indices]).unwrap();
    let program = b.finish([], [(0, next), (1, found)]).unwrap();
    let executable = cpu.compile(&program).unwrap();
    let variables = [buffer(&cpu, &floats(&[1.0, 2.0])), buffer(&cpu, &floats(&[0.0]))];
    let index = [buffer(&cpu, &Tensor::new([2_i64], [1]).unwrap())];
    let error = executable.run(&index, &variables, &[]).unwrap_err();
    let text = "`gather` in `embedding`: index out of range\n  expected: 0 <= index < 2\n       got: 2";
    assert_eq!(error.to_string(), text);
    assert_eq!(values(&cpu, &variables), [vec![1.0, 2.0], vec![0.0]]);
    cpu.write(&Tensor::new([1_i64], [1]).unwrap(), &index[0]).unwrap();
    executable.run(&index, &variables, &[]).unwrap();
    assert_eq!(values(&cpu, &variables), [vec![2.0, 3.0], vec![3.0]]);
}

/// `y = x + v`, and `v <- y` if `update`.
fn sum(update: bool) -> Program {
    let mut b = Builder::new();
    let (x, v) = (b.input(spec(3)), b.variable(spec(3)));
    let y = common::add(&mut b, Binary::Add, x, v);
    let updates: &[_] = if update { &[(0, y)] } else { &[] };
    b.finish([y], updates).unwrap()
}

#[test]
fn a_buffer_is_read_twice_but_never_written_and_read() {
    let cpu = Cpu::with_threads(1);
    let both = [buffer(&cpu, &floats(&[1.0, 2.0, 3.0]))];
    let output = [cpu.allocate(&spec(3)).unwrap()];
    let reading = cpu.compile(&sum(false)).unwrap();
    reading.run(&both, &both, &output).unwrap();
    assert_eq!(values(&cpu, &output), [[2.0, 4.0, 6.0]]);
    let in_use = "`run`: cannot take this input\n  expected: buffers of this backend that \
                  nobody uses\n       got: a buffer in use as output 0\n      help: wait for \
                  the other run, or give each output a buffer of its own";
    let error = reading.run(&both, &output, &both).unwrap_err();
    assert_eq!(error.to_string(), in_use);
    let updating = cpu.compile(&sum(true)).unwrap();
    assert!(updating.run(&both, &both, &output).is_err());
    // An error gives back what was taken before it.
    let other = [cpu.allocate(&spec(3)).unwrap()];
    updating.run(&output, &both, &other).unwrap();
    assert_eq!(values(&cpu, &both), [[3.0, 6.0, 9.0]]);
}

#[test]
fn buffers_of_others_and_of_other_shapes_are_refused() {
    let cpu = Cpu::with_threads(1);
    let executable = cpu.compile(&sum(false)).unwrap();
    let good = || cpu.allocate(&spec(3)).unwrap();
    let foreign = Reference::new().allocate(&spec(3)).unwrap();
    assert!(
        executable.run(std::slice::from_ref(&foreign), &[good()], &[good()]).is_err()
    );
    assert!(cpu.write(&floats(&[1.0; 3]), &foreign).is_err());
    let short = cpu.allocate(&spec(2)).unwrap();
    let error = executable.run(&[short], &[good()], &[good()]).unwrap_err().to_string();
    assert!(error.contains("expected: float32 (3,) as input 0"), "{error}");
    assert!(executable.run(&[], &[good()], &[good()]).is_err());
}

#[test]
fn runs_at_once_do_not_disturb_each_other() {
    let cpu = Cpu::with_threads(2);
    let program = common::recurrent(6, 4, 16);
    let expected = common::run(&cpu, &program, 1);
    let executable = cpu.compile(&program).unwrap();
    let shared = common::Buffers::new(&cpu, &program);
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let own = common::Buffers::new(&cpu, &program);
                barrier.wait();
                for _ in 0..50 {
                    let inputs = &shared.inputs;
                    executable.run(inputs, &shared.variables, &own.outputs).unwrap();
                    let got = common::read(&cpu, &own.outputs);
                    assert_eq!(got, expected[..got.len()]);
                }
            });
        }
    });
}

#[test]
fn nobody_sees_a_half_written_variable() {
    let cpu = Cpu::with_threads(2);
    let len = 100_000;
    let mut b = Builder::new();
    let v = b.variable(spec(len));
    let one = common::scalar(&mut b, 1.0);
    let next = common::add(&mut b, Binary::Add, v, one);
    let program = b.finish([], [(0, next)]).unwrap();
    let executable = cpu.compile(&program).unwrap();
    let variable = [cpu.allocate(&spec(len)).unwrap()];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut runs = 0;
            while runs < 200 {
                // In use while the other thread reads.
                runs += u32::from(executable.run(&[], &variable, &[]).is_ok());
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut seen = Tensor::scalar(0.0_f32);
        while !done.load(Ordering::SeqCst) {
            if cpu.read(&variable[0], &mut seen).is_ok() {
                let seen = seen.to_vec::<f32>().unwrap();
                assert!(seen.iter().all(|&x| x.to_bits() == seen[0].to_bits()));
            }
        }
    });
}

/// A tensor shows the memory of an output; the next run does not write there.
#[test]
fn borrowed_results_stay_as_they_are() {
    let cpu = Cpu::with_threads(1);
    let mut b = Builder::new();
    let x = b.input(spec(3));
    let twice = b.push(Primitive::Binary(Binary::Add), &[x, x]).unwrap();
    let executable = cpu.compile(&b.finish([twice], []).unwrap()).unwrap();
    let mut outputs = [cpu.allocate(&spec(3)).unwrap()];
    let mut run = |x: f32| {
        cpu.reclaim(&mut outputs[0]).unwrap();
        executable.run(&[buffer(&cpu, &floats(&[x, 0.0, 1.0]))], &[], &outputs).unwrap();
        cpu.borrow(&mut outputs[0]).unwrap()
    };
    let first = run(1.0);
    let (mut second, view) = (run(2.0), first.slice((1..,)).unwrap());
    drop(first);
    let place = second.as_bytes().unwrap().as_ptr();
    second.make_mut::<f32>()[1] = 7.0;
    // `view` keeps the memory of `first`; that of `second` was left when it changed.
    let third = run(3.0);
    assert_eq!(third.as_bytes().unwrap().as_ptr(), place);
    assert_eq!(view, floats(&[0.0, 2.0]));
    assert_eq!(second, floats(&[4.0, 7.0, 2.0]));
    assert_eq!(third, floats(&[6.0, 0.0, 2.0]));
    // Without `reclaim` it is in use.
    let x = buffer(&cpu, &floats(&[0.0; 3]));
    assert!(executable.run(&[x], &[], &outputs).is_err());
    assert_eq!(third, floats(&[6.0, 0.0, 2.0]));
}

#[test]
fn another_backend_of_the_processor_uses_the_same_memory() {
    let [cpu, other] = [1, 2].map(Cpu::with_threads);
    let kept = buffer(&cpu, &floats(&[1.0, 2.0]));
    assert!(other.accepts(&kept));
    let mut b = Builder::new();
    let x = b.variable(spec(2));
    let twice = common::add(&mut b, Binary::Add, x, x);
    let program = b.finish([], [(0, twice)]).unwrap();
    other.compile(&program).unwrap().run(&[], std::slice::from_ref(&kept), &[]).unwrap();
    assert_eq!(values(&cpu, &[kept]), [[2.0, 4.0]]);
    // Memory of another kind is not.
    let foreign = Reference::new().allocate(&spec(2)).unwrap();
    assert!(!cpu.accepts(&foreign));
    assert!(!Reference::new().accepts(&buffer(&cpu, &floats(&[1.0]))));
}
