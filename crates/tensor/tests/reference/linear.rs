//! The reference backend's primitives: linear.

use deckle_tensor::{Convolution, DType, Primitive, Tensor, bf16};

use super::{check, run, tensor};

fn matmul(transpose_a: bool, transpose_b: bool) -> Primitive {
    Primitive::MatMul { transpose_a, transpose_b }
}

#[test]
fn matrices_multiply_in_every_transposition_and_type() {
    let a = tensor(&[1i32, 2, 3, 4, 5, 6], &[2, 3]);
    let a_t = tensor(&[1i32, 4, 2, 5, 3, 6], &[3, 2]);
    let b = tensor(&[7i32, 8, 9, 10, 11, 12], &[3, 2]);
    let b_t = tensor(&[7i32, 9, 11, 8, 10, 12], &[2, 3]);
    let cases = [
        (false, false, &a, &b),
        (true, false, &a_t, &b),
        (false, true, &a, &b_t),
        (true, true, &a_t, &b_t),
    ];
    for (transpose_a, transpose_b, a, b) in cases {
        for dtype in [
            DType::F32,
            DType::F64,
            DType::I32,
            DType::I64,
            DType::U8,
            DType::U32,
            DType::F16,
            DType::BF16,
        ] {
            let y =
                run(matmul(transpose_a, transpose_b), &[a.cast(dtype), b.cast(dtype)]);
            assert_eq!((y.dtype(), y.shape()), (dtype, &[2, 2][..]));
            // All of them are exact even in bfloat16, which has eight bits.
            assert_eq!(
                y.cast(DType::I32).to_vec::<i32>().unwrap(),
                [58, 64, 139, 154],
                "{dtype}"
            );
        }
    }
}

#[test]
fn batches_of_matrices_broadcast() {
    let a = tensor(&[1.0f32, 2.0, 3.0, 4.0], &[2, 1, 1, 2]);
    let b = tensor(
        &[1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, -1.0, 2.0, 2.0, 2.0, 2.0],
        &[3, 2, 2],
    );
    let expected = [1.0f32, 2.0, 3.0, -1.0, 6.0, 6.0, 3.0, 4.0, 7.0, -1.0, 14.0, 14.0];
    check(matmul(false, false), &[a.clone(), b.clone()], &expected, &[2, 3, 1, 2]);
    let (a, b) = (a.cast(DType::I64), b.cast(DType::I64));
    check(matmul(false, false), &[a, b], &expected.map(|y| y as i64), &[2, 3, 1, 2]);
}

#[test]
fn empty_products_are_zero() {
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
    check(matmul(false, false), &[zeros(&[2, 0]), zeros(&[0, 2])], &[0.0f32; 4], &[2, 2]);
    check::<f32>(matmul(false, false), &[zeros(&[0, 3]), zeros(&[3, 2])], &[], &[0, 2]);
    check::<f32>(
        matmul(false, true),
        &[zeros(&[4, 1, 3]), zeros(&[1, 0, 3])],
        &[],
        &[4, 1, 0],
    );
    check::<f32>(
        matmul(false, true),
        &[zeros(&[0, 1, 3]), zeros(&[1, 2, 3])],
        &[],
        &[0, 1, 2],
    );
}

#[test]
fn bfloat16_products_accumulate_in_f32() {
    let ones = |shape: [usize; 2]| Tensor::full(shape, bf16::from_f32(1.0));
    check(
        matmul(false, false),
        &[ones([1, 1000]), ones([1000, 1])],
        &[bf16::from_f32(1000.0)],
        &[1, 1],
    );
}

fn settings(
    strides: usize,
    padding: (usize, usize),
    dilation: usize,
    groups: usize,
) -> Convolution {
    Convolution {
        strides: vec![strides],
        padding: vec![padding],
        dilation: vec![dilation],
        groups,
    }
}

#[test]
fn convolution_is_a_cross_correlation() {
    let x = tensor(&[1.0f32, 2.0, 3.0, 4.0, 5.0], &[1, 5, 1]);
    let kernel = tensor(&[1.0f32, 10.0, 100.0], &[3, 1, 1]);
    let run = |settings, values: &[f32]| {
        check(
            Primitive::Convolution(settings),
            &[x.clone(), kernel.clone()],
            values,
            &[1, values.len(), 1],
        );
    };
    run(settings(1, (0, 0), 1, 1), &[321.0, 432.0, 543.0]);
    run(settings(2, (0, 0), 1, 1), &[321.0, 543.0]);
    run(settings(1, (1, 1), 1, 1), &[210.0, 321.0, 432.0, 543.0, 54.0]);
    run(settings(1, (2, 0), 1, 1), &[100.0, 210.0, 321.0, 432.0, 543.0]);
    run(settings(1, (0, 0), 2, 1), &[531.0]);
    run(settings(3, (1, 1), 2, 1), &[420.0]);
}

#[test]
fn groups_read_their_own_channels() {
    let x = tensor(&[1.0, 2.0, 3.0, 4.0], &[1, 1, 4]);
    // One cell, two channels per group, two filters: filter 0 reads channels 0 and 1.
    let kernel = tensor(&[1.0, 10.0, 100.0, 1000.0], &[1, 2, 2]);
    check(
        Primitive::Convolution(settings(1, (0, 0), 1, 2)),
        &[x.clone(), kernel],
        &[201.0, 4030.0],
        &[1, 1, 2],
    );
    // Depthwise: each channel with its own two filters.
    let kernel = tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &[1, 1, 8]);
    check(
        Primitive::Convolution(settings(1, (0, 0), 1, 4)),
        &[x, kernel],
        &[1.0, 2.0, 6.0, 8.0, 15.0, 18.0, 28.0, 32.0],
        &[1, 1, 8],
    );
}

#[test]
fn convolution_in_two_dimensions() {
    let x: Vec<f64> = (0..2 * 3 * 4).map(f64::from).collect();
    let x = tensor(&x, &[1, 3, 4, 2]);
    let kernel: Vec<f64> = (1..=2 * 2 * 2).map(f64::from).collect();
    let kernel = tensor(&kernel, &[2, 2, 2, 1]);
    let settings = Convolution {
        strides: vec![1, 2],
        padding: vec![(0, 0), (0, 0)],
        dilation: vec![1, 1],
        groups: 1,
    };
    // NumPy: sum of x[i:i+2, 2j:2j+2] * kernel[..., 0].
    check(
        Primitive::Convolution(settings),
        &[x, kernel],
        &[272.0, 416.0, 560.0, 704.0],
        &[1, 2, 2, 1],
    );
}

#[test]
fn the_adjoints_of_convolution_satisfy_their_definition() {
    // <y(x, k), dy> is linear in x and in k, so both adjoints give the same number.
    let settings = Convolution {
        strides: vec![2, 1],
        padding: vec![(1, 0), (0, 2)],
        dilation: vec![1, 2],
        groups: 2,
    };
    let numbers = |shape: &[usize], scale: f64| {
        let size: usize = shape.iter().product();
        let values: Vec<_> = (0..size).map(|i| (i as f64 * scale).sin()).collect();
        tensor(&values, shape)
    };
    let (x, kernel) = (numbers(&[2, 5, 4, 4], 0.7), numbers(&[2, 2, 2, 6], 1.3));
    let y = run(Primitive::Convolution(settings.clone()), &[x.clone(), kernel.clone()]);
    let dy = numbers(y.shape(), 2.1);
    let dot = |a: &Tensor, b: &Tensor| -> f64 {
        assert_eq!(a.shape(), b.shape());
        a.to_vec::<f64>()
            .unwrap()
            .iter()
            .zip(b.to_vec::<f64>().unwrap())
            .map(|(a, b)| a * b)
            .sum()
    };
    let to_input = Primitive::ConvolutionToInput {
        convolution: settings.clone(),
        spatial: vec![5, 4],
    };
    let dx = run(to_input, &[dy.clone(), kernel.clone()]);
    let to_kernel =
        Primitive::ConvolutionToKernel { convolution: settings, spatial: vec![2, 2] };
    let dkernel = run(to_kernel, &[x.clone(), dy.clone()]);
    let expected = dot(&y, &dy);
    assert!(expected.abs() > 0.1);
    assert!((dot(&x, &dx) - expected).abs() < 1e-12);
    assert!((dot(&kernel, &dkernel) - expected).abs() < 1e-12);
}

#[test]
fn convolution_of_an_empty_batch_is_empty_and_its_kernel_gradient_zero() {
    let (x, dy) =
        (Tensor::zeros(DType::F32, [0, 5, 1]), Tensor::zeros(DType::F32, [0, 3, 2]));
    let kernel = Tensor::full([3, 1, 2], 1.0f32);
    let settings = settings(1, (0, 0), 1, 1);
    check::<f32>(
        Primitive::Convolution(settings.clone()),
        &[x.clone(), kernel],
        &[],
        &[0, 3, 2],
    );
    let to_kernel =
        Primitive::ConvolutionToKernel { convolution: settings, spatial: vec![3] };
    check(to_kernel, &[x, dy], &[0.0f32; 6], &[3, 1, 2]);
}
