//! What a variant of a layer costs beside its plain sibling, per multiply-add: [`lines`].

use std::fmt::Write as _;

use deckle::{
    formats::json::{Value, json},
    prelude::*,
};

use crate::measure::timed;

/// A layer alone in a model, and how many multiply-adds its forward pass takes for a batch.
struct Brick {
    name: &'static str,
    model: Sequential,
    input: Vec<usize>,
    multiply_adds: f64,
    /// Those of them that are done once more backward, for the gradient by what is no data.
    inner: f64,
}

impl Brick {
    /// Sets how many multiply-adds of an example read what the layer itself has made.
    fn inner(self, multiply_adds: usize) -> Self {
        Self { inner: (BATCH * multiply_adds) as f64, ..self }
    }
}

/// Rows of examples in a batch, and what the inputs of each kind of layer are.
const BATCH: usize = 32;
const STEPS: usize = 50;
const FEATURES: usize = 64;
const SIDE: usize = 28;
const FILTERS: usize = 32;

fn brick(
    name: &'static str,
    input: &[usize],
    multiply_adds: usize,
    layer: impl Into<LayerHandle>,
) -> Brick {
    let model = Sequential::new(input).add(layer);
    let multiply_adds = (BATCH * multiply_adds) as f64;
    Brick { name, model, input: input.to_vec(), multiply_adds, inner: 0.0 }
}

/// The plain layer first, then what is compared with it.
fn families() -> Vec<Vec<Brick>> {
    let (sequence, units) = ([STEPS, FEATURES], FEATURES);
    let recurrent =
        |gates: usize, steps: usize| steps * gates * units * (FEATURES + units);
    let lstm = recurrent(4, STEPS);
    // Half of them read states.
    let lstm_inner = lstm / 2;
    let picture = [SIDE, SIDE, FILTERS];
    let conv = |pixels: usize, kernel: usize, from: usize, to: usize| {
        pixels * kernel * from * to
    };
    let valid = (SIDE - 2) * (SIDE - 2);
    let whole = SIDE * SIDE;
    let plain = |pixels| conv(pixels, 9, FILTERS, FILTERS);
    let line = [SIDE * SIDE, FILTERS];
    let cube = [10, 10, 10, FILTERS];
    let film = [6, 14, 14, 16];
    vec![
        vec![
            brick("LSTM", &sequence, lstm, LSTM::new(units)).inner(lstm_inner),
            brick(
                "LSTM, return_sequences",
                &sequence,
                lstm,
                LSTM::new(units).return_sequences(true),
            )
            .inner(lstm_inner),
            brick(
                "LSTM, go_backwards",
                &sequence,
                lstm,
                LSTM::new(units).go_backwards(true),
            )
            .inner(lstm_inner),
            brick(
                "LSTM, dropout and recurrent_dropout",
                &sequence,
                lstm,
                LSTM::new(units).dropout(0.2).recurrent_dropout(0.2),
            )
            .inner(lstm_inner),
            brick("RNN of LSTMCell", &sequence, lstm, RNN::new(LSTMCell::new(units)))
                .inner(lstm_inner),
            brick(
                "RNN of two LSTMCells",
                &sequence,
                2 * lstm,
                RNN::new(StackedRNNCells::new([
                    LSTMCell::new(units).into(),
                    LSTMCell::new(units).into(),
                ])),
            )
            .inner(lstm + lstm_inner),
            brick(
                "Bidirectional of LSTM",
                &sequence,
                2 * lstm,
                Bidirectional::new(LSTM::new(units)),
            )
            .inner(lstm),
            brick("GRU", &sequence, recurrent(3, STEPS), GRU::new(units))
                .inner(recurrent(3, STEPS) / 2),
            brick(
                "GRU, reset_after = false",
                &sequence,
                recurrent(3, STEPS),
                GRU::new(units).reset_after(false),
            )
            .inner(recurrent(3, STEPS) / 2),
            brick("SimpleRNN", &sequence, recurrent(1, STEPS), SimpleRNN::new(units))
                .inner(recurrent(1, STEPS) / 2),
        ],
        vec![
            brick("Conv2D", &picture, plain(valid), Conv2D::new(FILTERS, 3)),
            brick(
                "Conv2D, same",
                &picture,
                plain(whole),
                Conv2D::new(FILTERS, 3).padding(Padding::Same),
            ),
            brick(
                "Conv2D, strides 2",
                &picture,
                plain(13 * 13),
                Conv2D::new(FILTERS, 3).strides(2),
            ),
            brick(
                "Conv2D, dilation 2",
                &picture,
                plain(24 * 24),
                Conv2D::new(FILTERS, 3).dilation_rate(2),
            ),
            brick(
                "Conv2D, 4 groups",
                &picture,
                plain(valid) / 4,
                Conv2D::new(FILTERS, 3).groups(4),
            ),
            brick(
                "Conv2D, channels_first",
                &[FILTERS, SIDE, SIDE],
                plain(valid),
                Conv2D::new(FILTERS, 3).data_format(DataFormat::ChannelsFirst),
            ),
            brick(
                "Conv2DTranspose",
                &picture,
                plain(whole),
                Conv2DTranspose::new(FILTERS, 3),
            ),
            brick(
                "Conv2DTranspose, strides 2",
                &picture,
                plain(whole),
                Conv2DTranspose::new(FILTERS, 3).strides(2),
            ),
            brick(
                "DepthwiseConv2D",
                &picture,
                conv(valid, 9, FILTERS, 1),
                DepthwiseConv2D::new(3),
            ),
            brick(
                "SeparableConv2D",
                &picture,
                conv(valid, 9, FILTERS, 1) + conv(valid, 1, FILTERS, FILTERS),
                SeparableConv2D::new(FILTERS, 3),
            )
            .inner(conv(valid, 1, FILTERS, FILTERS)),
            brick("Conv1D, 9 wide", &line, plain(whole - 8), Conv1D::new(FILTERS, 9)),
            brick(
                "Conv1D, causal",
                &line,
                plain(whole),
                Conv1D::new(FILTERS, 9).padding(Padding::Causal),
            ),
            brick(
                "Conv1DTranspose",
                &line,
                plain(whole),
                Conv1DTranspose::new(FILTERS, 9),
            ),
            brick(
                "Conv3D",
                &cube,
                conv(8 * 8 * 8, 27, FILTERS, FILTERS),
                Conv3D::new(FILTERS, 3),
            ),
            brick(
                "Conv3DTranspose",
                &cube,
                conv(1000, 27, FILTERS, FILTERS),
                Conv3DTranspose::new(FILTERS, 3),
            ),
            brick(
                "ConvLSTM2D",
                &film,
                6 * (conv(144, 9, 16, 64) + conv(144, 9, 16, 64)),
                ConvLSTM2D::new(16, 3),
            )
            .inner(6 * conv(144, 9, 16, 64)),
        ],
    ]
}

/// A line for each layer whose family's or own name has that text: milliseconds of the forward
/// pass and of a step of training; the multiply-adds of both; and the bytes that have
/// to be moved, if each element is read or written once by each that needs it: forward of input,
/// weights and output, in training besides of targets and of the gradients by output and weights.
pub(crate) fn lines(seconds: f64, device: &Device, part: &str) -> Result<Vec<Value>> {
    let mut lines = Vec::new();
    for family in families() {
        let plain = family[0].name;
        for brick in asked(family, part) {
            let Ready { mut trainer, predictor, x, y, data } = ready(&brick, device)?;
            let Brick { name, multiply_adds, inner, .. } = brick;
            let weights = trainer.model().count_params();
            let mut batch = deckle::data::Batch::new();
            data.read_batch(deckle::data::Order::of(&data).indices(), &mut batch)?;
            let forward = timed(seconds, || predictor.predict(&batch.inputs))?.ms;
            let training = timed(seconds, || trainer.train_step(&batch))?.ms;
            let (x, y) = (x.size(), y.size());
            lines.push(json!({
                "plain": plain, "layer": name, "multiply_adds": multiply_adds,
                // By the weights as often as forward.
                "training_multiply_adds": 2.0 * multiply_adds + inner,
                "forward_ms": forward, "training_ms": training,
                "forward_bytes": 4 * (x + y + weights),
                // The output is written, and read by the loss, which reads targets and writes
                // a gradient, which is read with the input.
                "training_bytes": 4 * (2 * x + 5 * y + 4 * weights),
            }));
        }
    }
    Ok(lines)
}

/// The plan of a step of training of each layer that is [asked](lines) for.
pub(crate) fn plans(device: &Device, part: &str) -> Result<String> {
    let mut text = String::new();
    for brick in families().into_iter().flat_map(|family| asked(family, part)) {
        let mut ready = ready(&brick, device)?;
        let plan = ready.trainer.plan(&ready.data, BATCH)?;
        writeln!(text, "{}\n{plan}", brick.name)
            .expect("a text takes all that is written");
    }
    Ok(text)
}

/// Those of a family whose own name or whose plain layer's has that text.
fn asked(family: Vec<Brick>, part: &str) -> Vec<Brick> {
    let all = family[0].name.contains(part);
    family.into_iter().filter(|brick| all || brick.name.contains(part)).collect()
}

/// A compiled layer with a batch.
struct Ready {
    trainer: Trainer,
    predictor: Predictor,
    x: Tensor,
    y: Tensor,
    data: Arrays,
}

fn ready(brick: &Brick, device: &Device) -> Result<Ready> {
    let model = brick.model.clone().build()?;
    let shape = [&[BATCH], &brick.input[..]].concat();
    let x = Tensor::random_uniform(&shape, -1.0..1.0, 1);
    let compile = Compile::new(Sgd::new().learning_rate(1e-6), MeanSquaredError::new());
    let trainer = model.compile(compile.device(device))?;
    let predictor = trainer.predictor()?.batch_size(BATCH);
    let y = predictor.predict(std::slice::from_ref(&x))?.remove(0);
    let zeros = Tensor::zeros(DType::F32, y.shape());
    let data = Arrays::of([x.clone()], [zeros])?;
    Ok(Ready { trainer, predictor, x, y, data })
}

/// Markdown's rows: milliseconds of the forward pass and of a step of training, picoseconds per
/// multiply-add of each, and both beside the plain layer.
pub(crate) fn table(lines: &[Value]) -> String {
    let mut text = String::from(
        "| layer | million multiply-adds | forward, ms | training, ms | ps each, forward | training | \
         × plain, forward | training |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let number = |line: &Value, key: &str| line[key].as_f64().unwrap_or(f64::NAN);
    let mut plain: Option<(&Value, [f64; 2])> = None;
    for line in lines {
        let name = line["layer"].as_str().unwrap_or_default();
        let [forward, training] =
            ["forward_ms", "training_ms"].map(|key| number(line, key));
        let [once, trained] =
            ["multiply_adds", "training_multiply_adds"].map(|key| number(line, key));
        let each = [forward / once, training / trained].map(|ms| ms * 1e9);
        let (_, first) = *match &mut plain {
            Some(plain) if *plain.0 == line["plain"] => plain,
            plain => plain.insert((&line["plain"], each)),
        };
        writeln!(
            text,
            "| {name} | {:.1} | {forward:.2} | {training:.2} | {:.1} | {:.1} | {:.2} | {:.2} |",
            once / 1e6,
            each[0],
            each[1],
            each[0] / first[0],
            each[1] / first[1]
        )
        .expect("a text takes all that is written");
    }
    text
}
