//! A generative adversarial network: section 8.5 of *Deep Learning with Python*.
//!
//! `DECKLE_DATA_DIR=<folder with mnist/> cargo run --release --example ch08_gan [-- STEPS]`
//!
//! A generator draws digits, a discriminator tells them from real ones, and each learns from the
//! other, in one compiled step. The book draws frogs of 32 pixels and shows some; digits can be
//! judged: a network that we have trained on real digits says how sure it is of each drawing, and
//! whether all ten digits occur. Its judgement of real digits stands beside. Pictures land in
//! `target/examples/`.
//!
//! Radford, Metz, Chintala: *Unsupervised Representation Learning with Deep Convolutional
//! Generative Adversarial Networks* (arXiv 1511.06434).

use deckle::{
    autograd::Compiled,
    data::Order,
    datasets::mnist::Mnist,
    nn::{Call, Randomness},
    optim::OptimizerState,
    plot::Grid,
    prelude::*,
};
use deckle_examples::{choice, picture, report, seed};

const LATENT: usize = 32;
const BATCH: usize = 64;

fn generator(device: &Device) -> Result<Model> {
    let larger = |filters| {
        Conv2DTranspose::new(filters, 4).strides(2).padding(Padding::Same).use_bias(false)
    };
    let model = Sequential::new([LATENT])
        .add(Dense::new(7 * 7 * 64).use_bias(false))
        .add(BatchNormalization::new())
        .add(ReLU::new())
        .add(Reshape::new([7, 7, 64]))
        .add(larger(64))
        .add(BatchNormalization::new())
        .add(ReLU::new())
        .add(larger(32))
        .add(BatchNormalization::new())
        .add(ReLU::new())
        .add(Conv2D::new(1, 5).padding(Padding::Same).activation(Sigmoid))
        .name("generator");
    Ok(model.seed(seed()).device(device).build()?)
}

/// Gives the logit of how real an image is.
fn discriminator(device: &Device) -> Result<Model> {
    let smaller = |filters| Conv2D::new(filters, 5).strides(2).padding(Padding::Same);
    let model = Sequential::new([28, 28, 1])
        .add(smaller(32))
        .add(LeakyReLU::new().negative_slope(0.2))
        .add(smaller(64))
        .add(LeakyReLU::new().negative_slope(0.2))
        .add(Flatten::new())
        .add(Dropout::new(0.3))
        .add(Dense::new(1))
        .name("discriminator");
    Ok(model.seed(seed()).device(device).build()?)
}

/// An optimizer for the weights of a model.
fn optimizer(model: &Model) -> Result<OptimizerState> {
    let weights: Vec<_> =
        model.trainable_weights().map(|weight| weight.variable().clone()).collect();
    let adam = Adam::new().learning_rate(2e-4).beta_1(0.5);
    Ok(OptimizerState::new(adam, &weights, model.group())?)
}

/// The new weights that make a loss smaller.
fn improve(optimizer: &OptimizerState, loss: &Var) -> Result<Vec<(Variable, Var)>> {
    let reads: Vec<_> = optimizer.weights().iter().map(Variable::read).collect();
    let gradients = grad(loss, &reads.iter().collect::<Vec<_>>())?;
    Ok(optimizer.updates(&gradients)?)
}

/// From real images, points to draw at and the step's number: both losses, after which both
/// networks are better.
fn training_step(generator: &Model, discriminator: &Model) -> Result<Compiled> {
    let real = Var::input("real", [BATCH, 28, 28, 1], DType::F32);
    let points = Var::input("points", [BATCH, LATENT], DType::F32);
    let number = Var::input("step", Shape::default(), DType::I64);
    let seed = Var::constant(&Tensor::scalar(seed().cast_signed()));
    let mut call = Call::training(Randomness { seed: &seed, step: &number });

    let drawn = generator.call(std::slice::from_ref(&points), &mut call)?.remove(0);
    let of_real = discriminator.call(std::slice::from_ref(&real), &mut call)?.remove(0);
    let of_drawn = discriminator.call(&[drawn], &mut call)?.remove(0);
    let is = |logits: &Var, label: f64| -> Result<Var> {
        Ok(logits.sigmoid_cross_entropy(&logits.full_like(label)?)?.mean(..)?)
    };
    // The discriminator is not to be too sure: Salimans et al., arXiv 1606.03498, 3.4.
    let told_apart = is(&of_real, 0.9)? + is(&of_drawn, 0.0)?;
    let fooled = is(&of_drawn, 1.0)?;

    let step = Function::new([&real, &points, &number], [&told_apart, &fooled])
        .updates(call.updates().iter().cloned())
        .updates(improve(&optimizer(discriminator)?, &told_apart)?)
        .updates(improve(&optimizer(generator)?, &fooled)?);
    Ok(step.compile(&discriminator.group().device())?)
}

/// A network that knows digits, and its accuracy on test digits.
fn judge(train: &Arrays, test: &Arrays) -> Result<(Model, f64)> {
    let model = Sequential::new([28, 28, 1])
        .add(Conv2D::new(32, 3).activation(Relu))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(64, 3).activation(Relu))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(Dropout::new(0.5))
        .add(Dense::new(10).activation(Softmax))
        .name("judge")
        .seed(seed())
        .build()?;
    let compile = Compile::new(Adam::new(), SparseCategoricalCrossentropy::new());
    let mut trainer = model.compile(compile.metric(Accuracy::new()))?;
    trainer.fit(train, Fit::new().epochs(2).batch_size(128))?;
    let accuracy = trainer.evaluate(test)?.get("accuracy").unwrap_or(f64::NAN);
    Ok((model, accuracy))
}

/// Says how sure the judge is of images, and which digits it sees.
fn judgement(judge: &Model, images: &Tensor, what: &str) -> Result<()> {
    let chances = judge.predict(images)?;
    let sure = chances.max(1)?.to_vec::<f32>()?;
    let mut counts = [0usize; 10];
    for digit in chances.argmax(1)?.to_vec::<i64>()? {
        counts[digit as usize] += 1;
    }
    let len = sure.len() as f64;
    let confidence = sure.iter().map(|&sure| f64::from(sure)).sum::<f64>() / len;
    let certain = sure.iter().filter(|&&sure| sure > 0.9).count() as f64 / len;
    let covered = counts.iter().filter(|&&count| count as f64 >= 0.02 * len).count();
    println!("{what}: {counts:?}");
    report(&format!("{what}: the judge's mean confidence"), None, confidence);
    report(&format!("{what}: share with confidence above 0.9"), None, certain);
    report(&format!("{what}: digits with a share of 0.02 or more"), None, covered as f64);
    Ok(())
}

/// The digits with pixels from 0 to 1.
fn pixels(data: &Arrays) -> Result<Arrays> {
    let images = data.x().cast(DType::F32).reshape([data.len(), 28, 28, 1])?;
    Ok(Arrays::new(&images / 255.0, data.y()?.clone())?)
}

fn main() -> Result<()> {
    let steps: i64 = choice().map_or(6_000, |n| n.parse().expect("a number of steps"));
    let data = Mnist::new().load()?;
    println!("{}", data.source);
    let (train, test) = (pixels(&data.train)?, pixels(&data.test)?);

    let device = Device::new(Cpu::new());
    let (generator, discriminator) = (generator(&device)?, discriminator(&device)?);
    println!("{}\n{}", generator.summary(), discriminator.summary());
    let step = training_step(&generator, &discriminator)?;
    let at = |number: i64, count| {
        let key = seed().wrapping_mul(1 << 32).wrapping_add_signed(number);
        Tensor::random_normal([count, LATENT], 0.0, 1.0, key)
    };

    let (mut order, mut number) = (Order::of(&train), 0);
    for epoch in 0.. {
        order.shuffle(seed(), epoch);
        for indices in order.batches(BATCH)?.filter(|batch| batch.len() == BATCH) {
            let real = train.subset(indices)?.x().clone();
            let losses = step.call(&[real, at(number, BATCH), Tensor::scalar(number)])?;
            number += 1;
            if number % 500 == 0 {
                let [told_apart, fooled] = [0, 1].map(|i| losses[i].item::<f32>());
                println!("step {number}: losses {:.3}, {:.3}", told_apart?, fooled?);
            }
            if number == steps {
                break;
            }
        }
        if number == steps {
            break;
        }
    }

    let drawn = generator.predict(&at(-1, 1_000))?;
    let show = |images: &Tensor, name: &str| -> Result<()> {
        let grid = Grid::new().columns(10).scale(2).image(&images.slice(..100)?)?;
        Ok(grid.save_png(picture(name))?)
    };
    show(&drawn, "ch08_gan.png")?;
    show(test.x(), "ch08_gan_real.png")?;
    let (judge, accuracy) = judge(&train, &test)?;
    report("GAN: the judge's accuracy on test digits", None, accuracy);
    judgement(&judge, &test.x().slice(..1_000)?, "real digits")?;
    judgement(&judge, &drawn, "drawn digits")
}
