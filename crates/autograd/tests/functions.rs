//! What functions promise about variables, devices, shapes and threads.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use deckle_autograd::{Compiled, Device, Function, Group, Var, Variable, grad};
use deckle_tensor::{
    Backend, Buffer, DType, Dim, Executable, Program, Reference, Result as TensorResult,
    Spec, Tensor,
};

fn variable(name: &str, value: f64) -> Variable {
    Variable::new(name, &Tensor::from(value)).expect("room for a number")
}

#[track_caller]
fn is(variable: &Variable, expected: f64) {
    assert_eq!(variable.value().expect("a value"), Tensor::from(expected));
}

fn text<T: std::fmt::Debug>(result: deckle_autograd::Result<T>) -> String {
    result.expect_err("an error").to_string()
}

/// The reference under a name of its own.
#[derive(Debug)]
struct Named(&'static str, Reference);

impl Backend for Named {
    fn name(&self) -> &str {
        self.0
    }

    fn compile(&self, program: &Program) -> TensorResult<Box<dyn Executable>> {
        self.1.compile(program)
    }

    fn allocate(&self, spec: &Spec) -> TensorResult<Buffer> {
        self.1.allocate(spec)
    }

    fn write(&self, from: &Tensor, to: &Buffer) -> TensorResult<()> {
        self.1.write(from, to)
    }

    fn read(&self, from: &Buffer, to: &mut Tensor) -> TensorResult<()> {
        self.1.read(from, to)
    }
}

fn named(name: &'static str) -> Device {
    Device::new(Named(name, Reference::new()))
}

#[test]
fn two_variables_swap() {
    let (a, b) = (variable("a", 1.0), variable("b", 2.0));
    let swap = Function::new([], []).update(&a, &b.read()).update(&b, &a.read());
    let swap = swap.compile(&a.device()).unwrap();
    swap.call(&[]).unwrap();
    is(&a, 2.0);
    is(&b, 1.0);
    swap.call(&[]).unwrap();
    is(&a, 1.0);
}

#[test]
fn an_output_is_never_the_memory_of_a_variable() {
    let w = variable("w", 1.0);
    let next = w.read() * 2.0;
    // One output is the value from before, one the value after.
    let function = Function::new([], [&w.read(), &next]).update(&w, &next);
    let function = function.compile(&w.device()).unwrap();
    let first = function.call(&[]).unwrap();
    let second = function.call(&[]).unwrap();
    assert_eq!(first, [Tensor::from(1.0), Tensor::from(2.0)]);
    assert_eq!(second, [Tensor::from(2.0), Tensor::from(4.0)]);
    is(&w, 4.0);
}

#[test]
fn an_input_can_be_an_output_and_an_update() {
    let w = variable("w", 1.0);
    let x = Var::input("x", &[][..] as &[usize], DType::F64);
    let function = Function::new([&x], [&x, &x]).update(&w, &x);
    let made = function.compile(&w.device()).unwrap().call(&[Tensor::from(7.0)]).unwrap();
    assert_eq!(made, [Tensor::from(7.0), Tensor::from(7.0)]);
    is(&w, 7.0);
}

#[test]
fn updates_of_another_kind_are_errors() {
    let w = variable("w", 1.0);
    let twice = Function::new([], []).update(&w, &w.read()).update(&w, &w.read());
    assert_eq!(
        text(twice.compile(&w.device())),
        "variable `w` is updated twice by one function\n      help: update it once, with the \
         final value"
    );
    let vector =
        Function::new([], []).update(&w, &Var::constant(&Tensor::from([1.0, 2.0])));
    assert_eq!(
        text(vector.compile(&w.device())),
        "input `update of w` of the function got a tensor of another kind\n  expected: \
         float64 ()\n       got: float64 (2,)"
    );
    assert_eq!(
        text(w.set(&Tensor::from(1.0f32))),
        "input `w` of the function got a tensor of another kind\n  expected: float64 ()\n       \
         got: float32 ()"
    );
    // Whether the shape fits may turn out in the call.
    let x = Var::input("x", [None], DType::F64);
    let v = Variable::new("v", &Tensor::from([1.0, 2.0])).unwrap();
    let function = Function::new([&x], []).update(&v, &x).compile(&v.device()).unwrap();
    assert!(function.call(&[Tensor::from([1.0])]).is_err());
    function.call(&[Tensor::from([5.0, 6.0])]).unwrap();
    assert_eq!(v.value().unwrap(), Tensor::from([5.0, 6.0]));
}

#[test]
fn devices_do_not_mix() {
    let [here, there] = [named("here"), named("there")];
    let a = Group::new(&here).variable("a", &Tensor::from(1.0)).unwrap();
    let b = Group::new(&there).variable("b", &Tensor::from(2.0)).unwrap();
    let sum = a.read() + b.read();
    let both = Function::new([], [&sum]);
    assert_eq!(
        text(both.compile(&here)),
        "variable `b` lives on device `there`, the function runs on `here`\n      help: make it \
         in a Group::new(&device), move it with Group::move_to, or compile for its device"
    );
    assert_eq!(
        text(sum.eval()),
        "variable `b` lives on device `there`, the function runs on `here`\n      help: make it \
         in a Group::new(&device), move it with Group::move_to, or compile for its device"
    );
    let copy = b.to(&here).unwrap();
    let sum = a.read() + copy.read();
    assert_eq!(sum.eval().unwrap(), Tensor::from(3.0));
    b.group().move_to(&here).unwrap();
    let both = both.compile(&here).unwrap();
    assert_eq!(both.call(&[]).unwrap(), [Tensor::from(3.0)]);
    // A compiled function notices that a variable moves.
    b.group().move_to(&there).unwrap();
    assert!(text(both.call(&[])).starts_with("variable `b` lives on device `there`"));
    b.group().move_to(&here).unwrap();
    b.set(&Tensor::from(10.0)).unwrap();
    assert_eq!(both.call(&[]).unwrap(), [Tensor::from(11.0)]);
}

#[test]
fn inputs_of_another_kind_are_named() {
    let x = Var::input("x", [Dim::batch(), 2.into()], DType::F32);
    let y = Var::input("y", [Dim::batch()], DType::F32);
    let function =
        Function::new([&x, &y], [&x, &y]).compile(&Device::reference()).unwrap();
    let call = |x: &[usize], y: &[usize]| {
        text(function.call(&[Tensor::zeros(DType::F32, x), Tensor::zeros(DType::F32, y)]))
    };
    assert_eq!(
        call(&[3, 4], &[3]),
        "input `x` of the function got a tensor of another kind\n  expected: float32 (batch, \
         2)\n       got: float32 (3, 4)"
    );
    assert_eq!(
        call(&[3, 2], &[4]),
        "input `y` of the function got a tensor of another kind\n  expected: float32 (batch,) \
         with batch = 3, as in the inputs before\n       got: float32 (4,)"
    );
    assert_eq!(text(function.call(&[])), "the function takes 2 inputs, not 0");
    assert_eq!(
        text(Function::new([], [&(&x + 1.0)]).compile(&Device::reference())),
        "the function reads input `x`, which it was not given\n      help: name it among the \
         function's inputs"
    );
    assert!(text(x.eval()).starts_with("the function reads input `x`"));
    assert_eq!(
        text(Function::new([&(&x + 1.0)], []).compile(&Device::reference())),
        "Var(add: float32 (batch, 2)) cannot be an input of a function\n      help: make inputs \
         with Var::input"
    );
}

#[test]
fn one_function_takes_every_batch_size() {
    let x = Var::input("x", [None, Some(1)], DType::F64);
    let mean = x.mean(..).unwrap();
    let function = Function::new([&x], [&mean]).compile(&Device::reference()).unwrap();
    for batch in [3, 1, 2, 3] {
        let given = Tensor::filled(DType::F64, [batch, 1], 2.5).unwrap();
        assert_eq!(function.call(&[given]).unwrap(), [Tensor::from(2.5)]);
    }
}

#[test]
fn predicting_beside_training_sees_no_half_of_an_update() {
    let group = Group::new(&Device::reference());
    let [a, b] = ["a", "b"].map(|name| group.variable(name, &Tensor::from(0.0)).unwrap());
    let apart = variable("apart", 0.0);
    let train = Function::new([], [])
        .update(&a, &(a.read() + 1.0))
        .update(&b, &(b.read() - 1.0))
        .update(&apart, &(apart.read() + 1.0))
        .compile(&group.device())
        .unwrap();
    let sum = a.read() + b.read();
    let distance = a.read() - apart.read();
    let predict = Function::new([], [&sum, &distance]).compile(&group.device()).unwrap();
    let done = AtomicBool::new(false);
    let watch = |predict: &Compiled| {
        let mut calls = 0;
        while !done.load(Ordering::Relaxed) || calls == 0 {
            assert_eq!(
                predict.call(&[]).unwrap(),
                [Tensor::from(0.0), Tensor::from(0.0)]
            );
            calls += 1;
        }
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| watch(&predict));
        }
        let trainers =
            [scope.spawn(|| (0..200).for_each(|_| drop(train.call(&[]).unwrap())))];
        (0..200).for_each(|_| drop(train.call(&[]).unwrap()));
        for trainer in trainers {
            trainer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    is(&a, 400.0);
    is(&b, -400.0);
}

#[test]
fn a_variable_is_one_node_however_often_it_is_read() {
    let w = variable("w", 3.0);
    let loss = w.read() * w.read();
    let dw = grad(&loss, &[&w.read()]).unwrap().remove(0);
    assert_eq!(dw.eval().unwrap(), Tensor::from(6.0));
    let other = variable("v", 1.0);
    assert_eq!(
        text(grad(&loss, &[&other.read()])),
        "the loss does not depend on variable `v`\n      help: leave it out, or check that it is \
         used on the way to the loss"
    );
}

#[test]
fn a_chain_of_a_million_nodes_is_differentiated_and_drops() {
    let x = Var::scalar(DType::F32, 1.0);
    let mut y = x.clone();
    for _ in 0..1_000_000 {
        y = y.add(&x).unwrap();
    }
    // A stack of 1 MiB would not hold a frame for each node.
    let small = thread::Builder::new().stack_size(1 << 20);
    let done = small.spawn(move || drop((grad(&y, &[&x]).unwrap(), y)));
    done.unwrap().join().unwrap();
}

#[test]
fn a_long_chain_is_differentiated_and_run_without_recursion() {
    let x = Var::input("x", &[][..] as &[usize], DType::F64);
    let mut y = x.clone();
    for _ in 0..100_000 {
        y = y.add(&x).unwrap();
    }
    let dx = grad(&y, &[&x]).unwrap().remove(0);
    let call = Function::new([&x], [&y, &dx]).compile(&Device::reference()).unwrap();
    let made = call.call(&[Tensor::from(0.5)]).unwrap();
    assert_eq!(made, [Tensor::from(50_000.5), Tensor::from(100_001.0)]);
    // A stack of 1 MiB would not hold a frame for each node.
    let small =
        thread::Builder::new().stack_size(1 << 20).spawn(move || drop((y, dx, call)));
    small.unwrap().join().unwrap();
}
