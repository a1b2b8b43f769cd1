//! Plans of training steps: how many instructions, what they join, and the arena's bytes.

use deckle::prelude::*;

#[test]
fn a_dense_layer_is_one_instruction_and_so_is_the_optimizer() {
    let model = Sequential::new([784])
        .add(Dense::new(512).activation(Relu))
        .add(Dense::new(10).activation(Softmax))
        .build()
        .unwrap();
    let labels: Vec<i64> = (0..128).map(|i| i % 10).collect();
    let x = Tensor::random_uniform([128, 784], 0.0..1.0, 1);
    let data = Arrays::new(x, Tensor::new(labels, [128]).unwrap()).unwrap();
    let compile = Compile::new(RmsProp::new(), SparseCategoricalCrossentropy::new());
    let device = Device::new(Cpu::with_threads(2));
    let mut trainer = model.compile(compile.device(&device)).unwrap();
    let plan = trainer.plan(&data, 128).unwrap();
    let lines: Vec<&str> = plan.lines().collect();

    // Forward: product, bias and activation of each layer in one pass.
    assert!(lines[0].contains("matmul + add + maximum"), "{plan}");
    assert!(lines[0].contains("(128, 784) x (784, 512)"), "{plan}");
    assert!(lines[1].contains("matmul + add:"), "{plan}");
    assert!(lines[1].contains("(128, 512) x (512, 10)"), "{plan}");
    // Two products forward, and three back: none to the data.
    assert_eq!(lines.iter().filter(|line| line.contains("matmul")).count(), 5, "{plan}");
    // All weights, all slots, the step's count and the loss's sum: one pass.
    assert_eq!(
        lines.iter().filter(|line| line.contains("variable")).count(),
        1,
        "{plan}"
    );
    // The gradients by both kernels, the hidden activations, and little else.
    assert!(lines.contains(&"arena 2206848 bytes, peak 2206848 bytes"), "{plan}");
}

#[test]
fn a_gradient_that_is_reduced_is_masked_in_the_pass_that_reduces_it() {
    let normalized = |model: Sequential| {
        let model = model.add(Conv2D::new(8, 3).use_bias(false));
        model
            .add(BatchNormalization::new())
            .add(deckle::nn::layers::Activation::new(Relu))
    };
    let model = normalized(normalized(Sequential::new([12, 12, 3])));
    let model = model.add(Conv2DTranspose::new(4, 3).activation(Relu)).build().unwrap();
    let x = Tensor::random_uniform([4, 12, 12, 3], 0.0..1.0, 1);
    let y = Tensor::zeros(DType::F32, [4, 10, 10, 4]);
    let data = Arrays::new(x, y).unwrap();
    let compile = Compile::new(Sgd::new(), MeanSquaredError::new());
    let device = Device::new(Cpu::with_threads(2));
    let mut trainer = model.compile(compile.device(&device)).unwrap();
    let plan = trainer.plan(&data, 4).unwrap();
    let back: Vec<_> =
        plan.lines().filter(|l| l.contains("convolution_to_input")).collect();
    // The last layer finishes bias and activation in the convolution.
    assert!(back[0].contains("convolution_to_input + add + maximum"), "{plan}");
    // Batch normalization's sums are of the masked gradient.
    assert_eq!(back.len(), 2, "{plan}");
    assert!(back[1].contains("convolution_to_input:"), "{plan}");
    let masked = |line: &str| line.contains("greater") && line.contains("sum + sum");
    assert_eq!(plan.lines().filter(|line| masked(line)).count(), 1, "{plan}");
}

#[test]
fn loops_multiply_their_inputs_themselves() {
    let layers: [(_, LayerHandle); 4] = [
        ("lstm", LSTM::new(8).into()),
        ("gru", GRU::new(8).into()),
        ("gru, reset before", GRU::new(8).reset_after(false).into()),
        ("simple_rnn", SimpleRNN::new(8).into()),
    ];
    for (name, layer) in layers {
        let model = Sequential::new([7, 5]).add(layer).build().unwrap();
        let x = Tensor::random_uniform([32, 7, 5], 0.0..1.0, 1);
        let data = Arrays::new(x, Tensor::zeros(DType::F32, [32, 8])).unwrap();
        let compile = Compile::new(Sgd::new(), MeanSquaredError::new());
        let device = Device::new(Cpu::with_threads(2));
        let mut trainer = model.compile(compile.device(&device)).unwrap();
        let plan = trainer.plan(&data, 32).unwrap();
        assert!(!plan.contains("matmul"), "{name}: {plan}");
    }
}
