"""Makes `layouts*.h5` and `refused/`, with h5py 3.16.0 (HDF5 2.0.0).

    python make_layouts.py

Every data set of the first holds 0, 1, 2, ...; those of the second have something each that is
not read.
"""

import pathlib

import h5py
import numpy as np


def fill(file, prefix=""):
    def put(name, shape, dtype="float32", **options):
        values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
        file.create_dataset(prefix + name, data=values, **options)

    for dtype in ["float16", "float32", "float64", "uint8", "int16", "int64", "<i4", ">i4", ">f4", ">f8", ">f2"]:
        name = np.dtype(dtype).str.replace("<", "le ").replace(">", "be ").replace("|", "")
        put(f"plain {name}", (3, 4), dtype)
    for dtype in ["<f4", ">i4"]:
        name = np.dtype(dtype).str.replace("<", "le ").replace(">", "be ")
        put(f"gzip {name}", (3, 4), dtype, chunks=(2, 3), compression="gzip", shuffle=True)
    put("edges", (5, 7, 3), chunks=(2, 3, 2))
    put("one chunk", (5, 7), chunks=(5, 7))
    put("one large chunk", (5, 7), chunks=(5, 7), compression="gzip", compression_opts=9)
    put("many chunks", (70, 9), "int16", chunks=(1, 2), maxshape=(70, 20))
    put("many gzip chunks", (70, 9), "int16", chunks=(1, 2), compression="gzip")
    put("lzf", (40, 40), "int32", chunks=(20, 40), compression="lzf", shuffle=True)
    put("lzf alone", (900,), "uint8", chunks=(300,), compression="lzf")
    put("fletcher32", (5, 5), "int32", chunks=(2, 2), fletcher32=True)
    put("all", (9, 9), "int32", chunks=(4, 4), fletcher32=True, shuffle=True, compression="gzip")
    put("shuffle", (9,), "int64", chunks=(4,), shuffle=True)
    put("empty", (0, 3), chunks=(2, 3), maxshape=(None, None))
    put("two axes without limit", (9, 9), "int16", chunks=(2, 2), maxshape=(None, None))
    put("gzip without limits", (9, 9), "int16", chunks=(2, 2), maxshape=(None, None), compression="gzip")


for libver, name in [("earliest", "layouts.h5"), ("latest", "layouts_latest.h5"), ("v110", "layouts_v110.h5")]:
    with h5py.File(name, "w", libver=libver) as file:
        fill(file)
        if libver == "v110":
            continue
        many = file.create_group("many")
        many["0"] = np.int32(0)
        for number in range(150):
            many[f"a member with a rather long name, of number {number}"] = many["0"]
        attributes = file.create_group("attributes")
        for number in range(60):
            attributes.attrs[f"attribute {number:02}"] = f"text {number}"
        attributes.attrs["numbers"] = np.arange(1000)
        if libver == "latest":
            attributes.attrs["huge"] = np.arange(66000).astype("uint8")
        tracked = file.create_group("tracked", track_order=True)
        for number in range(12):
            tracked[f"{11 - number}"] = np.float32(0)
            tracked.attrs[f"{11 - number}"] = number

refused = pathlib.Path("refused")
refused.mkdir(exist_ok=True)


def refuse(name, libver="earliest", **options):
    return h5py.File(refused / f"{name}.h5", "w", libver=libver, **options)


with refuse("extensible_array", "latest") as file:
    file.create_dataset("x", data=np.arange(4), chunks=(2,), maxshape=(None,))
with refuse("scaleoffset") as file:
    file.create_dataset("x", data=np.arange(4), chunks=(2,), scaleoffset=True)
with refuse("virtual", "latest") as file:
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(4,))
    file.create_virtual_dataset("x", layout)
with refuse("external") as file:
    file.create_dataset("x", (4,), "f4", external=[("other.raw", 0, 16)])
with refuse("soft_link_latest", "latest") as file:
    file["x"] = h5py.SoftLink("/etc/passwd")
with refuse("external_link") as file:
    file["x"] = h5py.ExternalLink("/etc/passwd", "y")
with refuse("compound") as file:
    file["x"] = np.zeros(2, [("a", "f4"), ("b", "i4")])
with refuse("texts") as file:
    file["x"] = ["a", "b"]
with refuse("sequences") as file:
    file.create_dataset("x", (2,), h5py.vlen_dtype("f4"))
with refuse("enumeration") as file:
    file["x"] = np.zeros(2, h5py.enum_dtype({"A": 0, "B": 1, "C": 2}, "i4"))
with refuse("arrays") as file:
    h5py.h5d.create(file.id, b"x", h5py.h5t.array_create(h5py.h5t.IEEE_F32LE, (3,)), h5py.h5s.create_simple((2,)))
with refuse("complex") as file:
    file["x"] = np.zeros(2, "complex64")
with refuse("references") as file:
    file.create_dataset("x", (2,), h5py.ref_dtype)
with refuse("named_type") as file:
    file["x"] = np.dtype("f4")
with refuse("shared_type") as file:
    file["a"] = np.dtype("f4")
    file.create_dataset("x", (2,), dtype=file["a"])
with refuse("user_block", userblock_size=512) as file:
    file["x"] = np.zeros(2)
with refuse("opaque") as file:
    file["x"] = np.zeros(2, "V3")
with refuse("unwritten_chunks") as file:
    data = file.create_dataset("x", (6,), "f4", chunks=(2,))
    data[:2] = 1
with refuse("huge_chunks") as file:
    file.create_dataset("x", (1 << 30,), "f4", chunks=(1 << 20,), compression="gzip")[:4] = 1
with refuse("bomb") as file:
    file.create_dataset("x", data=np.zeros(1 << 24, "f4"), chunks=(1 << 24,), compression="gzip", compression_opts=9)
