//! A convolutional network on MNIST, and what it sees: chapter 5 of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with mnist/> cargo run --release --example ch05_convnet`
//!
//! The book reaches 0.9913 on the 10,000 test digits (section 5.1). Pictures of the training, the
//! model, its mistakes, its filters, what they make of a digit, what each filter looks for, and
//! where the model looks (Grad-CAM; all in section 5.4) land in `target/examples/`.

use deckle::{
    datasets::mnist::Mnist,
    formats::Image,
    nn::Call,
    plot::{self, Grid, PlotModel},
    prelude::*,
    tensor::keep,
    train::ConfusionMatrix,
};
use deckle_examples::{picture, report, seed};

fn main() -> Result<()> {
    let data = Mnist::new().load()?;
    println!("{}", data.source);
    let picture = |name: &str| picture(&format!("ch05_{name}.png"));

    let model = Sequential::new([28, 28])
        .add(Rescaling::new(1.0 / 255.0))
        .add(Reshape::new([28, 28, 1]))
        .add(Conv2D::new(32, [3, 3]).activation(Relu))
        .add(MaxPooling2D::new([2, 2]))
        .add(Conv2D::new(64, [3, 3]).activation(Relu))
        .add(MaxPooling2D::new([2, 2]))
        .add(Conv2D::new(64, [3, 3]).activation(Relu))
        .add(Flatten::new())
        .add(Dense::new(64).activation(Relu))
        .add(Dense::new(10).activation(Softmax))
        .seed(seed())
        .build()?;
    println!("{}", model.summary());
    PlotModel::new().show_shapes(true).save(&model, picture("model"))?;

    let compile = Compile::new(RmsProp::new(), SparseCategoricalCrossentropy::new());
    let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
    let fit = Fit::new().epochs(5).batch_size(64).validation_data(&data.test);
    let history = trainer.fit(&data.train, fit)?;
    plot::history(&history).save(picture("curves"))?;

    let outputs = trainer.predictor()?.batch_size(256).predict_dataset(&data.test)?;
    let matrix = ConfusionMatrix::of(data.test.y()?, &outputs[0])?;
    println!("{matrix}\n{}", matrix.report().digits(4));
    plot::confusion_matrix(&matrix).save(picture("confusion"))?;

    let kernel = model.weight("conv2d/kernel")?.variable().value()?;
    let grid = Grid::new().columns(8).scale(10).stretch(true);
    grid.image(&plot::filters(&kernel)?)?.save_png(picture("filters"))?;

    let digit = data.test.x().slice((0..1,))?;
    let seen = model
        .sub_model(["conv2d"])?
        .predictor()?
        .predict(std::slice::from_ref(&digit))?;
    let grid = Grid::new().columns(8).scale(4).stretch(true).viridis(true);
    grid.image(&plot::activations(&seen[0])?)?.save_png(picture("activations"))?;

    let liked = what_filters_like(&model, "conv2d_2", 64)?;
    let grid = Grid::new().columns(8).scale(2).stretch(true);
    grid.image(&liked)?.save_png(picture("liked"))?;

    let heat = grad_cam(&model, &digit)?;
    let plain = Grid::new().gap(0).scale(10).image(&digit)?;
    plot::overlay(&plain, &heat, 0.5)?.save_png(picture("grad_cam"))?;
    Image::from_tensor(&digit.squeeze([0])?)?.save_png(picture("digit"))?;

    if data.source.is_whole() {
        report("MNIST convnet: test accuracy", 0.9913, matrix.accuracy());
    }
    Ok(())
}

/// For each filter of a layer the image to which it answers most: 40 steps of gradient ascent
/// from gray noise, for all filters at once.
fn what_filters_like(model: &Model, layer: &str, filters: usize) -> Result<Tensor> {
    let seen = model.sub_model([layer])?;
    let images = Var::input("images", [filters, 28, 28], DType::F32);
    let maps =
        seen.call(std::slice::from_ref(&images), &mut Call::inference())?.remove(0);
    // Image number i is for filter number i.
    let own = Var::constant(&Tensor::eye(DType::F32, filters));
    let answer = maps.mean([1, 2])?.mul(&own)?.sum(..)?;
    let slope = grad(&answer, &[&images])?.remove(0);
    // Steps of the same size, however steep it is.
    let size = slope.square()?.mean(keep([1, 2]))?.sqrt()?.add(1e-5)?;
    let next = images.add(&slope.div(&size)?)?;
    let step = Function::new([&images], [&next]).compile(&model.group().device())?;
    let mut images = Tensor::random_uniform([filters, 28, 28], 118.0..138.0, seed());
    for _ in 0..40 {
        images = step.call(&[images])?.remove(0);
    }
    Ok(images)
}

/// Where the last convolution finds what speaks for the class that the model takes a digit for:
/// its channels, each weighted by the mean gradient of that class's score.
///
/// Selvaraju et al.: *Grad-CAM* (arXiv 1610.02391), equations 1 and 2.
fn grad_cam(model: &Model, digit: &Tensor) -> Result<Tensor> {
    let seen = model.sub_model(["conv2d_2", "dense_1"])?;
    let given = Var::input("digit", digit.shape().to_vec(), digit.dtype());
    let [maps, scores] =
        &seen.call(std::slice::from_ref(&given), &mut Call::inference())?[..]
    else {
        unreachable!("two outputs were asked for");
    };
    let best = scores.max(..)?;
    let slope = grad(&best, &[maps])?.remove(0).mean([0, 1, 2])?;
    let heat = maps.mul(&slope)?.mean([0, 3])?.relu()?;
    let heat = Function::new([&given], [&heat]).compile(&model.group().device())?;
    Ok(heat.call(std::slice::from_ref(digit))?.remove(0))
}
