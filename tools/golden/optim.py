"""Writes what Keras's optimizers and schedules compute, in double precision.

    python tools/golden/optim.py crates/optim/tests/testdata/keras.json    # needs: pip install keras jax

Each optimizer case holds the optimizer as Keras writes it, two weights, their gradients in each step,
the weights after each step, and the names and values of the optimizer's variables at the end in the
order of Keras's files. Each schedule case holds the schedule as Keras writes it, and its values.
"""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402

keras.config.set_floatx("float64")
optimizers, schedules = keras.optimizers, keras.optimizers.schedules

# A Python float would be read in single precision by a schedule.
double = np.float64

# Learning rates are kept in single precision.
RATE = float(np.float32(0.1))
STEPS = 6

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(RATE),
    "sgd_momentum": lambda: optimizers.SGD(RATE, momentum=0.9),
    "sgd_nesterov": lambda: optimizers.SGD(RATE, momentum=0.9, nesterov=True),
    "sgd_weight_decay": lambda: optimizers.SGD(RATE, momentum=0.5, weight_decay=0.01),
    "sgd_clipnorm": lambda: optimizers.SGD(RATE, clipnorm=0.5),
    "sgd_clipvalue": lambda: optimizers.SGD(RATE, clipvalue=0.25),
    "sgd_global_clipnorm": lambda: optimizers.SGD(RATE, global_clipnorm=0.5),
    "sgd_loss_scale": lambda: optimizers.SGD(RATE, loss_scale_factor=8.0, clipnorm=0.1),
    "sgd_average": lambda: optimizers.SGD(
        RATE, use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=3),
    "sgd_average_kept": lambda: optimizers.SGD(RATE, use_ema=True),
    "sgd_accumulation": lambda: optimizers.SGD(
        RATE, momentum=0.9, weight_decay=0.01, gradient_accumulation_steps=2),
    "rmsprop": lambda: optimizers.RMSprop(RATE),
    "rmsprop_momentum": lambda: optimizers.RMSprop(RATE, rho=0.8, momentum=0.5),
    "rmsprop_centered": lambda: optimizers.RMSprop(RATE, centered=True, epsilon=1e-3),
    "rmsprop_centered_momentum": lambda: optimizers.RMSprop(RATE, momentum=0.9, centered=True),
    "adam": lambda: optimizers.Adam(RATE),
    "adam_amsgrad": lambda: optimizers.Adam(RATE, beta_2=0.5, amsgrad=True),
    "adam_accumulation_average": lambda: optimizers.Adam(
        RATE, amsgrad=True, use_ema=True, ema_overwrite_frequency=2, gradient_accumulation_steps=2),
    "adam_weight_decay": lambda: optimizers.Adam(RATE, weight_decay=0.1, epsilon=1e-3),
    "adam_w": lambda: optimizers.AdamW(RATE),
    "adam_w_decay": lambda: optimizers.AdamW(RATE, weight_decay=0.3, beta_1=0.5),
    "adagrad": lambda: optimizers.Adagrad(RATE),
    "adagrad_initial": lambda: optimizers.Adagrad(RATE, initial_accumulator_value=0.5, epsilon=1e-2),
    "adadelta": lambda: optimizers.Adadelta(RATE),
    "adadelta_rho": lambda: optimizers.Adadelta(RATE, rho=0.5, epsilon=1e-3, weight_decay=0.1, clipnorm=0.5),
    "adafactor": lambda: optimizers.Adafactor(RATE),
    "adafactor_all": lambda: optimizers.Adafactor(
        RATE, beta_2_decay=-0.5, epsilon_1=1e-3, epsilon_2=0.1, clip_threshold=0.5, relative_step=False,
        gradient_accumulation_steps=2),
    "adamax": lambda: optimizers.Adamax(RATE),
    "adamax_betas": lambda: optimizers.Adamax(RATE, beta_1=0.5, beta_2=0.7, epsilon=1e-2, use_ema=True),
    "ftrl": lambda: optimizers.Ftrl(RATE),
    "ftrl_all": lambda: optimizers.Ftrl(
        RATE, learning_rate_power=-0.7, initial_accumulator_value=0.3, l1_regularization_strength=0.05,
        l2_regularization_strength=0.1, l2_shrinkage_regularization_strength=0.2, beta=0.3),
    "lamb": lambda: optimizers.Lamb(RATE),
    "lamb_betas": lambda: optimizers.Lamb(RATE, beta_1=0.5, beta_2=0.7, epsilon=1e-2, weight_decay=0.1, clipvalue=0.3),
    "lion": lambda: optimizers.Lion(RATE),
    "lion_betas": lambda: optimizers.Lion(RATE, beta_1=0.5, beta_2=0.7, weight_decay=0.1),
    "nadam": lambda: optimizers.Nadam(RATE),
    "nadam_betas": lambda: optimizers.Nadam(RATE, beta_1=0.5, beta_2=0.7, epsilon=1e-2, gradient_accumulation_steps=2),
    "muon": lambda: optimizers.Muon(RATE),
    "muon_all": lambda: optimizers.Muon(
        RATE, weight_decay=0.1, adam_weight_decay=0.2, adam_beta_1=0.5, adam_beta_2=0.7, epsilon=1e-2, muon_a=3.0,
        muon_b=-4.0, muon_c=2.0, adam_lr_ratio=0.5, momentum=0.5, ns_steps=3, nesterov=False, rms_rate=None),
    "muon_excluded": lambda: optimizers.Muon(RATE, exclude_layers=["b"]),
    "schedule_free_adam_w": lambda: optimizers.ScheduleFreeAdamW(RATE),
    "schedule_free_adam_w_warmup": lambda: optimizers.ScheduleFreeAdamW(
        RATE, beta_1=0.5, beta_2=0.7, epsilon=1e-2, warmup_steps=4, weight_decay=0.1),
    "loss_scale": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(RATE)),
    "loss_scale_growing": lambda: optimizers.LossScaleOptimizer(
        optimizers.SGD(RATE, momentum=0.9), initial_scale=4.0, dynamic_growth_steps=2),
    "sgd_exponential_decay": lambda: optimizers.SGD(
        schedules.ExponentialDecay(double(RATE), 3, 0.5), momentum=0.9, weight_decay=0.01),
    "adam_cosine_decay": lambda: optimizers.Adam(
        schedules.CosineDecay(double(0.01), 4, alpha=0.1, warmup_target=0.2, warmup_steps=2)),
    "sgd_accumulation_decay": lambda: optimizers.SGD(
        schedules.ExponentialDecay(double(RATE), 3, 0.5), gradient_accumulation_steps=3),
}

# What all classes have, in three sets as ways of clipping exclude each other.
SHARED = {
    "clipnorm": dict(weight_decay=0.05, clipnorm=0.5, use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=3,
                     loss_scale_factor=8.0),
    "global_clipnorm": dict(weight_decay=0.02, global_clipnorm=0.4, gradient_accumulation_steps=2),
    "clipvalue": dict(clipvalue=0.2, use_ema=True, ema_momentum=0.9, gradient_accumulation_steps=3, loss_scale_factor=0.5),
}
# And what the cases above do not have.
OWN = {
    "AdamW": dict(beta_1=0.8, beta_2=0.7, epsilon=1e-2, amsgrad=True), "Muon": dict(exclude_embeddings=False),
    "SGD": dict(momentum=0.6, nesterov=True), "RMSprop": dict(momentum=0.6, centered=True), "Nadam": dict(beta_2=0.9),
}
for name in ("SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Adafactor", "Adamax", "Ftrl", "Lamb", "Lion", "Muon", "Nadam",
             "ScheduleFreeAdamW"):
    for which, given in SHARED.items():
        given = given | OWN.get(name, {})
        OPTIMIZERS[f"{name.lower()}_with_{which}"] = lambda name=name, given=given: getattr(optimizers, name)(RATE, **given)

SCHEDULES = {
    "exponential": lambda: schedules.ExponentialDecay(double(0.1), 7, 0.9),
    "exponential_staircase": lambda: schedules.ExponentialDecay(double(0.1), 7, 0.9, staircase=True),
    "inverse_time": lambda: schedules.InverseTimeDecay(double(0.1), 7, 0.9),
    "inverse_time_staircase": lambda: schedules.InverseTimeDecay(double(0.1), 7, 0.9, staircase=True),
    "cosine": lambda: schedules.CosineDecay(double(0.1), 20),
    "cosine_alpha": lambda: schedules.CosineDecay(double(0.1), 20, alpha=0.25),
    "cosine_warmup": lambda: schedules.CosineDecay(double(0.01), 20, 0.1, warmup_target=0.3, warmup_steps=9),
    "cosine_restarts": lambda: schedules.CosineDecayRestarts(double(0.1), 5),
    "cosine_restarts_same": lambda: schedules.CosineDecayRestarts(double(0.1), 5, t_mul=1.0, m_mul=0.5),
    "cosine_restarts_falling": lambda: schedules.CosineDecayRestarts(
        0.1, 4, t_mul=1.5, m_mul=0.8, alpha=0.1),
    "polynomial": lambda: schedules.PolynomialDecay(double(0.1), 20),
    "polynomial_power": lambda: schedules.PolynomialDecay(double(0.1), 20, 0.01, power=2.5),
    "polynomial_cycle": lambda: schedules.PolynomialDecay(double(0.1), 20, 0.01, power=0.5, cycle=True),
    "piecewise": lambda: schedules.PiecewiseConstantDecay(
        [4, 10, 11], [double(value) for value in [0.5, 0.4, 0.3, 0.2]]),
}


def numbers(values):
    return np.asarray(values, dtype="float64").ravel().tolist()


def tolerance(name):
    """Keras takes cosines, means and norms in single precision."""
    return 1e-7 if any(word in name for word in ["cosine", "adafactor", "muon"]) else 1e-12


def apply(optimizer, gradients, weights):
    if not isinstance(optimizer, optimizers.LossScaleOptimizer):
        return optimizer.apply(gradients, weights)
    # On JAX it cannot change variables by itself.
    if not optimizer.built:
        optimizer.build(weights)
    values, state = optimizer.stateless_apply(
        [variable.value for variable in optimizer.variables], gradients, [weight.value for weight in weights])
    for variable, value in zip([*weights, *optimizer.variables], [*values, *state]):
        variable.assign(value)


def optimizer_case(name, make):
    keras.utils.clear_session()
    rng = np.random.default_rng(42)
    starts = [np.round(rng.normal(size=shape), 3) for shape in [(3,), (2, 2)]]
    weights = [keras.Variable(start, name=name) for start, name in zip(starts, "ab")]
    optimizer = make()
    case = {"name": name, "tolerance": tolerance(name),
            "optimizer": keras.saving.serialize_keras_object(optimizer),
            "shapes": [list(start.shape) for start in starts],
            "start": [numbers(start) for start in starts], "gradients": [], "weights": []}
    for _ in range(STEPS):
        gradients = [np.round(rng.normal(scale=0.5, size=start.shape), 3) for start in starts]
        apply(optimizer, [jax.numpy.asarray(gradient) for gradient in gradients], weights)
        case["gradients"].append([numbers(gradient) for gradient in gradients])
        case["weights"].append([numbers(weight.numpy()) for weight in weights])
    case["variables"] = [[variable.name, numbers(variable.numpy())] for variable in optimizer.variables]
    optimizer.finalize_variable_values(weights)
    case["finalized"] = [numbers(weight.numpy()) for weight in weights]
    return case


def schedule_case(name, make):
    schedule = make()
    steps = list(range(0, 31)) + [100]
    values = [float(schedule(jax.numpy.asarray(step))) for step in steps]
    return {"name": name, "tolerance": tolerance(name),
            "schedule": keras.saving.serialize_keras_object(schedule),
            "steps": steps, "values": values}


def main():
    cases = {
        "made_by": f"Keras {keras.__version__} on JAX {jax.__version__}, float64, seed 42",
        "optimizers": [optimizer_case(*case) for case in OPTIMIZERS.items()],
        "schedules": [schedule_case(*case) for case in SCHEDULES.items()],
    }
    with open(sys.argv[1], "w") as file:
        # One case per line.
        lines = [f'  "{key}": {json.dumps(value)}' if not isinstance(value, list) else
                 f'  "{key}": [\n    ' + ",\n    ".join(map(json.dumps, value)) + "\n  ]"
                 for key, value in cases.items()]
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


main()
