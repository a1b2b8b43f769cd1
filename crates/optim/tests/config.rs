//! Names and configs of optimizers and schedules, and the texts of their errors.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use deckle_optim::{
    Adagrad, Adam, AdamW, AnyOptimizer, AnySchedule, CosineDecay, CosineDecayRestarts,
    Error, ExponentialDecay, InverseTimeDecay, LearningRate, Optimizer,
    PiecewiseConstantDecay, PolynomialDecay, RmsProp, Schedule, Sgd, Warmup,
};
use serde_json::{Value, json};

#[track_caller]
fn check_error<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(format!("{error:?}"), expected);
}

fn keras(class: &str, config: &Value) -> Value {
    json!({ "class_name": class, "config": config })
}

#[test]
fn defaults_are_those_of_keras() {
    let common = json!({
        "name": "", "learning_rate": 0.001, "weight_decay": null, "clipnorm": null,
        "global_clipnorm": null, "clipvalue": null, "use_ema": false, "ema_momentum": 0.99,
        "ema_overwrite_frequency": null, "loss_scale_factor": null,
        "gradient_accumulation_steps": null,
    });
    let check = |optimizer: AnyOptimizer, class: &str, own: Value| {
        let mut config = common.as_object().unwrap().clone();
        config.extend(own.as_object().unwrap().clone());
        let expected = json!({
            "module": "keras.optimizers", "class_name": class, "config": config,
            "registered_name": null,
        });
        // As texts, for the order.
        assert_eq!(optimizer.to_keras().to_string(), expected.to_string());
        assert_eq!(AnyOptimizer::named(class).unwrap(), optimizer);
        assert_eq!(AnyOptimizer::named(&class.to_uppercase()).unwrap(), optimizer);
        assert_eq!(class.to_lowercase().parse::<AnyOptimizer>().unwrap(), optimizer);
        assert_eq!(AnyOptimizer::from_keras(&json!(class)).unwrap(), optimizer);
        assert_eq!(AnyOptimizer::from_keras(&optimizer.to_keras()).unwrap(), optimizer);
    };
    let own = json!({ "name": "sgd", "learning_rate": 0.01, "momentum": 0.0, "nesterov": false });
    check(Sgd::new().into(), "SGD", own);
    let own = json!({
        "name": "rm_sprop", "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": false,
    });
    check(RmsProp::new().into(), "RMSprop", own);
    let own = json!({
        "name": "adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": false,
    });
    check(Adam::new().into(), "Adam", own);
    let own = json!({
        "name": "adam_w", "weight_decay": 0.004, "beta_1": 0.9, "beta_2": 0.999,
        "epsilon": 1e-7, "amsgrad": false,
    });
    check(AdamW::new().into(), "AdamW", own);
    let own =
        json!({ "name": "adagrad", "initial_accumulator_value": 0.1, "epsilon": 1e-7 });
    check(Adagrad::new().into(), "Adagrad", own);
}

#[test]
fn every_setter_reaches_the_config_and_comes_back() {
    macro_rules! all_common {
        ($optimizer:expr) => {
            $optimizer
                .name("mine")
                .learning_rate(ExponentialDecay::new(0.1, 10, 0.5).staircase(true))
                .weight_decay(0.01)
                .clipnorm(1.0)
                .use_ema(true)
                .ema_momentum(0.5)
                .ema_overwrite_frequency(3)
                .loss_scale_factor(4.0)
                .gradient_accumulation_steps(5)
        };
    }
    let check = |optimizer: AnyOptimizer, own: Value| {
        let config = optimizer.config();
        let common = json!({
            "name": "mine", "weight_decay": 0.01, "clipnorm": 1.0, "use_ema": true,
            "ema_momentum": 0.5, "ema_overwrite_frequency": 3, "loss_scale_factor": 4.0,
            "gradient_accumulation_steps": 5,
        });
        for (name, value) in
            common.as_object().unwrap().iter().chain(own.as_object().unwrap())
        {
            assert_eq!(&config[name], value, "{name}");
        }
        assert_eq!(config["learning_rate"]["class_name"], "ExponentialDecay");
        assert_eq!(config["learning_rate"]["config"]["staircase"], true);
        assert_eq!(AnyOptimizer::from_keras(&optimizer.to_keras()).unwrap(), optimizer);
    };
    let sgd = all_common!(Sgd::new()).momentum(0.3).nesterov(true);
    check(sgd.clone().into(), json!({ "momentum": 0.3, "nesterov": true }));
    let back: Sgd = serde_json::from_str(&serde_json::to_string(&sgd).unwrap()).unwrap();
    assert_eq!(back, sgd);
    check(
        all_common!(RmsProp::new())
            .rho(0.8)
            .momentum(0.7)
            .epsilon(0.1)
            .centered(true)
            .into(),
        json!({ "rho": 0.8, "momentum": 0.7, "epsilon": 0.1, "centered": true }),
    );
    let own = json!({ "beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.1, "amsgrad": true });
    check(
        all_common!(Adam::new())
            .beta_1(0.8)
            .beta_2(0.7)
            .epsilon(0.1)
            .amsgrad(true)
            .into(),
        own.clone(),
    );
    check(
        all_common!(AdamW::new())
            .beta_1(0.8)
            .beta_2(0.7)
            .epsilon(0.1)
            .amsgrad(true)
            .into(),
        own,
    );
    check(
        all_common!(Adagrad::new()).initial_accumulator_value(0.5).epsilon(0.1).into(),
        json!({ "initial_accumulator_value": 0.5, "epsilon": 0.1 }),
    );
    let clipped = Sgd::new().clipvalue(0.5).config();
    assert_eq!(clipped["clipvalue"], 0.5);
    let clipped = Sgd::new().global_clipnorm(0.5).config();
    assert_eq!(clipped["global_clipnorm"], 0.5);
}

#[test]
fn schedules_come_back_from_their_configs() {
    let check = |schedule: AnySchedule| {
        assert_eq!(AnySchedule::from_keras(&schedule.to_keras()).unwrap(), schedule);
        let rate = LearningRate::from(schedule);
        let text = serde_json::to_string(&rate).unwrap();
        assert_eq!(serde_json::from_str::<LearningRate>(&text).unwrap(), rate);
    };
    check(ExponentialDecay::new(0.1, 10, 0.5).into());
    check(CosineDecay::new(0.1, 10).alpha(0.2).warmup_target(0.3).warmup_steps(4).into());
    check(CosineDecayRestarts::new(0.1, 10).t_mul(3.0).m_mul(0.5).alpha(0.2).into());
    check(InverseTimeDecay::new(0.1, 10, 0.5).staircase(true).into());
    check(PiecewiseConstantDecay::new([1, 2], [0.1, 0.2, 0.3]).into());
    check(
        PolynomialDecay::new(0.1, 10)
            .end_learning_rate(0.2)
            .power(2.0)
            .cycle(true)
            .into(),
    );
}

#[test]
fn settings_of_older_versions_that_change_nothing_are_passed_over() {
    let config = json!({
        "name": null, "decay": 0.0, "jit_compile": true, "is_legacy_optimizer": false,
        "learning_rate": 1, "rho": 0.5, "gradient_accumulation_steps": 2.0,
    });
    let optimizer = AnyOptimizer::from_keras(&keras("RMSprop", &config)).unwrap();
    let expected =
        RmsProp::new().learning_rate(1.0).rho(0.5).gradient_accumulation_steps(2);
    assert_eq!(optimizer, expected.into());
}

#[test]
fn unknown_names_are_named_with_what_may_have_been_meant() {
    check_error(
        AnyOptimizer::named("rmsprp"),
        "unknown optimizer `rmsprp`\n  expected: one of SGD, RMSprop, Adam, AdamW, \
         Adagrad, Adadelta, Adafactor, Adamax, Ftrl, Lamb, Lion, LossScaleOptimizer, Muon, \
         Nadam, ScheduleFreeAdamW\n      help: did you mean `RMSprop`?",
    );
    check_error(
        AnyOptimizer::from_keras(&keras("LBFGS", &json!({}))),
        "unknown optimizer `LBFGS`\n  expected: one of SGD, RMSprop, Adam, AdamW, \
         Adagrad, Adadelta, Adafactor, Adamax, Ftrl, Lamb, Lion, LossScaleOptimizer, Muon, \
         Nadam, ScheduleFreeAdamW",
    );
    check_error(
        AnySchedule::from_keras(&keras("CosineDecya", &json!({}))),
        "unknown learning-rate schedule `CosineDecya`\n  expected: one of ExponentialDecay, \
         CosineDecay, CosineDecayRestarts, InverseTimeDecay, PiecewiseConstantDecay, \
         PolynomialDecay, Warmup\n      help: did you mean `CosineDecay`?",
    );
}

#[test]
fn unknown_settings_are_all_named() {
    check_error(
        AnyOptimizer::from_keras(&keras(
            "Adam",
            &json!({ "beta1": 0.5, "x": null, "lr": 1.0 }),
        )),
        "Adam: the config has settings that this class does not know\n       got: beta1 = 0.5, lr \
         = 1.0\n      help: leave them out, or null, if they are not needed",
    );
    let config = json!({ "decay_steps": 1, "initial_learning_rate": 1.0, "rate": 2 });
    check_error(
        AnySchedule::from_keras(&keras("CosineDecay", &config)),
        "CosineDecay: the config has settings that this class does not know\n       got: rate = \
         2\n      help: leave them out, or null, if they are not needed",
    );
    let error =
        serde_json::from_str::<Sgd>(r#"{"velocity": 1}"#).unwrap_err().to_string();
    assert!(error.contains("got: velocity = 1"), "{error}");
}

#[test]
fn configs_that_are_none_are_errors() {
    check_error(
        AnyOptimizer::from_keras(&json!(3)),
        "optimizer: cannot read this config: expected a `class_name` and a `config`, got 3",
    );
    check_error(
        AnyOptimizer::from_keras(&keras("SGD", &json!([]))),
        "SGD: cannot read this config: not an object but []",
    );
    check_error(
        AnyOptimizer::from_keras(&keras("SGD", &json!({ "momentum": "big" }))),
        "SGD: cannot read `momentum` of the config: invalid type: string \"big\", expected f64",
    );
    check_error(
        AnyOptimizer::from_keras(&keras(
            "SGD",
            &json!({ "ema_overwrite_frequency": 1.5 }),
        )),
        "SGD: cannot read `ema_overwrite_frequency` of the config: 1.5 is not a whole number",
    );
    check_error(
        AnyOptimizer::from_keras(&keras("SGD", &json!({ "learning_rate": "fast" }))),
        "SGD: cannot read `learning_rate` of the config: learning-rate schedule: cannot read this \
         config: expected a `class_name` and a `config`, got \"fast\"",
    );
    check_error(
        AnySchedule::from_keras(&keras("ExponentialDecay", &json!({ "decay_steps": 3 }))),
        "ExponentialDecay: cannot read `initial_learning_rate` of the config: it is missing",
    );
}

#[test]
fn settings_that_cannot_work_are_errors() {
    let check = |optimizer: AnyOptimizer, setting: &str, expected: &str, got: &str| {
        let class = optimizer.class_name().to_owned();
        check_error(
            optimizer.check_settings(),
            &format!(
                "{class}: cannot use this `{setting}`\n  expected: {expected}\n       got: {got}"
            ),
        );
    };
    let (part, decay) = ("a number from 0 to 1", "a number from 0 to below 1");
    let (not_negative, positive) =
        ("a finite number of at least 0", "a positive finite number");
    let sgd = Sgd::new;
    check(sgd().learning_rate(f64::NAN).into(), "learning_rate", not_negative, "NaN");
    check(sgd().learning_rate(-0.1).into(), "learning_rate", not_negative, "-0.1");
    check(sgd().weight_decay(-0.1).into(), "weight_decay", not_negative, "-0.1");
    check(sgd().clipnorm(-1.0).into(), "clipnorm", "a number of at least 0", "-1");
    check(sgd().clipvalue(f64::NAN).into(), "clipvalue", "a number of at least 0", "NaN");
    check(
        sgd().global_clipnorm(-1.0).into(),
        "global_clipnorm",
        "a number of at least 0",
        "-1",
    );
    check(sgd().ema_momentum(1.5).into(), "ema_momentum", part, "1.5");
    check(sgd().loss_scale_factor(0.0).into(), "loss_scale_factor", positive, "0");
    let frequency = sgd().ema_overwrite_frequency(0);
    check(frequency.into(), "ema_overwrite_frequency", "at least one step", "0");
    let accumulation = sgd().gradient_accumulation_steps(1);
    check(accumulation.into(), "gradient_accumulation_steps", "at least two steps", "1");
    check(sgd().momentum(1.5).into(), "momentum", part, "1.5");
    check(RmsProp::new().rho(-0.5).into(), "rho", part, "-0.5");
    check(RmsProp::new().momentum(f64::NAN).into(), "momentum", part, "NaN");
    check(RmsProp::new().epsilon(-1.0).into(), "epsilon", not_negative, "-1");
    check(Adam::new().beta_1(1.0).into(), "beta_1", decay, "1");
    check(Adam::new().beta_2(1.0).into(), "beta_2", decay, "1");
    check(AdamW::new().epsilon(f64::INFINITY).into(), "epsilon", not_negative, "inf");
    let adagrad = Adagrad::new().initial_accumulator_value(-1.0);
    check(adagrad.into(), "initial_accumulator_value", not_negative, "-1");
    let scheduled = sgd().learning_rate(CosineDecay::new(0.1, 0));
    check_error(
        AnyOptimizer::from(scheduled).check_settings(),
        "CosineDecay: cannot use this `decay_steps`\n  expected: at least one step\n       got: 0",
    );
    check_error(
        AnyOptimizer::from_keras(&keras("AdamW", &json!({ "weight_decay": null }))),
        "AdamW: cannot use this `weight_decay`\n  expected: a number; Adam is the optimizer \
         without weight decay\n       got: null",
    );
}

#[test]
fn only_one_way_of_clipping_can_be_set() {
    check_error(
        AnyOptimizer::from(Adam::new().clipnorm(1.0).global_clipnorm(1.0))
            .check_settings(),
        "Adam: gradients can be clipped in one way only\n  expected: one of `clipnorm`, \
         `clipvalue`, `global_clipnorm`\n       got: `clipnorm`, `global_clipnorm`",
    );
}

#[test]
fn settings_of_schedules_that_cannot_work_are_errors() {
    check_error(
        PiecewiseConstantDecay::new([2, 2], [0.1, 0.2, 0.3]).value_at(0),
        "PiecewiseConstantDecay: cannot use this `boundaries`\n  expected: numbers of steps that \
         ascend\n       got: [2, 2]",
    );
    check_error(
        PiecewiseConstantDecay::new([2], [0.1]).value_at(0),
        "PiecewiseConstantDecay: cannot use this `values`\n  expected: one more than there are \
         boundaries\n       got: 1 values, 1 boundaries",
    );
    check_error(
        CosineDecayRestarts::new(0.1, 5).t_mul(0.5).value_at(0),
        "CosineDecayRestarts: cannot use this `t_mul`\n  expected: a number of at least 1\n       \
         got: 0.5",
    );
    for schedule in [
        AnySchedule::from(ExponentialDecay::new(0.1, 0, 0.5)),
        InverseTimeDecay::new(0.1, 0, 0.5).into(),
        PolynomialDecay::new(0.1, 0).into(),
        CosineDecayRestarts::new(0.1, 0).into(),
    ] {
        assert!(schedule.value_at(0).is_err(), "{schedule:?}");
    }
    let nan = f64::NAN;
    for (schedule, setting) in [
        (AnySchedule::from(ExponentialDecay::new(-0.1, 1, 0.5)), "initial_learning_rate"),
        (ExponentialDecay::new(0.1, 1, -0.5).into(), "decay_rate"),
        (InverseTimeDecay::new(nan, 1, 0.5).into(), "initial_learning_rate"),
        (InverseTimeDecay::new(0.1, 1, nan).into(), "decay_rate"),
        (
            PolynomialDecay::new(0.1, 1).end_learning_rate(-1.0).into(),
            "end_learning_rate",
        ),
        (PolynomialDecay::new(0.1, 1).power(nan).into(), "power"),
        (CosineDecay::new(f64::INFINITY, 1).into(), "initial_learning_rate"),
        (CosineDecay::new(0.1, 1).alpha(-0.5).into(), "alpha"),
        (CosineDecay::new(0.1, 1).warmup_target(nan).into(), "warmup_target"),
        (CosineDecayRestarts::new(0.1, 1).m_mul(-1.0).into(), "m_mul"),
        (CosineDecayRestarts::new(0.1, 1).t_mul(nan).into(), "t_mul"),
        (PiecewiseConstantDecay::new([1], [0.1, -0.1]).into(), "values"),
        (Warmup::new(-0.1, 3).into(), "learning_rate"),
    ] {
        let error = schedule.value_at(0).unwrap_err().to_string();
        let start = format!("{}: cannot use this `{setting}`", schedule.class_name());
        assert!(error.starts_with(&start), "{error}");
    }
}

/// Every setting of every class with values that make no sense, as they come from a file.
#[test]
fn every_wrong_setting_is_an_error_with_the_classs_name() {
    let cases: Value = serde_json::from_str(include_str!("testdata/keras.json")).unwrap();
    let (mut problems, mut checked) = (Vec::new(), 0);
    for case in cases["optimizers"].as_array().unwrap() {
        let class = case["optimizer"]["class_name"].as_str().unwrap();
        for key in case["optimizer"]["config"].as_object().unwrap().keys() {
            let wrong = match key.as_str() {
                // It may be 1, as Keras's.
                "beta_1" if class == "Lion" => json!([-0.1, 1.5, "half"]),
                "beta_1" | "beta_2" | "adam_beta_1" | "adam_beta_2" => {
                    json!([-0.1, 1.0, 1.5, "half"])
                }
                "rho" | "ema_momentum" => json!([-0.1, 1.1, "half"]),
                "momentum" if class != "Muon" => json!([-0.1, 1.1, "half"]),
                "ema_overwrite_frequency" => json!([0, -1, 1.5, "often"]),
                "gradient_accumulation_steps" => json!([0, 1, -2, 1.5, "two"]),
                "loss_scale_factor" => json!([0.0, -1.0, "large"]),
                "use_ema" | "amsgrad" | "nesterov" | "centered" | "relative_step" => {
                    json!(["maybe", 3])
                }
                "learning_rate"
                | "weight_decay"
                | "clipnorm"
                | "clipvalue"
                | "global_clipnorm"
                | "epsilon"
                | "epsilon_1"
                | "epsilon_2"
                | "initial_accumulator_value"
                | "l1_regularization_strength"
                | "l2_regularization_strength"
                | "l2_shrinkage_regularization_strength"
                | "warmup_steps"
                | "ns_steps"
                | "adam_weight_decay"
                | "adam_lr_ratio"
                | "clip_threshold"
                | "initial_scale"
                | "dynamic_growth_steps" => {
                    json!([-1.0, "large", []])
                }
                "beta"
                | "muon_a"
                | "muon_b"
                | "muon_c"
                | "beta_2_decay"
                | "learning_rate_power"
                | "rms_rate" => json!(["large", []]),
                _ => json!([]),
            };
            for wrong in wrong.as_array().unwrap() {
                let mut object = case["optimizer"].clone();
                object["config"][key] = wrong.clone();
                checked += 1;
                match AnyOptimizer::from_keras(&object) {
                    Ok(_) => problems.push(format!("{class}: {key} = {wrong} is taken")),
                    Err(error) if error.to_string().starts_with(class) => {}
                    Err(error) => {
                        problems.push(format!("{class}: {key} = {wrong}: {error}"));
                    }
                }
            }
        }
    }
    problems.sort();
    problems.dedup();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(checked > 2000, "{checked}");
}

#[test]
fn null_is_no_number() {
    for (class, settings) in [
        ("SGD", &["momentum", "learning_rate"][..]),
        ("RMSprop", &["rho", "momentum", "epsilon"]),
        ("Adam", &["beta_1", "beta_2", "epsilon"]),
        ("Lion", &["beta_1", "beta_2"]),
        ("Adagrad", &["initial_accumulator_value"]),
        (
            "Ftrl",
            &[
                "learning_rate_power",
                "initial_accumulator_value",
                "l1_regularization_strength",
                "l2_regularization_strength",
                "l2_shrinkage_regularization_strength",
                "beta",
            ],
        ),
    ] {
        for setting in settings {
            let error =
                AnyOptimizer::from_keras(&keras(class, &json!({ *setting: null })));
            let text = error.unwrap_err().to_string();
            assert!(text.contains(class) && text.contains(setting), "{text}");
        }
    }
    let read = |config: Value| AnyOptimizer::from_keras(&keras("SGD", &config));
    assert!(read(json!({ "use_ema": true, "ema_momentum": null })).is_err());
    // As in Python, where it is false or not used.
    let given = json!({ "use_ema": null, "ema_momentum": null, "nesterov": null });
    assert_eq!(read(given).unwrap(), Sgd::new().into());
}
