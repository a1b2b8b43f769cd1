//! What a backend promises besides numbers: buffers, errors, threads.

use std::sync::Arc;

use super::{
    Suite,
    case::{Case, buffer, outputs, read, run},
    data::{Domain, Draft, values},
};
use crate::{
    Binary, Buffer, DType, Primitive, Reduction, Result, Spec, Tensor, Unary,
    random::Draw,
};

const DOMAIN: Domain = Domain::Between(-2.0, 2.0);

/// Notes what is wrong; an error of the backend is wrong, too.
type Check = fn(&mut Suite<'_>) -> Result<()>;

pub(super) fn check(suite: &mut Suite<'_>) {
    let checks: [(&str, Check); 8] = [
        ("buffers hold values", buffers),
        ("writing and reading", copies),
        ("lending and releasing", loans),
        ("borrowing and reclaiming", borrowed),
        ("buffers that do not fit a run", misfits),
        ("inputs stay as they are", inputs),
        ("repeated runs", repetitions),
        ("concurrent runs", threads),
    ];
    for (name, check) in checks {
        if let Err(error) = check(suite) {
            suite.expect(name, false, format_args!("failed: {error}"));
        }
    }
}

fn some(spec: &Spec) -> Tensor {
    values(spec, DOMAIN, Draw::new(3, 1, 4))
}

fn buffers(suite: &mut Suite<'_>) -> Result<()> {
    let backend = suite.backend;
    let shapes: [&[usize]; 5] = [&[], &[1], &[0, 3], &[3, 5], &[1000]];
    for dtype in DType::ALL {
        for shape in shapes {
            let spec = Spec::new(dtype, shape);
            let name = format!("buffer {spec}");
            let buffer = backend.allocate(&spec)?;
            suite.expect(&name, buffer.spec() == &spec, "has another spec");
            let zeros = Tensor::zeros(dtype, shape);
            suite.expect(
                &name,
                read(backend, &buffer)?.bits_equal(&zeros),
                "is not all zero",
            );
            let tensor = some(&spec);
            backend.write(&tensor, &buffer)?;
            suite.expect(
                &name,
                read(backend, &buffer)?.bits_equal(&tensor),
                "lost its values",
            );
            // Another tensor is replaced, whatever it was.
            let mut other = Tensor::zeros(DType::U8, [2]);
            backend.read(&buffer, &mut other)?;
            suite.expect(
                &name,
                other.bits_equal(&tensor),
                "is not read into another tensor",
            );
        }
    }
    Ok(())
}

fn copies(suite: &mut Suite<'_>) -> Result<()> {
    let backend = suite.backend;
    let spec = Spec::new(DType::F32, [3, 5]);
    let tensor = some(&spec);
    let view = tensor.view(vec![5, 3], vec![1, 5], 0);
    let turned = buffer(backend, &view)?;
    suite.expect(
        "writing a view",
        read(backend, &turned)?.bits_equal(&view),
        "moves values",
    );

    let place = buffer(backend, &tensor)?;
    let mut seen = read(backend, &place)?;
    backend.write(&Tensor::zeros(DType::F32, [3, 5]), &place)?;
    suite.expect("what was read", seen.bits_equal(&tensor), "changes with the buffer");
    let kept = seen.clone();
    backend.read(&place, &mut seen)?;
    suite.expect("a clone of what was read", kept.bits_equal(&tensor), "changes");

    for other in [Spec::new(DType::F32, [5, 3]), Spec::new(DType::I32, [3, 5])] {
        let result = backend.write(&some(&other), &place);
        suite.expect("writing another spec", result.is_err(), "is no error");
    }
    let foreign = Buffer::new(spec, Arc::new("nobody's memory"));
    suite.expect(
        "writing foreign memory",
        backend.write(&tensor, &foreign).is_err(),
        "is no error",
    );
    let result = backend.read(&foreign, &mut tensor.clone());
    suite.expect("reading foreign memory", result.is_err(), "is no error");
    Ok(())
}

fn loans(suite: &mut Suite<'_>) -> Result<()> {
    let backend = suite.backend;
    let shapes: [&[usize]; 4] = [&[], &[0, 3], &[3, 5], &[64, 16]];
    for shape in shapes {
        let spec = Spec::new(DType::F32, shape);
        let name = format!("lending {spec}");
        let (mut tensor, mut place) = (some(&spec), backend.allocate(&spec)?);
        let memory = tensor.make_mut::<f32>().as_ptr();
        for round in 0..3 {
            backend.lend(&tensor, &mut place)?;
            suite.expect(
                &name,
                read(backend, &place)?.bits_equal(&tensor),
                "shows other values",
            );
            // Whoever changes the tensor meanwhile changes a copy.
            let mut changed = tensor.clone();
            changed.make_mut::<f32>().fill(round as f32);
            suite.expect(
                &name,
                read(backend, &place)?.bits_equal(&tensor),
                "changes with a clone of the tensor",
            );
            backend.release(&mut place);
        }
        let stays = tensor.make_mut::<f32>().as_ptr() == memory;
        suite.expect(&name, stays, "keeps the tensor's memory after the release");
        let other = Tensor::zeros(DType::F32, shape);
        backend.write(&other, &place)?;
        suite.expect(
            &name,
            read(backend, &place)?.bits_equal(&other),
            "cannot be written after the release",
        );
    }
    // A second handle keeps a buffer as it is: it can only be written.
    let spec = Spec::new(DType::F32, [64]);
    let mut place = backend.allocate(&spec)?;
    let handle = place.clone();
    backend.lend(&some(&spec), &mut place)?;
    suite.expect(
        "lending to one of two handles",
        read(backend, &handle)?.bits_equal(&some(&spec)),
        "does not reach the other",
    );
    let result = backend.lend(&Tensor::zeros(DType::I32, [64]), &mut place);
    suite.expect("lending another spec", result.is_err(), "is no error");
    Ok(())
}

fn borrowed(suite: &mut Suite<'_>) -> Result<()> {
    let backend = suite.backend;
    let shapes: [&[usize]; 4] = [&[], &[0, 3], &[3, 5], &[64, 16]];
    for shape in shapes {
        let spec = Spec::new(DType::F32, shape);
        let name = format!("borrowing {spec}");
        let mut place = backend.allocate(&spec)?;
        let (values, zeros) = (some(&spec), Tensor::zeros(DType::F32, shape));
        backend.write(&values, &place)?;
        let first = backend.borrow(&mut place)?;
        let second = backend.borrow(&mut place)?;
        let same = |tensor: &Tensor| tensor.bits_equal(&values);
        suite.expect(&name, same(&first) && same(&second), "gives other values");
        suite.expect(&name, same(&read(backend, &place)?), "changes the buffer");
        backend.reclaim(&mut place)?;
        backend.write(&zeros, &place)?;
        suite.expect(&name, same(&first), "changes what was borrowed before a write");
        suite.expect(
            &name,
            read(backend, &place)?.bits_equal(&zeros),
            "cannot be written after `reclaim`",
        );
        // Of what a buffer shows.
        backend.lend(&values, &mut place)?;
        let shown = backend.borrow(&mut place)?;
        suite.expect(&name, same(&shown), "gives other values than those it shows");
        backend.reclaim(&mut place)?;
        backend.release(&mut place);
        backend.write(&zeros, &place)?;
        suite.expect(&name, same(&shown), "changes what was borrowed of another tensor");
    }
    // Of one of two handles.
    let spec = Spec::new(DType::F32, [64]);
    let mut place = backend.allocate(&spec)?;
    backend.write(&some(&spec), &place)?;
    let handle = place.clone();
    let tensor = backend.borrow(&mut place)?;
    backend.write(&Tensor::zeros(DType::F32, [64]), &handle)?;
    suite.expect(
        "borrowing from one of two handles",
        tensor.bits_equal(&some(&spec)),
        "changes with the other",
    );
    Ok(())
}

/// `y = x + v`, and `v` becomes `y`.
fn sum_case(name: &str) -> Case {
    let mut draft = Draft::new(name);
    let x = draft.input(DType::F32, &[3], DOMAIN);
    let v = draft.variable(DType::F32, &[3], DOMAIN);
    let y = draft.push(Primitive::Binary(Binary::Add), &[x, v]);
    draft.finish_with(&[y], &[(0, y)])
}

fn misfits(suite: &mut Suite<'_>) -> Result<()> {
    let backend = suite.backend;
    let case = sum_case("misfits");
    let executable = backend.compile(&case.program)?;
    let _ = executable.plan();
    let x = buffer(backend, &case.inputs[0])?;
    let v = buffer(backend, &case.variables[0])?;
    let y = backend.allocate(&Spec::new(DType::F32, [3]))?;
    let wrong = backend.allocate(&Spec::new(DType::F32, [4]))?;
    let typed = backend.allocate(&Spec::new(DType::I32, [3]))?;
    let foreign = Buffer::new(Spec::new(DType::F32, [3]), Arc::new(0u8));
    let list =
        |buffers: &[&Buffer]| buffers.iter().map(|&b| b.clone()).collect::<Vec<_>>();
    let runs = [
        ("no input", list(&[]), list(&[&v]), list(&[&y])),
        ("two inputs", list(&[&x, &x]), list(&[&v]), list(&[&y])),
        ("no variable", list(&[&x]), list(&[]), list(&[&y])),
        ("no output", list(&[&x]), list(&[&v]), list(&[])),
        ("an input of another shape", list(&[&wrong]), list(&[&v]), list(&[&y])),
        ("an input of another type", list(&[&typed]), list(&[&v]), list(&[&y])),
        ("a variable of another shape", list(&[&x]), list(&[&wrong]), list(&[&y])),
        ("an output of another shape", list(&[&x]), list(&[&v]), list(&[&wrong])),
        ("an output of another type", list(&[&x]), list(&[&v]), list(&[&typed])),
        ("a foreign input", list(&[&foreign]), list(&[&v]), list(&[&y])),
        ("a foreign variable", list(&[&x]), list(&[&foreign]), list(&[&y])),
        ("a foreign output", list(&[&x]), list(&[&v]), list(&[&foreign])),
        ("an output that is an input", list(&[&x]), list(&[&v]), list(&[&x])),
        ("an output that is a variable", list(&[&x]), list(&[&v]), list(&[&v])),
    ];
    for (what, inputs, variables, outputs) in runs {
        let name = format!("a run with {what}");
        let result = executable.run(&inputs, &variables, &outputs);
        suite.expect(&name, result.is_err(), "is no error");
        let unchanged = read(backend, &v)?.bits_equal(&case.variables[0]);
        suite.expect(&name, unchanged, "changes the variable");
    }
    // After all those errors, a good run works.
    executable.run(&[x], &[v], &[y])
}

fn inputs(suite: &mut Suite<'_>) -> Result<()> {
    let backend = suite.backend;
    let mut draft = Draft::new("inputs stay as they are");
    let x = draft.input(DType::F32, &[33], DOMAIN);
    let read_only = draft.variable(DType::F32, &[33], DOMAIN);
    let sum = draft.push(Primitive::Binary(Binary::Add), &[x, read_only]);
    let y = draft.push(Primitive::Unary(Unary::Exp), &[sum]);
    let case = draft.finish(&[y]);
    let executable = backend.compile(&case.program)?;
    let x = buffer(backend, &case.inputs[0])?;
    let v = buffer(backend, &case.variables[0])?;
    let y = outputs(backend, &case.program)?;
    executable.run(std::slice::from_ref(&x), std::slice::from_ref(&v), &y)?;
    let same = read(backend, &x)?.bits_equal(&case.inputs[0]);
    suite.expect("an input", same, "changes in a run");
    let same = read(backend, &v)?.bits_equal(&case.variables[0]);
    suite.expect("a variable without an update", same, "changes in a run");
    Ok(())
}

/// Sums, products and random numbers, whose bits may depend on order.
fn sensitive_case() -> Case {
    let mut draft = Draft::new("sensitive");
    let x = draft.input(DType::F32, &[97, 131], DOMAIN);
    let w = draft.input(DType::F32, &[131, 67], DOMAIN);
    let matmul = Primitive::MatMul { transpose_a: false, transpose_b: false };
    let y = draft.push(matmul, &[x, w]);
    let e = draft.push(Primitive::Unary(Unary::Tanh), &[y]);
    let rows =
        draft.push(Primitive::Reduce { reduction: Reduction::Sum, axes: vec![0] }, &[e]);
    let all = Primitive::Reduce { reduction: Reduction::Sum, axes: vec![0, 1] };
    let total = draft.push(all, &[x]);
    let running = Primitive::CumSum { axis: 1, exclusive: false, reverse: false };
    let running = draft.push(running, &[x]);
    let at = draft.input(DType::I64, &[97], Domain::Below(5));
    let scattered = draft.push(Primitive::ScatterAdd { axis: 0, len: 5 }, &[at, x]);
    draft.finish(&[y, rows, total, running, scattered])
}

fn repetitions(suite: &mut Suite<'_>) -> Result<()> {
    let backend = suite.backend;
    let case = sensitive_case();
    let executable = backend.compile(&case.program)?;
    let first = run(backend, &case.program, &*executable, &case.inputs, &[])?;
    let other = backend.compile(&case.program)?;
    for executable in [&executable, &executable, &other] {
        let again = run(backend, &case.program, &**executable, &case.inputs, &[])?;
        let same = first.outputs.iter().zip(&again.outputs).all(|(a, b)| a.bits_equal(b));
        suite.expect("a run that is repeated", same, "gives other bits");
    }
    // Runs with the same buffers, as in training: the variable moves on by x each time.
    let case = sum_case("repeated update");
    let executable = backend.compile(&case.program)?;
    let x = buffer(backend, &Tensor::full([3], 0.5f32))?;
    let v = buffer(backend, &Tensor::zeros(DType::F32, [3]))?;
    let y = outputs(backend, &case.program)?;
    for _ in 0..3 {
        executable.run(std::slice::from_ref(&x), std::slice::from_ref(&v), &y)?;
    }
    let expected = Tensor::full([3], 1.5f32);
    suite.expect(
        "three updates",
        read(backend, &v)?.bits_equal(&expected),
        "do not add up",
    );
    suite.expect(
        "three updates",
        read(backend, &y[0])?.bits_equal(&expected),
        "lose an output",
    );
    Ok(())
}

/// One executable on four threads at once, with shared inputs.
fn threads(suite: &mut Suite<'_>) -> Result<()> {
    if cfg!(target_family = "wasm") {
        return Ok(());
    }
    let backend = suite.backend;
    let case = sensitive_case();
    let executable = backend.compile(&case.program)?;
    let expected = run(backend, &case.program, &*executable, &case.inputs, &[])?;
    let inputs = case
        .inputs
        .iter()
        .map(|tensor| buffer(backend, tensor))
        .collect::<Result<Vec<_>>>()?;
    let worker = || -> Result<bool> {
        let outputs = outputs(backend, &case.program)?;
        let mut same = true;
        for _ in 0..8 {
            executable.run(&inputs, &[], &outputs)?;
            for (output, expected) in outputs.iter().zip(&expected.outputs) {
                same &= read(backend, output)?.bits_equal(expected);
            }
        }
        Ok(same)
    };
    let results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    for result in results {
        match result {
            Ok(same) => suite.expect("four threads at once", same?, "give other bits"),
            Err(_) => suite.expect("four threads at once", false, "panic"),
        }
    }
    Ok(())
}
