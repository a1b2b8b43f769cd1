//! The promises of a backend.

use deckle_cpu::Cpu;
use deckle_tensor::{
    Backend, Builder, DType, Primitive, Spec, Tensor,
    conformance::{Family, check_family},
};

#[track_caller]
fn check(family: Family) {
    for threads in 1..4 {
        if let Err(report) = check_family(&Cpu::with_threads(threads), family) {
            panic!("on {threads} threads: {report}");
        }
    }
}

macro_rules! families {
    ($($name:ident $family:ident,)*) => {$(
        #[test]
        fn $name() {
            check(Family::$family);
        }
    )*};
}

families! {
    element_wise ElementWise,
    reductions Reductions,
    matrix_products MatMul,
    convolution Convolution,
    pooling Pooling,
    indexing Indexing,
    layout Layout,
    random Random,
    scan Scan,
    chains Chains,
    semantics Semantics,
    contract Contract,
}

/// Few rows, and many; parts without a row; one output, and more than there are parts.
#[test]
fn rows_are_added_to_in_the_order_of_the_indices() {
    for (outer, len, inner) in
        [(1, 3, 5), (1, 100, 33), (3, 9, 1), (8, 4, 2), (9, 1, 3), (2, 5, 0)]
    {
        let count = 700;
        let mut b = Builder::new();
        let indices = b.input(Spec::new(DType::I32, [count]));
        let updates = b.input(Spec::new(DType::F32, [outer, count, inner]));
        let scatter = Primitive::ScatterAdd { axis: 1, len };
        let sum = b.push(scatter, &[indices, updates]).unwrap();
        let program = b.finish([sum], []).unwrap();
        let numbers: Vec<i32> = (0..count).map(|i| (i * i % len) as i32).collect();
        let shape = [outer, count, inner];
        let added = Tensor::random_uniform(shape, -1.0..1.0, 1);
        let mut expected = vec![0.0f32; outer * len * inner];
        for (at, &added) in added.as_slice::<f32>().unwrap().iter().enumerate() {
            let (row, column) = (at / inner, at % inner);
            let to = row / count * len + numbers[row % count] as usize;
            expected[to * inner + column] += added;
        }
        let given = [Tensor::new(numbers, [count]).unwrap(), added];
        for threads in [1, 2, 3, 8] {
            let cpu = Cpu::with_threads(threads);
            let inputs = given.each_ref().map(|x| cpu.adopt(x.clone()).unwrap());
            let spec = Spec::new(DType::F32, [outer, len, inner]);
            let to = [cpu.allocate(&spec).unwrap()];
            cpu.compile(&program).unwrap().run(&inputs, &[], &to).unwrap();
            let mut sums = Tensor::zeros(DType::F32, [0]);
            cpu.read(&to[0], &mut sums).unwrap();
            let sums = sums.to_vec::<f32>().unwrap();
            assert_eq!(sums, expected, "{outer} {len} {inner} {threads}");
        }
    }
}
