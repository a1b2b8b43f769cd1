//! Values that Keras 3.15.1 (on JAX, in `float32`) computed.

use deckle_autograd::Var;
use deckle_nn::{
    Activation, AnyLoss, Loss, Reduction, Result,
    losses::{
        BinaryCrossentropy, CategoricalCrossentropy, MeanAbsoluteError, MeanSquaredError,
        SparseCategoricalCrossentropy,
    },
};
use deckle_tensor::{Element, Tensor};

#[track_caller]
fn close(name: &str, ours: &[f32], theirs: &[f32]) {
    let fits = ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= 2e-6 * (1.0 + b.abs()));
    assert!(fits, "{name}: {ours:?} is not {theirs:?}");
}

const INPUT: [f32; 8] = [-3.0, -1.0, -0.25, 0.0, 0.5, 1.5, 4.0, 8.0];

#[rustfmt::skip]
#[expect(clippy::approx_constant, reason = "what Keras printed")]
const ACTIVATIONS: [(&str, &[f32]); 29] = [
    ("celu", &[-0.950213, -0.6321205, -0.2211992, 0.0, 0.5, 1.5, 4.0, 8.0]),
    ("elu", &[-0.950213, -0.6321205, -0.2211992, 0.0, 0.5, 1.5, 4.0, 8.0]),
    ("exponential", &[0.04978707, 0.3678795, 0.7788008, 1.0, 1.648721, 4.481689, 54.59815, 2980.958]),
    ("gelu", &[-0.004049696, -0.1586553, -0.1003234, 0.0, 0.3457312, 1.399789, 3.999873, 8.0]),
    ("glu", &[-1.867378, -0.8175744, -0.2455034, 0.0]),
    ("hard_shrink", &[-3.0, -1.0, 0.0, 0.0, 0.0, 1.5, 4.0, 8.0]),
    ("hard_sigmoid", &[0.0, 0.3333333, 0.4583333, 0.5, 0.5833334, 0.75, 1.0, 1.0]),
    ("hard_silu", &[-0.0, -0.3333333, -0.1145833, 0.0, 0.2916667, 1.125, 4.0, 8.0]),
    ("hard_tanh", &[-1.0, -1.0, -0.25, 0.0, 0.5, 1.0, 1.0, 1.0]),
    ("leaky_relu", &[-0.6, -0.2, -0.05, 0.0, 0.5, 1.5, 4.0, 8.0]),
    ("linear", &[-3.0, -1.0, -0.25, 0.0, 0.5, 1.5, 4.0, 8.0]),
    ("log_sigmoid", &[-3.048587, -1.313262, -0.8259394, -0.6931472, -0.474077, -0.2014133, -0.01814993, -0.0003354064]),
    ("log_softmax", &[-11.02089, -9.020889, -8.270889, -8.020889, -7.520889, -6.520889, -4.020889, -0.02088928]),
    ("mish", &[-0.1456475, -0.3034014, -0.129927, 0.0, 0.3752452, 1.403378, 3.997413, 8.0]),
    ("relu", &[0.0, 0.0, 0.0, 0.0, 0.5, 1.5, 4.0, 8.0]),
    ("relu6", &[0.0, 0.0, 0.0, 0.0, 0.5, 1.5, 4.0, 6.0]),
    ("selu", &[-1.670569, -1.111331, -0.3888902, 0.0, 0.5253505, 1.576051, 4.202804, 8.405608]),
    ("sigmoid", &[0.04742587, 0.2689414, 0.4378235, 0.5, 0.6224594, 0.8175744, 0.9820138, 0.9996647]),
    ("silu", &[-0.1422776, -0.2689414, -0.1094559, 0.0, 0.3112297, 1.226362, 3.928055, 7.997317]),
    ("soft_shrink", &[-2.5, -0.5, 0.0, 0.0, 0.0, 1.0, 3.5, 7.5]),
    ("softmax", &[1.635643e-05, 0.0001208586, 0.0002558577, 0.0003285277, 0.0005416506, 0.001472359, 0.01793701, 0.9793274]),
    ("softplus", &[0.04858735, 0.3132617, 0.5759394, 0.6931472, 0.974077, 1.701413, 4.01815, 8.000336]),
    ("softsign", &[-0.75, -0.5, -0.2, 0.0, 0.3333333, 0.6, 0.8, 0.8888889]),
    ("sparse_plus", &[0.0, 0.0, 0.140625, 0.25, 0.5625, 1.5, 4.0, 8.0]),
    ("sparse_sigmoid", &[0.0, 0.0, 0.375, 0.5, 0.75, 1.0, 1.0, 1.0]),
    ("sparsemax", &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
    ("squareplus", &[0.3027756, 0.618034, 0.8827822, 1.0, 1.280776, 2.0, 4.236068, 8.123106]),
    ("tanh", &[-0.9950547, -0.7615942, -0.2449187, 0.0, 0.4621172, 0.9051482, 0.9993292, 1.0]),
    ("tanh_shrink", &[-2.004945, -0.2384058, -0.005081341, 0.0, 0.03788283, 0.5948518, 3.000671, 7.0]),
];

#[test]
fn activations_are_kerass() -> Result<()> {
    let x = Var::constant(&Tensor::new(INPUT, [8])?);
    for (name, expected) in ACTIVATIONS {
        let activation: Activation = name.parse()?;
        close(name, &activation.apply(&x)?.eval()?.to_vec::<f32>()?, expected);
        assert_eq!(activation.name(), name);
    }
    assert_eq!(Activation::all().count(), ACTIVATIONS.len());
    Ok(())
}

#[test]
fn activations_have_kerass_other_names() {
    assert_eq!("swish".parse::<Activation>().unwrap(), Activation::Silu);
    assert_eq!("hard_swish".parse::<Activation>().unwrap(), Activation::HardSilu);
    assert_eq!(serde_json::from_str::<Activation>("null").unwrap(), Activation::Linear);
    assert_eq!(serde_json::to_string(&Activation::LeakyRelu).unwrap(), "\"leaky_relu\"");
    assert_eq!(
        "sofmax".parse::<Activation>().unwrap_err().to_string(),
        "unknown activation `sofmax`\n      help: did you mean `softmax`?"
    );
}

fn var<T: Element>(values: impl Into<Vec<T>>, shape: &[usize]) -> Var {
    Var::constant(
        &Tensor::new(values.into(), shape).expect("as many values as the shape has"),
    )
}

#[track_caller]
fn loss(loss: impl Into<AnyLoss>, y_true: &Var, y_pred: &Var, expected: f32) {
    let loss = loss.into();
    let value = loss.call(y_true, y_pred, None, None).and_then(|loss| Ok(loss.eval()?));
    let value = value.expect("a loss of such targets").to_vec::<f32>();
    close(loss.class_name(), &value.expect("a loss in float32"), &[expected]);
}

#[test]
fn binary_crossentropy_is_kerass() {
    let new = BinaryCrossentropy::new;
    let t = var([0.0f32, 1.0, 1.0, 0.0], &[2, 2]);
    let p = var([0.6f32, 0.4, 0.3, 0.7], &[2, 2]);
    loss(new(), &t, &p, 1.060_131_8);
    loss(new().label_smoothing(0.1), &t, &p, 1.028_812_6);
    let x = var([2.0f32, -3.0, 0.5, 100.0], &[2, 2]);
    loss(new().from_logits(true).label_smoothing(0.2), &t, &x, 23.799_898);
    let (t, p) = (var([0.0f32, 1.0], &[1, 2]), var([1.0f32, 1.0], &[1, 2]));
    loss(new(), &t, &p, 7.971_192_4);
}

/// One-hot truth, probabilities, logits.
fn classes() -> (Var, Var, Var) {
    (
        var([0.0f32, 1.0, 0.0, 0.0, 0.0, 1.0], &[2, 3]),
        var([0.05f32, 0.95, 0.0, 0.1, 0.8, 0.1], &[2, 3]),
        var([1.0f32, 2.0, 0.5, 0.1, -0.8, 3.0], &[2, 3]),
    )
}

#[test]
fn categorical_crossentropy_is_kerass() {
    let new = CategoricalCrossentropy::new;
    let (t, p, x) = classes();
    loss(new(), &t, &p, 1.176_939_2);
    loss(new(), &t, &(p.clone() * 3.0), 1.176_939_2);
    loss(new().label_smoothing(0.1), &t, &p, 1.459_135_9);
    loss(new().from_logits(true).label_smoothing(0.1), &t, &x, 0.422_790_3);
}

#[test]
fn sparse_categorical_crossentropy_is_kerass() {
    let new = SparseCategoricalCrossentropy::new;
    let (_, p, x) = classes();
    loss(new(), &var([1i64, 2], &[2]), &p, 1.176_939_2);
    loss(new(), &var([1u8, 2], &[2, 1]), &p, 1.176_939_2);
    let t = var([1i32, 0], &[2]);
    loss(new().from_logits(true), &t, &x, 1.719_457);
    loss(new().from_logits(true).ignore_class(0), &t, &x, 0.464_368_8);
    let t = var([1i32, -1], &[2]);
    loss(new().from_logits(true).ignore_class(-1), &t, &x, 0.464_368_8);
}

#[test]
fn weights_and_reductions_are_kerass() -> Result<()> {
    let t = var([0.0f32, 1.0, 1.0, 0.0], &[2, 2]);
    let p = var([0.6f32, 0.4, 0.3, 0.7], &[2, 2]);
    let weights = var([2.0f32, 0.5], &[2]);
    for (reduction, squared, absolute) in [
        (Reduction::Sum, 0.965, 1.3),
        (Reduction::SumOverBatchSize, 0.4825, 0.65),
        (Reduction::Mean, 0.4825, 0.65),
        (Reduction::MeanWithSampleWeight, 0.386, 0.65),
    ] {
        let value = MeanSquaredError::new().reduction(reduction).call(
            &t,
            &p,
            Some(&weights),
            None,
        );
        close("mse", &[value?.eval()?.item()?], &[squared]);
        loss(MeanAbsoluteError::new().reduction(reduction), &t, &p, absolute);
    }
    Ok(())
}

#[test]
fn masks_are_kerass() -> Result<()> {
    let t = var((0..12u8).map(f32::from).collect::<Vec<_>>(), &[2, 3, 2]);
    let p = &t * 0.5 + 1.0;
    let mask = var([true, true, false, true, false, false], &[2, 3]);
    let value = MeanSquaredError::new().call(&t, &p, None, Some(&mask))?;
    close("masked", &[value.eval()?.item()?], &[1.958_333_4]);
    // What is masked may be anything.
    let hole = mask.expand_dims(-1)?.select(&p, f64::NAN)?;
    let value = MeanSquaredError::new().call(&t, &hole, None, Some(&mask))?;
    close("masked", &[value.eval()?.item()?], &[1.958_333_4]);
    let sum = MeanSquaredError::new().reduction(Reduction::Sum).call(
        &t,
        &p,
        None,
        Some(&mask),
    )?;
    close("sum", &[sum.eval()?.item()?], &[1.958_333_4 * 3.0]);
    let nothing = var([false; 6], &[2, 3]);
    let value = MeanSquaredError::new().call(&t, &p, None, Some(&nothing))?;
    assert_eq!(value.eval()?.to_vec::<f32>()?, [0.0]);
    Ok(())
}

#[test]
fn extreme_logits_stay_finite() -> Result<()> {
    let far = 1e30f32;
    let x = var([far, -far], &[1, 2]);
    let hot = var([0.0f32, 1.0], &[1, 2]);
    for (value, expected) in [
        (BinaryCrossentropy::new().from_logits(true).call(&hot, &x, None, None)?, far),
        (
            CategoricalCrossentropy::new()
                .from_logits(true)
                .call(&hot, &x, None, None)?,
            2.0 * far,
        ),
        // A softmax's and a sigmoid's output stand for their logits.
        (
            CategoricalCrossentropy::new().call(&hot, &x.softmax(-1)?, None, None)?,
            2.0 * far,
        ),
        (BinaryCrossentropy::new().call(&hot, &x.sigmoid()?, None, None)?, far),
        (
            SparseCategoricalCrossentropy::new().call(
                &var([1i64], &[1]),
                &x.softmax(-1)?,
                None,
                None,
            )?,
            2.0 * far,
        ),
    ] {
        assert_eq!(value.eval()?.to_vec::<f32>()?, [expected]);
        let gradient = deckle_autograd::grad(&value, &[&x])?.remove(0).eval()?;
        assert!(gradient.to_vec::<f32>()?.iter().all(|g| g.is_finite()));
    }
    Ok(())
}

#[test]
fn targets_that_do_not_fit_are_named() {
    let (_, p, _) = classes();
    let labels = var([1i64, 2], &[2]);
    let error = CategoricalCrossentropy::new().call(&labels, &p, None, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "loss CategoricalCrossentropy: cannot take these targets\n  expected: one-hot targets of \
         the prediction's shape (2, 3)\n       got: (2,)\n      help: for labels that are \
         integers use SparseCategoricalCrossentropy"
    );
    let hot = var([0i64; 6], &[2, 3]);
    let error =
        SparseCategoricalCrossentropy::new().call(&hot, &p, None, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "loss SparseCategoricalCrossentropy: cannot take these targets\n  expected: one integer \
         label for each prediction of shape (2, 3)\n       got: (2, 3)\n      help: for one-hot \
         targets use CategoricalCrossentropy"
    );
    let outside = var([1i64, 3], &[2]);
    let value =
        SparseCategoricalCrossentropy::new().call(&outside, &p, None, None).unwrap();
    assert!(value.eval().unwrap_err().to_string().contains('3'));
}

#[test]
fn losses_are_found_by_any_of_kerass_names() -> Result<()> {
    for (name, class) in [
        ("mse", "MeanSquaredError"),
        ("MAE", "MeanAbsoluteError"),
        ("mean_squared_error", "MeanSquaredError"),
        ("bce", "BinaryCrossentropy"),
        ("CategoricalCrossentropy", "CategoricalCrossentropy"),
        ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy"),
    ] {
        assert_eq!(AnyLoss::by_name(name)?.class_name(), class);
    }
    let smooth = CategoricalCrossentropy::new().label_smoothing(0.25).from_logits(true);
    let json = AnyLoss::from(smooth.clone()).to_keras()?;
    assert_eq!(AnyLoss::from_keras(&json)?.config()?, smooth.config()?);
    Ok(())
}
