//! Loops over sequences: values, gradients, lengths, errors.

use deckle_autograd::{
    Device, Error, Function, Padding, Result, Var, check_gradients, check_rejections,
    grad, scan,
};
use deckle_tensor::{DType, Dim, Operation, Primitive, Tensor};

/// Numbers without pattern, from -1 to 1, in that shape.
fn ramp(shape: &[usize]) -> Tensor {
    let size = shape.iter().product::<usize>();
    let values = (0..size).map(|i| ((i * 37 + 11) % 64) as f64 / 32.0 - 0.98);
    Tensor::new(values.collect::<Vec<_>>(), shape).expect("as many elements")
}

/// A recurrent layer: `h = tanh(x · kernel + h · recurrent + bias)`. Inputs: sequence, first
/// state, kernel, recurrent kernel, bias; results: all states and the last one.
fn recurrent(inputs: &[Var], reverse: bool) -> Result<Vec<Var>> {
    let [x, h, kernel, recurrent, bias] = inputs else { unreachable!("five inputs") };
    let done = scan(&[h], &[x], reverse, |carries, steps| {
        let sum = steps[0].matmul(kernel)?.add(&carries[0].matmul(recurrent)?)?;
        let h = sum.add(bias)?.tanh()?;
        Ok((vec![h.clone()], vec![h]))
    })?;
    Ok([done.results, done.carries].concat())
}

fn weights(steps: usize) -> [Tensor; 5] {
    let bias = Tensor::from([0.3, -0.2, 0.1]);
    [ramp(&[steps, 2, 2]), ramp(&[2, 3]), ramp(&[2, 3]), ramp(&[3, 3]), bias]
}

#[test]
fn recurrent_gradients_are_right_for_every_length_and_direction() {
    for steps in [0, 1, 3] {
        for reverse in [false, true] {
            check_gradients(|x| recurrent(x, reverse), &weights(steps)).unwrap();
        }
    }
}

#[test]
fn wrong_rules_are_noticed() {
    check_rejections(|x| recurrent(x, false), &weights(2)).unwrap();
}

#[test]
fn of_no_steps_the_carries_are_those_given() {
    let inputs: Vec<_> = weights(0).iter().map(Var::constant).collect();
    let made = recurrent(&inputs, false).unwrap();
    assert_eq!(made[0].eval().unwrap().shape(), [0, 2, 3]);
    assert_eq!(made[1].eval().unwrap(), ramp(&[2, 3]));
}

#[test]
fn results_keep_the_order_of_the_sequence() {
    let x = Var::constant(&Tensor::from([1.0, 2.0, 3.0]));
    let zero = Var::scalar(DType::F64, 0.0);
    let sums = |reverse| {
        let done = scan(&[&zero], &[&x], reverse, |carries, steps| {
            let sum = carries[0].add(&steps[0])?;
            Ok((vec![sum.clone()], vec![sum, steps[0].clone()]))
        });
        done.unwrap().results
    };
    assert_eq!(sums(false)[0].eval().unwrap(), Tensor::from([1.0, 3.0, 6.0]));
    assert_eq!(sums(true)[0].eval().unwrap(), Tensor::from([6.0, 5.0, 3.0]));
    assert_eq!(sums(true)[1].eval().unwrap(), Tensor::from([1.0, 2.0, 3.0]));
}

#[test]
fn gradients_by_matrices_are_one_product_over_all_steps() {
    let x = Var::input("x", [5, 2, 4], DType::F64);
    let kernel = Var::input("kernel", [4, 4], DType::F64);
    let h = Var::zeros(DType::F64, [2, 4]).unwrap();
    let done = scan(&[&h], &[&x], false, |carries, steps| {
        let h = carries[0].matmul(&kernel)?.add(&steps[0])?.tanh()?;
        Ok((vec![h], vec![]))
    });
    let loss = done.unwrap().carries[0].sum(..).unwrap();
    let dw = grad(&loss, &[&kernel]).unwrap().remove(0);
    let call = Function::new([&x, &kernel], [&dw]).compile(&Device::reference()).unwrap();
    let specs = [ramp(&[5, 2, 4]).spec(), ramp(&[4, 4]).spec()];
    let shown = call.program(&specs).unwrap().to_string();
    // Outside of both loops.
    assert_eq!(shown.matches("matmul(").count(), 1, "{shown}");
    assert_eq!(shown.matches("scan(").count(), 2, "{shown}");
}

/// A recurrent layer of images, of which gates are parts of one convolution. Inputs: sequence,
/// first state, kernel, recurrent kernel; results: all states and the last one.
fn convolved(inputs: &[Var]) -> Result<Vec<Var>> {
    let [x, h, kernel, recurrent] = inputs else { unreachable!("four inputs") };
    let done = scan(&[h], &[x], false, |carries, steps| {
        let conv = |x: &Var, kernel| x.conv(kernel, &[1], &Padding::Same, &[1], 1);
        let h = &carries[0];
        let sum = conv(&steps[0], kernel)?.add(&conv(&h.mul(h)?, recurrent)?)?;
        let parts = sum.split(2, -1)?;
        let next = parts[0].sigmoid()?.mul(h)?.add(&parts[1].tanh()?)?;
        Ok((vec![next.clone()], vec![next]))
    })?;
    Ok([done.results, done.carries].concat())
}

#[test]
fn gradients_of_convolutions_are_right_for_every_length() {
    let weights = [ramp(&[2, 1, 2]), ramp(&[3, 1, 2])];
    for steps in [0, 1, 3] {
        let [kernel, recurrent] = weights.clone();
        let inputs = [ramp(&[steps, 2, 3, 1]), ramp(&[2, 3, 1]), kernel, recurrent];
        check_gradients(convolved, &inputs).unwrap();
    }
}

#[test]
fn what_is_made_of_products_is_not_made_again() {
    let shapes: [&[usize]; 4] = [&[5, 2, 3, 1], &[2, 3, 1], &[2, 1, 2], &[3, 1, 2]];
    let specs = shapes.map(|shape| ramp(shape).spec());
    let inputs = shapes.map(|shape| Var::input("x", shape, DType::F64));
    let loss = convolved(&inputs).unwrap()[1].sum(..).unwrap();
    let wrt: Vec<_> = inputs.iter().collect();
    let found = grad(&loss, &wrt).unwrap();
    let call = Function::new(wrt, &found).compile(&Device::reference()).unwrap();
    let program = call.program(&specs).unwrap();
    assert_eq!(program.to_string().matches("convolution_to_kernel(").count(), 2);
    let loops = program.instructions().iter().filter_map(|one| match &one.operation {
        Operation::Primitive(Primitive::Scan(scan)) => Some(scan.body.to_string()),
        _ => None,
    });
    let [forward, back] = &loops.collect::<Vec<_>>()[..] else { panic!("two loops") };
    let count = |body: &str, name: &str| body.matches(&format!("= {name}(")).count();
    assert_eq!(count(forward, "convolution"), 2, "{forward}");
    assert_eq!(count(back, "convolution_to_input"), 2, "{back}");
    for name in ["convolution", "convolution_to_kernel", "sigmoid", "tanh", "pad"] {
        assert_eq!(count(back, name), 0, "{back}");
    }
}

#[test]
fn what_is_carried_twice_is_carried_once() {
    let twice = |x: &[Var]| {
        let (h, other) = (&x[1], &x[2]);
        let done = scan(&[h, h, h, other, h], &[&x[0]], false, |carries, steps| {
            let next = carries[1].mul(&steps[0])?.sin()?;
            let last = carries[4].add(&next)?;
            Ok((vec![next.clone(), next.clone(), next.clone(), next, last], vec![]))
        })?;
        Ok(done.carries)
    };
    for steps in [0, 1, 3] {
        let inputs = [ramp(&[steps, 2]), ramp(&[2]), Tensor::from([0.3, -0.7])];
        check_gradients(twice, &inputs).unwrap();
        let vars = inputs.map(|x| Var::constant(&x));
        let made = twice(&vars).unwrap();
        assert!(made[0].is_same(&made[1]) && made[2].is_same(&made[1]));
        let last = |place: usize| made[place].eval().unwrap();
        let expected = if steps == 0 { vars[2].eval().unwrap() } else { last(1) };
        assert_eq!(last(3), expected);
        let sum = vars[1].eval().unwrap();
        assert!(steps != 1 || last(4) == sum.add(&last(1)).unwrap());
    }
}

#[test]
fn loops_in_loops_are_differentiated() {
    // For each row: h = Σ sin(h · x) over the row, scaled by a number from outside of both.
    let nested = |x: &[Var]| {
        let done = scan(&[&x[1]], &[&x[0]], false, |outer, row| {
            let inner = scan(&[&outer[0]], &[&row[0]], true, |h, x_ij| {
                let next = h[0].mul(&x_ij[0])?.sin()?.add(&outer[0].mul(&x[2])?)?;
                Ok((vec![next.clone()], vec![next]))
            })?;
            let row = inner.results[0].sum(..)?;
            Ok((inner.carries, vec![row]))
        })?;
        Ok([done.carries, done.results].concat())
    };
    let inputs = [ramp(&[2, 3]), Tensor::from(0.7), Tensor::from(0.4)];
    check_gradients(nested, &inputs).unwrap();
}

#[test]
fn masked_steps_keep_their_state() {
    let step = |x: &[Var]| {
        let done = scan(&[&x[1]], &[&x[0], &x[2]], false, |h, steps| {
            let next = h[0].mul(&steps[0])?.add(&steps[0])?;
            let next = steps[1].expand_dims(-1)?.select(&next, &h[0])?;
            Ok((vec![next], vec![]))
        })?;
        Ok(done.carries)
    };
    let mask = Tensor::from([[true, false], [true, true], [false, false]]);
    let inputs = [ramp(&[3, 2, 2]), ramp(&[2, 2]), mask];
    check_gradients(step, &inputs).unwrap();
    let vars: Vec<_> = inputs.iter().map(Var::constant).collect();
    let last = step(&vars).unwrap().remove(0).eval().unwrap();
    let (x, h) = (&vars[0], &vars[1]);
    let one = |h: Var, t: isize, row: isize| {
        let x = x.slice((t, row)).unwrap();
        (&h * &x) + x
    };
    let first = one(one(h.slice(0).unwrap(), 0, 0), 1, 0);
    let second = one(h.slice(1).unwrap(), 1, 1);
    let expected = Var::stack(&[first, second], 0).unwrap().eval().unwrap();
    assert!(last.allclose(&expected, 1e-12, 1e-12).unwrap());
}

#[test]
fn the_number_of_steps_may_be_unknown() {
    let time = |rest: &[usize]| {
        let rest = rest.iter().map(|&len| Dim::Known(len));
        let dims: Vec<_> = [Dim::symbol("time")].into_iter().chain(rest).collect();
        Var::input("x", dims, DType::F64)
    };
    let x = time(&[2, 2]);
    let rest: Vec<_> = weights(1)[1..].iter().map(Var::constant).collect();
    let inputs = [std::slice::from_ref(&x), &rest[..]].concat();
    let states = recurrent(&inputs, false).unwrap().remove(0);
    assert_eq!(states.shape().to_string(), "(time, 2, 3)");
    let loss = states.square().unwrap().mean(..).unwrap();
    let found = grad(&loss, &[&x, &inputs[3]]).unwrap();
    let call = Function::new([&x], [&loss, &found[0], &found[1]]);
    let call = call.compile(&Device::reference()).unwrap();
    for steps in [3, 0, 1] {
        let made = call.call(&[ramp(&[steps, 2, 2])]).unwrap();
        assert_eq!(made[1].shape(), [steps, 2, 2]);
        let fixed: Vec<_> = weights(steps).iter().map(Var::constant).collect();
        let states = recurrent(&fixed, false).unwrap().remove(0);
        let loss = states.square().unwrap().mean(..).unwrap();
        let expected = grad(&loss, &[&fixed[3]]).unwrap().remove(0).eval().unwrap();
        if steps > 0 {
            assert!(made[2].allclose(&expected, 1e-12, 1e-12).unwrap());
        }
    }
}

#[test]
fn whole_numbers_may_go_from_step_to_step() {
    // Position-dependent: a counter selects which weight is used.
    let counted = |x: &[Var]| {
        let zero = Var::scalar(DType::I64, 0.0);
        let start = Var::scalar(DType::F64, 1.0);
        let done = scan(&[&zero, &start], &[&x[0]], false, |carries, steps| {
            let weight = x[1].gather(0, &carries[0])?;
            let chosen = carries[0].one_hot(3, DType::F64)?.mul(&x[1])?.sum(..)?;
            let h = carries[1].mul(&weight)?.add(&steps[0])?.mul(&chosen)?;
            Ok((vec![carries[0].add(1)?, h.clone()], vec![h]))
        })?;
        Ok(vec![done.carries[1].clone(), done.results[0].clone()])
    };
    check_gradients(counted, &[ramp(&[3]), Tensor::from([0.5, -1.5, 2.0])]).unwrap();
}

#[test]
fn a_gradient_through_whole_numbers_is_named() {
    // The largest element's place decides the next step: greedy decoding.
    let x = Var::constant(&ramp(&[4, 3]));
    let zero = Var::scalar(DType::I64, 0.0);
    let done = scan(&[&zero], &[&x], false, |carries, steps| {
        let known = carries[0].cast(DType::F64)?;
        let next = steps[0].mul(&known)?.argmax(0)?;
        Ok((vec![next], vec![known.mul(&steps[0])?]))
    });
    let loss = done.unwrap().results[0].sum(..).unwrap();
    let error = grad(&loss, &[&x]).unwrap_err();
    assert!(matches!(&error, Error::NoGradient { op, .. } if op == "argmax"), "{error}");
}

#[test]
fn a_first_value_made_of_whole_numbers_is_named() {
    let x = Var::constant(&ramp(&[4]));
    let start = x.argmax(0).unwrap();
    let done = scan(&[&start], &[&x], false, |carries, steps| {
        let known = carries[0].cast(DType::F64)?;
        Ok((vec![carries[0].clone()], vec![known.mul(&steps[0])?]))
    });
    let loss = done.unwrap().results[0].sum(..).unwrap();
    let error = grad(&loss, &[&x]).unwrap_err();
    assert!(matches!(&error, Error::NoGradient { op, .. } if op == "argmax"), "{error}");
}

#[test]
fn errors_say_what_to_do() {
    let text = |error: Error| error.to_string();
    let x = Var::input("x", [3, 2], DType::F64);
    let y = Var::input("y", [4], DType::F64);
    assert_eq!(
        text(scan(&[], &[], false, |_, _| Ok((vec![], vec![]))).unwrap_err()),
        "a scan needs a sequence, whose length is the number of steps"
    );
    assert_eq!(
        text(scan(&[], &[&x, &y], false, |_, _| Ok((vec![], vec![]))).unwrap_err()),
        "a scan over sequences of shapes (3, 2) and (4,)\n      help: give all sequences the \
         same first axis"
    );
    let scalar = Var::scalar(DType::F64, 0.0);
    assert!(scan(&[], &[&scalar], false, |_, _| Ok((vec![], vec![]))).is_err());
    assert_eq!(
        text(scan(&[&scalar], &[&x], false, |_, _| Ok((vec![], vec![]))).unwrap_err()),
        "a scan's step returns 0 carries for 1\n      help: return each carry once, in their \
         order"
    );
    let grown =
        scan(&[&scalar], &[&x], false, |_, steps| Ok((vec![steps[0].clone()], vec![])));
    assert_eq!(
        text(grown.unwrap_err()),
        "a scan's step makes a carry of float64 (2,) from one of float64 ()\n      help: return \
         the carries in their order, with the same shapes and element types"
    );
}
