"""Writes crates/optim/tests/testdata/scipy.json: where SciPy's L-BFGS ends, and after how many steps.

    python lbfgs.py FILE        # needs: pip install scipy

Rosenbrock's valley in two and in ten dimensions, and a logistic regression with a penalty.
"""

import json
import sys

import numpy as np
import scipy
from scipy.optimize import fmin_l_bfgs_b, rosen, rosen_der

RANDOM = np.random.default_rng(17)
X = np.round(RANDOM.normal(size=(60, 4)), 3)
Y = (X @ [1.5, -2.0, 0.5, 0.0] + 0.3 + RANDOM.normal(size=60) > 0).astype(float)
PENALTY = 0.05


def logistic(w):
    """The mean cross-entropy and a penalty; `w` ends in the bias."""
    z = X @ w[:-1] + w[-1]
    loss = np.mean(np.logaddexp(0, z) - Y * z) + PENALTY * np.sum(w[:-1] ** 2)
    error = (1 / (1 + np.exp(-z)) - Y) / len(Y)
    return loss, np.append(X.T @ error + 2 * PENALTY * w[:-1], error.sum())


def case(name, function, start):
    x, loss, about = fmin_l_bfgs_b(function, start, m=10, pgtol=1e-7, factr=1.0, maxiter=1000)
    return {"name": name, "start": list(start), "at": x.tolist(), "loss": float(loss), "iterations": about["nit"], "evaluations": about["funcalls"]}


def main():
    def valley(x):
        return rosen(x), rosen_der(x)

    cases = [case("rosenbrock_2", valley, [-1.2, 1.0]), case("rosenbrock_10", valley, [-1.2, 1.0] * 5), case("logistic", logistic, [0.0] * 5)]
    found = {"made_by": f"SciPy {scipy.__version__}", "x": X.tolist(), "y": Y.tolist(), "penalty": PENALTY, "cases": cases}
    with open(sys.argv[1], "w") as file:
        json.dump(found, file)
        file.write("\n")


main()
