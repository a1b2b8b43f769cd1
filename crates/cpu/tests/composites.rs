//! Composites by kernels of their own, and by their bodies.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeMap, sync::Arc};

use deckle_cpu::Cpu;
use deckle_tensor::{
    Attribute, Backend, Binary, Builder, Composite, DType, Primitive, Program, Reduction,
    Spec, Tensor, Unary, conformance::check_composite, random::Draw,
};

/// `softmax` or `log_softmax` of rows.
fn softmax(name: &str, dtype: DType, shape: [usize; 2]) -> Program {
    let [rows, _] = shape;
    let spec = Spec::new(dtype, shape);
    let mut b = Builder::new();
    let x = b.input(spec.clone());
    let reduced = |b: &mut Builder, reduction, x| {
        let y = b.push(Primitive::Reduce { reduction, axes: vec![1] }, &[x]).unwrap();
        b.push(Primitive::Reshape { shape: vec![rows, 1] }, &[y]).unwrap()
    };
    let largest = reduced(&mut b, Reduction::Max, x);
    let shifted = b.push(Primitive::Binary(Binary::Sub), &[x, largest]).unwrap();
    let exp = b.push(Primitive::Unary(Unary::Exp), &[shifted]).unwrap();
    let sum = reduced(&mut b, Reduction::Sum, exp);
    let y = if name == "softmax" {
        b.push(Primitive::Binary(Binary::Div), &[exp, sum]).unwrap()
    } else {
        let log = b.push(Primitive::Unary(Unary::Log), &[sum]).unwrap();
        b.push(Primitive::Binary(Binary::Sub), &[shifted, log]).unwrap()
    };
    let body = Arc::new(b.finish([y], []).unwrap());
    let attributes = BTreeMap::from([("axis".to_owned(), Attribute::Int(1))]);
    let composite = Composite { name: name.into(), attributes, body };
    let mut b = Builder::new();
    let x = b.input(spec);
    let y = b.push_composite(composite, &[x]).unwrap();
    b.finish(y, []).unwrap()
}

#[test]
fn rows_of_any_length_agree_with_the_bodies() {
    for name in ["softmax", "log_softmax"] {
        for (dtype, shape) in [
            (DType::F32, [3, 1500]),
            (DType::F64, [2, 1025]),
            (DType::F32, [4, 1024]),
            (DType::F32, [5, 7]),
        ] {
            let draw = Draw::new(3, 1, 0);
            let size = (shape[0] * shape[1]) as u64;
            let x: Vec<f64> = (0..size).map(|i| 5.0 * draw.normal(i)).collect();
            let x = Tensor::new(x, shape).unwrap().cast(dtype);
            let program = softmax(name, dtype, shape);
            for threads in 1..4 {
                let cpu = Cpu::with_threads(threads);
                check_composite(&cpu, &program, std::slice::from_ref(&x)).unwrap();
            }
        }
    }
}

#[test]
fn a_switch_says_whether_kernels_are_used() {
    let plan = |shape, composites| {
        let cpu = Cpu::with_threads(1).composites(composites);
        cpu.compile(&softmax("softmax", DType::F32, shape)).unwrap().plan()
    };
    let by_kernel = "  0  softmax -> float32 (3, 1500)  @ output 0";
    assert!(plan([3, 1500], true).starts_with(by_kernel));
    assert!(!plan([3, 1500], false).contains("softmax"));
    // Short rows are one pass by the body.
    let by_body =
        "  0  max + subtract + exp + sum + divide -> float32 (3, 15)  @ output 0";
    assert!(plan([3, 15], true).starts_with(by_body));
}
