"""Writes `display.npz` and `display.txt` in `crates/tensor/tests/data`: arrays, and their text.

    /tmp/numpy/bin/python tools/golden/display.py    # NumPy 2.4.6, see npy.py

Each text stands between lines `== name`.
"""

from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[2] / "crates" / "tensor" / "tests" / "data"
random = np.random.default_rng(0)
arrays = []


def add(x, dtype=None):
    arrays.append(np.array(x) if dtype is None else np.array(x, dtype=dtype))


FLOATS = ["float16", "float32", "float64"]

for dtype in FLOATS:
    # Without axes.
    for x in [0, -0.0, 1, -1.5, 0.1, 1 / 3, 1e-4, 9.9e-5, 1e-7, 12345.678, 6e4, np.nan, -np.inf]:
        add(x, dtype)
    # What decides the notation.
    for x in [
        [0.0], [-0.0, 0], [1], [1, 2, 3], [0.1, 0.25, 100], [1, 1000], [1, 1001], [1e-4], [9e-5],
        [999, 1], [1000], [99999], [1 / 3, 2 / 3], [1e-8, 1], [1e-3, 1], [-1.5, 2.25, -1000.125],
        [np.nan, 1], [np.inf, -1.5], [-np.inf, 1], [np.nan, np.inf, -np.inf], [np.nan], [np.inf],
        [np.nan, 1e-5], [-np.inf, 1e-5], [0.123456789, 1], [0.99999999999, 1], [2.5, 1e-3],
        [1.000000001], [0.5, -0.5], [65504, 6e-8],
    ]:
        add(x, dtype)
    for shape in [(3,), (20,), (2, 3), (4, 20), (2, 2, 3), (2, 1, 2, 2)]:
        add(random.normal(size=shape), dtype)
        add(random.normal(size=shape) * 10.0 ** random.integers(-3, 3, size=shape), dtype)
        add(random.integers(-50, 50, size=shape), dtype)
        add(random.integers(0, 5, size=shape) / 4, dtype)
    for shape in [(30, 40), (2, 600), (2000,), (8, 9, 20)]:
        add(np.arange(np.prod(shape)).reshape(shape) / 8 - 50, dtype)
for dtype in ["float32", "float64"]:
    for x in [
        [1e5], [999999], [1e6], [1234567], [16777216], [1e7], [99999999], [1e8], [123456789, 1],
        [1e10, 1e-10], [1e30], [-1e30, 1e-30], [1e15], [1.5e16, 2], [3.4e38],
    ]:
        add(x, dtype)
    for x in [1e15, 1e16, 123456789, 1.2345e17, 1e-30, 16777217]:
        add(x, dtype)
    for _ in range(30):
        size = random.integers(1, 8)
        add(random.normal(size=size) * 10.0 ** random.integers(-12, 12), dtype)
add([1e100, 1.0])
add([1e-300, 1e300])
add([5e-324])
add(1e300)
for dtype in ["int32", "int64", "uint8", "uint32"]:
    for shape in [(), (1,), (5,), (40,), (3, 4), (3, 50), (2, 2, 2), (40, 40), (1001,), (1000,), (11, 10, 10), (3, 400)]:
        add(random.integers(0, 200, size=shape), dtype)
    add(np.zeros((0,)), dtype)
    add(np.zeros((2, 0, 3)), dtype)
add([-(2**63), 2**63 - 1])
add([[-1, 10], [100, -1000]])
for shape in [(), (3,), (2, 2), (30,), (40, 40)]:
    add(random.integers(0, 2, size=shape), "bool")
add(np.arange(64).reshape((2,) * 6))
add(np.arange(1200.0).reshape(1200, 1))
add(np.arange(1200.0).reshape(1, 1200))
add(np.arange(7 * 8 * 9 * 10).reshape(7, 8, 9, 10) / 8)

names = [f"x{i:03}" for i in range(len(arrays))]
np.savez_compressed(DATA / "display.npz", **dict(zip(names, arrays)))
with open(DATA / "display.txt", "w") as file:
    for name, x in zip(names, arrays):
        print(f"== {name}\n{x!s}", file=file)
print(len(arrays), "arrays, NumPy", np.__version__)
