//! The plan of MNIST's training step: how many instructions, and the arena's bytes.

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
