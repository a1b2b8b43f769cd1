"""Makes the files beside it, with Keras 3.15.1 on JAX and h5py 3.16.0 (HDF5 2.0.0).

    KERAS_BACKEND=jax python make.py
"""

import zipfile

import h5py
import keras
import ml_dtypes
import numpy as np

# A model with known weights, compiled and trained for one step that changes nothing.
model = keras.Sequential(
    [keras.Input((2,)), keras.layers.Dense(3, name="hidden"), keras.layers.Flatten(), keras.layers.Dense(1)],
    name="tiny",
)
model.compile(keras.optimizers.SGD(learning_rate=0.0, momentum=0.9), "mse")
model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
model.set_weights([np.arange(n, dtype="float32").reshape(s) for n, s in [(6, (2, 3)), (3, (3,)), (3, (3, 1)), (1, (1,))]])
model.save("tiny.keras")
model.save("tiny.h5")

# Every type of data and attribute that is read.
with h5py.File("kinds.weights.h5", "w") as file:
    group = file.create_group("kinds/vars")
    group.attrs["name"] = "kinds"
    for dtype in ["float16", "float32", "float64", "int8", "int16", "int32", "int64"]:
        group[dtype] = np.array([[0, 1, 2], [3, 4, 100]]).astype(dtype)
        group[dtype + "_be"] = np.array([-1, 2]).astype(np.dtype(dtype).newbyteorder(">"))
    for dtype in ["uint8", "uint16", "uint32", "uint64", "bool"]:
        group[dtype] = np.array([[0, 1, 2], [3, 4, 100]]).astype(dtype)
    group["scalar"] = np.int64(7)
    group["empty"] = np.zeros((0, 3), "float32")
    data = group.create_dataset("bfloat16", data=np.array([1.5, -2.0], ml_dtypes.bfloat16))
    data.attrs["dtype"] = "bfloat16"
    many = file.create_group("many")
    for number in range(40):
        many[str(number)] = np.float32(number)
    file.create_group("nothing/vars")
    file.attrs.update(
        {
            "text": "é",
            "empty text": "",
            "bytes": np.bytes_(b"bytes"),
            "texts": ["x", "yz", ""],
            "fixed texts": np.array([b"a", b"bcd"]),
            "number": 3.5,
            "numbers": np.arange(3),
            "flag": True,
            "empty list": np.array([], "float64"),
            "null": h5py.Empty("float32"),
        }
    )

with h5py.File("latest.h5", "w", libver="latest") as file:
    file["x"] = np.arange(3)
with h5py.File("chunked.h5", "w") as file:
    file.create_dataset("group/x", data=np.arange(3), chunks=(2,), compression="gzip")
with h5py.File("linked.h5", "w") as file:
    file["x"] = h5py.SoftLink("/etc/passwd")
with h5py.File("unwritten.h5", "w") as file:
    file.create_dataset("huge", shape=(1 << 40,), dtype="float32")

# The same members deflated, with 64-bit sizes and offsets throughout, as a huge archive has.
zipfile.ZIP64_LIMIT = 1
zipfile.ZIP_FILECOUNT_LIMIT = 1
with zipfile.ZipFile("tiny.keras") as stored, zipfile.ZipFile("zip64.keras", "w") as deflated:
    for name in stored.namelist():
        member = zipfile.ZipInfo(name)
        member.compress_type = zipfile.ZIP_DEFLATED
        deflated.writestr(member, stored.read(name))
    deflated.writestr("assets/layers/words.txt", "the\nof\n")
