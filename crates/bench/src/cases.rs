//! The workloads: model, loss, optimizer and a fixed batch of random data.

use clap::Args;
use deckle::{
    nn::{self, Built, Call, Init, Inputs, Layer, expect},
    optim::AnyOptimizer,
    prelude::*,
};
use serde::{Deserialize, Serialize};

/// So small that nothing converges: on a fitted batch, what is measured would change.
pub(crate) const LEARNING_RATE: f64 = 1e-6;

/// All workloads.
pub(crate) const NAMES: [&str; 10] = [
    "mnist_mlp",
    "imdb_mlp",
    "reuters_mlp",
    "mlp_big",
    "mnist_cnn",
    "cifar_resnet",
    "lstm_imdb",
    "gru_jena",
    "conv1d_imdb",
    "transformer",
];

pub(crate) struct Case {
    pub(crate) model: Model,
    pub(crate) compile: Compile,
    pub(crate) data: Arrays,
    pub(crate) batch: usize,
}

/// How a workload differs from its headline form.
#[derive(Args, Default)]
pub(crate) struct Variant {
    /// Units of the wide layers
    #[arg(long)]
    units: Option<usize>,
    /// Filters of the convolutions
    #[arg(long)]
    filters: Option<usize>,
    /// Time steps of sequences
    #[arg(long)]
    steps: Option<usize>,
    /// Groups of the convolutions but the first
    #[arg(long, default_value_t = 1)]
    groups: usize,
    /// Share of non-zeros in the inputs of the text models
    #[arg(long, default_value_t = 0.02)]
    non_zeros: f32,
    /// Recurrent layers skip the steps where the id is 0
    #[arg(long)]
    mask: bool,
    /// Recurrent layers give all steps; their mean is what follows
    #[arg(long)]
    return_sequences: bool,
    /// Dropout of recurrent states
    #[arg(long, default_value_t = 0.0)]
    recurrent_dropout: f64,
}

/// Random numbers in [0, 1), a different sequence for each `seed`.
fn uniform(shape: &[usize], seed: u64) -> Tensor {
    Tensor::random_uniform(shape, 0.0..1.0, seed)
}

fn labels(batch: usize, classes: usize) -> Result<Tensor> {
    let values: Vec<i64> = (0..batch).map(|i| (i * 7 % classes) as i64).collect();
    Ok(Tensor::new(values, [batch])?)
}

/// `(batch, 1)`, 0 or 1.
fn yes_or_no(batch: usize) -> Result<Tensor> {
    Ok(labels(batch, 2)?.reshape([batch, 1])?.cast(DType::F32))
}

/// In the memory of the random numbers, so that what a program has is what training needs.
fn multi_hot(batch: usize, share: f32) -> Tensor {
    let mut x = uniform(&[batch, 10_000], 1);
    x.make_mut::<f32>().iter_mut().for_each(|x| *x = f32::from(u8::from(*x < share)));
    x
}

/// Ids of words below 10,000, `(batch, steps)`.
fn words(batch: usize, steps: usize) -> Result<Tensor> {
    let numbers = uniform(&[batch, steps], 1).to_vec::<f32>()?;
    let ids: Vec<i32> = numbers.iter().map(|x| (x * 10_000.0) as i32).collect();
    Ok(Tensor::new(ids, [batch, steps])?)
}

fn conv2d(filters: usize) -> Conv2D {
    Conv2D::new(filters, 3).activation(Relu)
}

fn mnist_cnn(variant: &Variant) -> Sequential {
    let filters = variant.filters.unwrap_or(32);
    Sequential::new([28, 28, 1])
        .add(conv2d(filters))
        .add(MaxPooling2D::new(2))
        .add(conv2d(2 * filters).groups(variant.groups))
        .add(MaxPooling2D::new(2))
        .add(conv2d(2 * filters).groups(variant.groups))
        .add(Flatten::new())
        .add(Dense::new(64).activation(Relu))
        .add(Dense::new(10).activation(Softmax))
}

/// ResNet-20 for images of 32 × 32: He et al., *Deep Residual Learning* (2015), section 4.2,
/// with projections where shapes change.
fn cifar_resnet(variant: &Variant) -> Result<Functional> {
    let conv = |x: &Symbol, filters: usize, kernel: usize, strides: usize, groups| {
        let conv = Conv2D::new(filters, kernel).strides(strides).padding(Padding::Same);
        let y = conv.groups(groups).use_bias(false).apply(x)?;
        BatchNormalization::new().apply(&y)
    };
    let relu = || nn::layers::Activation::new(Relu);
    let image = Symbol::input("image", [32, 32, 3]);
    let first = variant.filters.unwrap_or(16);
    let mut x = relu().apply(&conv(&image, first, 3, 1, 1)?)?;
    let mut before = first;
    for filters in [first, 2 * first, 4 * first] {
        for _ in 0..3 {
            let strides = if filters == before { 1 } else { 2 };
            let short = if filters == before {
                x.clone()
            } else {
                conv(&x, filters, 1, strides, 1)?
            };
            let y = relu().apply(&conv(&x, filters, 3, strides, variant.groups)?)?;
            let y = conv(&y, filters, 3, 1, variant.groups)?;
            x = relu().apply(&Add::new().join([&y, &short])?)?;
            before = filters;
        }
    }
    let x = GlobalAveragePooling2D::new().apply(&x)?;
    let y = Dense::new(10).activation(Softmax).apply(&x)?;
    Ok(Functional::new([&image], [&y]))
}

/// Adds a learned vector to each place of a sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Positions {}

impl Layer for Positions {
    fn class_name(&self) -> &'static str {
        "Positions"
    }

    fn output_shape(&self, inputs: &[Shape]) -> nn::Result<Vec<Shape>> {
        Ok(vec![expect::one_input(inputs)?.clone()])
    }

    fn build(&self, inputs: &[Shape], init: &mut Init<'_>) -> nn::Result<Box<dyn Built>> {
        let shape = [expect::known(&inputs[0], 1)?, expect::known(&inputs[0], 2)?];
        let places = init.variable("places", shape, &Initializer::GlorotUniform)?;
        Ok(Box::new(BuiltPositions(places)))
    }
}

#[derive(Debug)]
struct BuiltPositions(Variable);

impl Built for BuiltPositions {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> nn::Result<Vec<Var>> {
        Ok(vec![inputs.only()?.add(&call.read(&self.0))?])
    }
}

/// Two encoder blocks: Vaswani et al., *Attention Is All You Need* (2017), section 3.1.
fn transformer(steps: usize, width: usize) -> Result<Functional> {
    let words = Symbol::typed_input("words", [steps], DType::I32);
    let mut x = Positions {}.apply(&Embedding::new(10_000, 128).apply(&words)?)?;
    for _ in 0..2 {
        let attended = MultiHeadAttention::new(4, 32).join([&x, &x])?;
        let sum = Add::new().join([&x, &attended])?;
        x = LayerNormalization::new().apply(&sum)?;
        let wide = Dense::new(width).activation(Relu).apply(&x)?;
        let sum = Add::new().join([&x, &Dense::new(128).apply(&wide)?])?;
        x = LayerNormalization::new().apply(&sum)?;
    }
    let x = GlobalAveragePooling1D::new().apply(&x)?;
    let y = Dense::new(1).activation(Sigmoid).apply(&x)?;
    Ok(Functional::new([&words], [&y]))
}

/// Adds a recurrent layer, its mean over time if it gives all steps.
macro_rules! recurrent {
    ($model:expr, $layer:ident, $variant:expr) => {{
        let layer = $layer::new($variant.units.unwrap_or(32))
            .return_sequences($variant.return_sequences)
            .recurrent_dropout($variant.recurrent_dropout);
        let model = $model.add(layer);
        if $variant.return_sequences {
            model.add(GlobalAveragePooling1D::new())
        } else {
            model
        }
    }};
}

/// The workload of that name.
pub(crate) fn case(name: &str, batch: Option<usize>, variant: &Variant) -> Result<Case> {
    let steps = |default| variant.steps.unwrap_or(default);
    let units = |default| variant.units.unwrap_or(default);
    let dense = |units: usize| Dense::new(units).activation(Relu);
    let rms_prop = || AnyOptimizer::from(RmsProp::new().learning_rate(LEARNING_RATE));
    let built = |model: Sequential| model.seed(1).build();
    let rows = |default| batch.unwrap_or(default);
    let sparse = || nn::AnyLoss::from(SparseCategoricalCrossentropy::new());
    let binary = || nn::AnyLoss::from(BinaryCrossentropy::new());
    let sigmoid = || Dense::new(1).activation(Sigmoid);
    let (model, optimizer, loss, x, y) = match name {
        "mnist_mlp" => {
            let model = Sequential::new([784]).add(dense(units(512)));
            let model = model.add(Dense::new(10).activation(Softmax));
            let rows = rows(128);
            (
                built(model)?,
                rms_prop(),
                sparse(),
                uniform(&[rows, 784], 1),
                labels(rows, 10)?,
            )
        }
        "imdb_mlp" => {
            let model = Sequential::new([10_000]).add(dense(units(16)));
            let model = built(model.add(dense(units(16))).add(sigmoid()))?;
            let rows = rows(512);
            let x = multi_hot(rows, variant.non_zeros);
            (model, rms_prop(), binary(), x, yes_or_no(rows)?)
        }
        "reuters_mlp" => {
            let model =
                Sequential::new([10_000]).add(dense(units(64))).add(dense(units(64)));
            let model = built(model.add(Dense::new(46).activation(Softmax)))?;
            let rows = rows(512);
            let x = multi_hot(rows, variant.non_zeros);
            (model, rms_prop(), sparse(), x, labels(rows, 46)?)
        }
        "mlp_big" => {
            let model =
                Sequential::new([1024]).add(dense(units(4096))).add(dense(units(4096)));
            let adam = Adam::new().learning_rate(LEARNING_RATE).into();
            let of = |seed| uniform(&[rows(256), 1024], seed);
            let loss = MeanSquaredError::new().into();
            (built(model.add(Dense::new(1024)))?, adam, loss, of(1), of(2))
        }
        "mnist_cnn" => {
            let rows = rows(64);
            let x = uniform(&[rows, 28, 28, 1], 1);
            (built(mnist_cnn(variant))?, rms_prop(), sparse(), x, labels(rows, 10)?)
        }
        "cifar_resnet" => {
            let sgd = Sgd::new().learning_rate(LEARNING_RATE).momentum(0.9).into();
            let rows = rows(64);
            let x = uniform(&[rows, 32, 32, 3], 1);
            let model = cifar_resnet(variant)?.seed(1).build()?;
            (model, sgd, sparse(), x, labels(rows, 10)?)
        }
        "lstm_imdb" => {
            let steps = steps(500);
            let embedding = Embedding::new(10_000, 32).mask_zero(variant.mask);
            let model = Sequential::typed([steps], DType::I32).add(embedding);
            let model = built(recurrent!(model, LSTM, variant).add(sigmoid()))?;
            let rows = rows(128);
            (model, rms_prop(), binary(), words(rows, steps)?, yes_or_no(rows)?)
        }
        "gru_jena" => {
            let steps = steps(120);
            let model = recurrent!(Sequential::new([steps, 14]), GRU, variant);
            let rows = rows(128);
            let (x, y) = (uniform(&[rows, steps, 14], 1), uniform(&[rows, 1], 2));
            let loss = MeanAbsoluteError::new().into();
            (built(model.add(Dense::new(1)))?, rms_prop(), loss, x, y)
        }
        "conv1d_imdb" => {
            let steps = steps(500);
            let filters = variant.filters.unwrap_or(32);
            let conv = || Conv1D::new(filters, 7).activation(Relu);
            let model = Sequential::typed([steps], DType::I32)
                .add(Embedding::new(10_000, 128))
                .add(conv())
                .add(MaxPooling1D::new(5))
                .add(conv().groups(variant.groups))
                .add(GlobalMaxPooling1D::new());
            let rows = rows(128);
            let model = built(model.add(sigmoid()))?;
            (model, rms_prop(), binary(), words(rows, steps)?, yes_or_no(rows)?)
        }
        "transformer" => {
            let (steps, rows) = (steps(128), rows(32));
            let model = transformer(steps, units(512))?.seed(1).build()?;
            let adam = Adam::new().learning_rate(LEARNING_RATE).into();
            (model, adam, binary(), words(rows, steps)?, yes_or_no(rows)?)
        }
        _ => return Err(nn::Error::unknown("case", name, &NAMES).into()),
    };
    let batch = x.shape()[0];
    let data = Arrays::new(x, y)?;
    Ok(Case { model, compile: Compile::new(optimizer, loss), data, batch })
}
