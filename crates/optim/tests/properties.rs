//! No settings, names or configs make a panic.

#![expect(clippy::float_cmp, reason = "a restart is exact")]

use deckle_autograd::{Device, Function, Group, Var, Variable};
use deckle_optim::{
    Adagrad, Adam, AdamW, AnyOptimizer, AnySchedule, CosineDecay, CosineDecayRestarts,
    ExponentialDecay, InverseTimeDecay, OptimizerState, PiecewiseConstantDecay,
    PolynomialDecay, RmsProp, Schedule, Sgd,
};
use deckle_tensor::{DType, Tensor};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any number, and often one at the edge of what can work.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        0.0..1.0f64,
        Just(0.0),
        Just(1.0),
        Just(-1.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(1e300),
        Just(1e-300),
    ]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..20u64]
}

fn schedule() -> impl Strategy<Value = AnySchedule> {
    let values = prop::collection::vec(number(), 0..4);
    let boundaries = prop::collection::vec(count(), 0..4);
    (
        0..6,
        number(),
        number(),
        number(),
        count(),
        count(),
        any::<bool>(),
        values,
        boundaries,
    )
        .prop_map(|(kind, x, y, z, n, m, flag, values, boundaries)| match kind {
            0 => ExponentialDecay::new(x, n, y).staircase(flag).into(),
            1 => CosineDecay::new(x, n).alpha(y).warmup_target(z).warmup_steps(m).into(),
            2 => CosineDecayRestarts::new(x, n).t_mul(y).m_mul(z).into(),
            3 => InverseTimeDecay::new(x, n, y).staircase(flag).into(),
            4 => PolynomialDecay::new(x, n)
                .end_learning_rate(y)
                .power(z)
                .cycle(flag)
                .into(),
            _ => PiecewiseConstantDecay::new(boundaries, values).into(),
        })
}

/// An optimizer with one of the settings that all have, and its own.
fn optimizer() -> impl Strategy<Value = AnyOptimizer> {
    macro_rules! with {
        ($optimizer:expr, $common:expr, $x:expr, $n:expr, $schedule:expr) => {
            match $common {
                0 => $optimizer.learning_rate($x),
                1 => $optimizer.learning_rate($schedule),
                2 => $optimizer.weight_decay($x),
                3 => $optimizer.clipnorm($x),
                4 => $optimizer.global_clipnorm($x),
                5 => $optimizer.clipvalue($x),
                6 => {
                    $optimizer.use_ema(true).ema_momentum($x).ema_overwrite_frequency($n)
                }
                7 => $optimizer.loss_scale_factor($x),
                8 => $optimizer.gradient_accumulation_steps($n),
                _ => $optimizer,
            }
            .into()
        };
    }
    (0..5, 0..10, number(), number(), number(), count(), any::<bool>(), schedule())
        .prop_map(|(kind, common, x, y, z, n, flag, schedule)| match kind {
            0 => with!(Sgd::new().momentum(y).nesterov(flag), common, x, n, schedule),
            1 => {
                let rms_prop = RmsProp::new().rho(y).momentum(z).centered(flag);
                with!(rms_prop, common, x, n, schedule)
            }
            2 => with!(
                Adam::new().beta_1(y).beta_2(z).amsgrad(flag),
                common,
                x,
                n,
                schedule
            ),
            3 => with!(AdamW::new().beta_1(y).epsilon(z), common, x, n, schedule),
            _ => {
                let adagrad = Adagrad::new().initial_accumulator_value(y).epsilon(z);
                with!(adagrad, common, x, n, schedule)
            }
        })
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z_]{0,8}".prop_map(Value::from),
        Just(json!({ "class_name": "CosineDecay", "config": {} })),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(Value::from)
    })
}

/// Configs of known classes with known and unknown settings of any kind.
fn object() -> impl Strategy<Value = Value> {
    let class = prop::sample::select(vec![
        "SGD",
        "RMSprop",
        "Adam",
        "AdamW",
        "Adagrad",
        "ExponentialDecay",
        "CosineDecay",
        "CosineDecayRestarts",
        "InverseTimeDecay",
        "PiecewiseConstantDecay",
        "PolynomialDecay",
    ]);
    let setting = prop::sample::select(vec![
        "name",
        "learning_rate",
        "weight_decay",
        "clipnorm",
        "use_ema",
        "momentum",
        "beta_1",
        "epsilon",
        "amsgrad",
        "gradient_accumulation_steps",
        "initial_learning_rate",
        "decay_steps",
        "decay_rate",
        "first_decay_steps",
        "values",
        "boundaries",
        "warmup_steps",
        "other",
    ]);
    let config = prop::collection::btree_map(setting, anything(), 0..8);
    (class, config)
        .prop_map(|(class, config)| json!({ "class_name": class, "config": config }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_settings_make_a_panic(optimizer in optimizer(), dtype in 0..4usize, len in 0..3usize) {
        let dtype = [DType::F32, DType::F64, DType::F16, DType::I32][dtype];
        let group = Group::new(&Device::reference());
        let weight = group.variable("w", &Tensor::zeros(dtype, [len])).unwrap();
        let Ok(state) = OptimizerState::new(optimizer, &[weight], &group) else { return Ok(()) };
        let gradients: Vec<_> = state.weights().iter().map(Variable::read).collect();
        let updates = state.updates(&gradients).unwrap();
        let step = Function::new([], []).updates(updates).compile(&group.device()).unwrap();
        for _ in 0..3 {
            step.call(&[]).unwrap();
        }
        prop_assert_eq!(state.iterations().unwrap(), 3);
        state.learning_rate().unwrap();
        state.finalize().unwrap();
        state.to_keras().unwrap();
    }

    #[test]
    fn no_config_makes_a_panic(object in object()) {
        if let Ok(optimizer) = AnyOptimizer::from_keras(&object) {
            prop_assert_eq!(AnyOptimizer::from_keras(&optimizer.to_keras()).unwrap(), optimizer);
        }
        if let Ok(schedule) = AnySchedule::from_keras(&object) {
            prop_assert_eq!(AnySchedule::from_keras(&schedule.to_keras()).unwrap(), schedule);
        }
    }

    #[test]
    fn no_value_makes_a_panic(value in anything()) {
        _ = AnyOptimizer::from_keras(&value);
        _ = AnySchedule::from_keras(&value);
    }

    #[test]
    fn no_name_makes_a_panic(name in ".{0,12}") {
        if let Err(error) = AnyOptimizer::named(&name) {
            prop_assert!(error.to_string().contains(&name));
        }
    }

    #[test]
    fn no_step_of_a_schedule_makes_a_panic(schedule in schedule(), step in count()) {
        _ = schedule.value_at(step);
    }

    #[test]
    fn a_restart_is_neither_early_nor_late(first in 1..50u64, growth in 1..4u64) {
        let schedule = CosineDecayRestarts::new(1.0, first).t_mul(growth as f64);
        let schedule = AnySchedule::from(schedule);
        let (mut start, mut length) = (0, first);
        while start < 2000 {
            prop_assert_eq!(schedule.value_at(start).unwrap(), 1.0);
            let end = start + length;
            prop_assert!(length == 1 || schedule.value_at(end - 1).unwrap() < 1.0);
            (start, length) = (end, length * growth);
        }
    }
}

/// Close to a restart, logarithms of single precision round to the wrong period.
#[test]
fn the_step_before_a_restart_belongs_to_the_period_before_in_single_precision() {
    for growth in [2.0, 3.0, 7.0] {
        for first in (1..17).map(|digits| 1u64 << digits) {
            let schedule = CosineDecayRestarts::new(1.0, first).t_mul(growth);
            let (mut end, mut length) = (first as f64, first as f64);
            // As far as every step has a number of its own.
            while end < 4e6 {
                let value = |step: f64| {
                    let step = Var::scalar(DType::F32, step);
                    schedule.value(&step).unwrap().eval().unwrap().item::<f32>().unwrap()
                };
                assert!(value(end - 1.0) < 0.6, "{growth}, {first}, {}", end - 1.0);
                assert_eq!(value(end), 1.0, "{growth}, {first}, {end}");
                length *= growth;
                end += length;
            }
        }
    }
}
