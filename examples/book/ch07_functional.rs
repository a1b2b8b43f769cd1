//! Networks that are no stack of layers: section 7.1 of *Deep Learning with Python*.
//!
//! `cargo run --release --example ch07_functional [-- NETWORK]`
//!
//! `qa`: two inputs, a story and a question. `inception`: four ways from one image, joined.
//! `residual`: ways around convolutions. `siamese`: one LSTM reads two images, and says whether
//! they show the same digit. (`functional`, beside this folder, has several outputs.) The
//! book has no figures for these. The images are 10,000 digits of MNIST, from `DECKLE_DATA_DIR` or
//! those that Deckle has with it. The graphs of the networks land in `target/examples/`.

use deckle::{datasets::mnist::Mnist, plot::PlotModel, prelude::*};
use deckle_examples::{choice, picture, report, seed};

const PEOPLE: i64 = 3;
const PLACES: i64 = 5;
const MOVES: usize = 4;

/// Stories of people who go to places; the question is a person, the answer where they are last.
fn stories(count: usize) -> Result<Arrays> {
    let who =
        Tensor::random_integers([count, MOVES], 0..PEOPLE, seed())?.to_vec::<i64>()?;
    let places = Tensor::random_integers([count, MOVES], 0..PLACES, seed() + 100)?;
    let places = places.to_vec::<i64>()?;
    let which = Tensor::random_integers([count], 0..MOVES as i64, seed() + 200)?;
    let (mut texts, mut questions, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for (story, which) in which.to_vec::<i64>()?.into_iter().enumerate() {
        let moves = story * MOVES..(story + 1) * MOVES;
        let asked = who[moves.start + which as usize];
        for at in moves.clone() {
            texts.extend([1 + who[at], 1 + PEOPLE + places[at]]);
        }
        questions.push(1 + asked);
        let last = moves.rev().find(|&at| who[at] == asked);
        answers.push(last.map_or(0, |at| places[at]));
    }
    Ok(Arrays::named(
        [
            ("text", Tensor::new(texts, [count, 2 * MOVES])?),
            ("question", Tensor::new(questions, [count, 1])?),
        ],
        [("answer", Tensor::new(answers, [count])?)],
    )?)
}

fn question_answering() -> Result<Functional> {
    let words = (1 + PEOPLE + PLACES) as usize;
    let text = Symbol::typed_input("text", [2 * MOVES], DType::I64);
    let read_text = Embedding::new(words, 16).apply(&text)?;
    let read_text = LSTM::new(64).apply(&read_text)?;
    let question = Symbol::typed_input("question", [1], DType::I64);
    let read_question = Embedding::new(words, 16).apply(&question)?;
    let read_question = LSTM::new(16).apply(&read_question)?;
    let both = Concatenate::new().join([&read_text, &read_question])?;
    let both = Dense::new(64).activation(Relu).apply(&both)?;
    let answer = Dense::new(PLACES as usize).activation(Softmax);
    Ok(Functional::new([&text, &question], [&answer.named("answer").apply(&both)?]))
}

fn convolution(filters: usize, size: usize) -> Conv2D {
    Conv2D::new(filters, size).padding(Padding::Same).activation(Relu)
}

/// Szegedy et al.: *Going Deeper with Convolutions* (arXiv 1409.4842), figure 2.
fn inception() -> Result<Functional> {
    let image = Symbol::input("image", [28, 28, 1]);
    let x = Rescaling::new(1.0 / 255.0).apply(&image)?;
    let x = convolution(16, 3).apply(&x)?;
    let a = convolution(16, 1).strides(2).apply(&x)?;
    let b = convolution(16, 3).strides(2).apply(&convolution(16, 1).apply(&x)?)?;
    let pool = AveragePooling2D::new(3).strides(2).padding(Padding::Same);
    let c = convolution(16, 3).apply(&pool.apply(&x)?)?;
    let d = convolution(16, 3).apply(&convolution(16, 1).apply(&x)?)?;
    let d = convolution(16, 3).strides(2).apply(&d)?;
    let joined = Concatenate::new().join([&a, &b, &c, &d])?;
    let pooled = MaxPooling2D::new(2).apply(&joined)?;
    let class =
        Dense::new(10).activation(Softmax).apply(&Flatten::new().apply(&pooled)?)?;
    Ok(Functional::new([&image], [&class]))
}

/// He et al.: *Deep Residual Learning for Image Recognition* (arXiv 1512.03385), section 3.2.
fn residual() -> Result<Functional> {
    let image = Symbol::input("image", [28, 28, 1]);
    let x = Rescaling::new(1.0 / 255.0).apply(&image)?;
    let x = convolution(16, 3).apply(&x)?;
    // What is as large as before is added as it is.
    let y = convolution(16, 3).apply(&convolution(16, 3).apply(&x)?)?;
    let x = Add::new().join([&x, &y])?;
    // What becomes smaller goes through a convolution of one pixel.
    let y = convolution(32, 3).apply(&convolution(32, 3).apply(&x)?)?;
    let y = MaxPooling2D::new(2).padding(Padding::Same).apply(&y)?;
    let around = Conv2D::new(32, 1).strides(2).padding(Padding::Same).apply(&x)?;
    let x = Add::new().join([&around, &y])?;
    let pooled = MaxPooling2D::new(2).apply(&x)?;
    let class =
        Dense::new(10).activation(Softmax).apply(&Flatten::new().apply(&pooled)?)?;
    Ok(Functional::new([&image], [&class]))
}

/// One layer, two calls: the same weights read both images, line by line.
fn siamese() -> Result<Functional> {
    let [left, right] = ["left", "right"].map(|name| Symbol::input(name, [28, 28]));
    let read = LSTM::new(64).shared();
    let bright = Rescaling::new(1.0 / 255.0).shared();
    let first = read.apply(&bright.apply(&left)?)?;
    let second = read.apply(&bright.apply(&right)?)?;
    let apart = Subtract::new().join([&first, &second])?;
    let same = Dense::new(64).activation(Relu).apply(&apart)?;
    let same = Dense::new(1).activation(Sigmoid).apply(&same)?;
    Ok(Functional::new([&left, &right], [&same]))
}

/// Pairs of images, half of them of the same class.
fn pairs(data: &Arrays, count: usize) -> Result<Arrays> {
    let labels = data.y()?.cast(DType::I64).to_vec::<i64>()?;
    let drawn = Tensor::random_integers([2 * count], 0..data.len() as i64, seed())?;
    let mut drawn = drawn.to_vec::<i64>()?.into_iter().map(|index| index as usize);
    let (mut left, mut right, mut same) = (Vec::new(), Vec::new(), Vec::new());
    while let (Some(one), Some(start)) = (drawn.next(), drawn.next()) {
        let wanted = same.len() % 2 == 0;
        let others = (start..data.len()).chain(0..start);
        let mut fits = others.filter(|&other| (labels[other] == labels[one]) == wanted);
        left.push(one);
        right.push(fits.next().unwrap_or(start));
        same.push(f32::from(u8::from(wanted)));
    }
    let images =
        |indices: &[usize]| Ok::<_, Error>(data.subset(indices)?.x().cast(DType::F32));
    let x = [images(&left)?, images(&right)?];
    Ok(Arrays::of(x, [Tensor::new(same, [count, 1])?])?)
}

fn train(
    name: &str,
    network: Functional,
    loss: impl Loss + 'static,
    train: &Arrays,
    test: &Arrays,
    epochs: usize,
) -> Result<()> {
    let model = network.name(name).seed(seed()).build()?;
    PlotModel::new().save(&model, picture(&format!("ch07_{name}.png")))?;
    let compile = Compile::new(RmsProp::new(), loss).metric(Accuracy::new());
    let mut trainer = model.compile(compile)?;
    trainer.fit(train, Fit::new().epochs(epochs).batch_size(64).verbose(2))?;
    let accuracy = trainer.evaluate(test)?.get("accuracy").unwrap_or(f64::NAN);
    report(&format!("{name}: test accuracy"), None, accuracy);
    Ok(())
}

fn main() -> Result<()> {
    let data = Mnist::new().load()?;
    println!("{}", data.source);
    let images = |part: &Arrays| {
        part.map_inputs(|x| Ok(x.reshape([x.shape()[0], 28, 28, 1])?.cast(DType::F32)))
    };
    let (known, unknown) = (images(&data.train.take(10_000))?, images(&data.test)?);
    let labels = SparseCategoricalCrossentropy::new;
    let chosen = choice();
    for name in ["qa", "inception", "residual", "siamese"] {
        if chosen.as_ref().is_some_and(|chosen| chosen != name) {
            continue;
        }
        match name {
            "qa" => {
                let (known, unknown) = stories(24_000)?.split(1.0 / 6.0)?;
                train(name, question_answering()?, labels(), &known, &unknown, 60)?;
            }
            "inception" => train(name, inception()?, labels(), &known, &unknown, 5)?,
            "residual" => train(name, residual()?, labels(), &known, &unknown, 5)?,
            _ => {
                let known = pairs(&data.train, 20_000)?;
                let unknown = pairs(&data.test, 2_000)?;
                train(name, siamese()?, BinaryCrossentropy::new(), &known, &unknown, 6)?;
            }
        }
    }
    Ok(())
}
