"""Writes the files of `crates/tensor/tests/data` with NumPy, and what NumPy prints.

    python -m venv /tmp/numpy && /tmp/numpy/bin/pip install numpy==2.4.6
    /tmp/numpy/bin/python tools/golden/npy.py                # write the fixtures
    /tmp/numpy/bin/python tools/golden/npy.py --check DIR    # judge files that Deckle wrote

The check wants a folder made by `DECKLE_NPY_OUTPUT=DIR cargo test -p deckle-tensor --test npy`.
"""

import sys
import zipfile
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[2] / "crates" / "tensor" / "tests" / "data"

# The element types, and a name for each file.
TYPES = {
    "bool": "|b1", "uint8": "|u1", "int32": "<i4", "int64": "<i8", "uint32": "<u4",
    "float16": "<f2", "float32": "<f4", "float64": "<f8",
    "int8": "|i1", "int16": "<i2", "uint16": "<u2", "uint64": "<u8",
}


def values(dtype):
    """0 to 5 in two rows; the tests make the same."""
    return np.arange(6).reshape(2, 3).astype(dtype)


def write():
    DATA.mkdir(parents=True, exist_ok=True)
    for name, descr in TYPES.items():
        x = values(descr)
        np.save(DATA / f"{name}.npy", x)
        if x.itemsize > 1:
            np.save(DATA / f"{name}_big_endian.npy", x.astype(x.dtype.newbyteorder(">")))
    np.save(DATA / "fortran.npy", np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4)))
    np.save(DATA / "fortran_big_endian.npy", np.asfortranarray(values(">f8")))
    np.save(DATA / "scalar.npy", np.float32(2.5))
    np.save(DATA / "empty.npy", np.zeros((0, 3), "<f4"))
    for version in [(2, 0), (3, 0)]:
        with open(DATA / f"version_{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, values("<f4"), version=version)
    np.save(DATA / "strings.npy", np.array(["a", "bc"]))
    np.save(DATA / "objects.npy", np.array([[1, 2], [3]], dtype=object), allow_pickle=True)
    np.save(DATA / "complex.npy", np.array([1 + 2j]))
    np.save(DATA / "fields.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
    members = {"x": values("<f4"), "y": np.arange(5), "empty": np.zeros((0, 2))}
    np.savez(DATA / "stored.npz", **members)
    np.savez_compressed(DATA / "compressed.npz", **members)
    np.savez(DATA / "objects.npz", x=np.array([[1, 2], [3]], dtype=object), y=np.arange(2))
    with zipfile.ZipFile(DATA / "zip64.npz", "w") as archive:
        for name, x in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, x)


def check(folder):
    folder = Path(folder)
    for name, descr in TYPES.items():
        path = folder / f"{name}.npy"
        if path.exists():
            x = np.load(path)
            assert x.dtype == np.dtype(descr), (name, x.dtype)
            np.testing.assert_array_equal(x, values(descr))
    for name in ["stored.npz", "compressed.npz"]:
        with np.load(folder / name) as archive:
            assert archive.files == ["x", "y", "empty"], archive.files
            np.testing.assert_array_equal(archive["x"], values("<f4"))
            np.testing.assert_array_equal(archive["y"], np.arange(5))
            assert archive["empty"].shape == (0, 2)
        assert zipfile.ZipFile(folder / name).testzip() is None
    print("NumPy", np.__version__, "reads every file of", folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        check(sys.argv[2])
    else:
        write()
