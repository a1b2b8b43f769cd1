"""Writes `crates/formats/tests/data/events.tfevents` with TensorBoard's own classes.

    /tmp/tensorboard/bin/python tools/golden/events.py    # tensorboard 2.21.0

Every kind of event that `deckle_formats::events` writes, at one time of the clock.
"""

from pathlib import Path

import numpy as np
from tensorboard.compat.proto import event_pb2, graph_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.summary.writer.record_writer import RecordWriter

TIME = 1_700_000_000.25
DATA = Path(__file__).parents[2] / "crates" / "formats" / "tests" / "data"


def shape(*lens):
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in lens])


def tensor(dtype, lens, **value):
    return tensor_pb2.TensorProto(dtype=dtype, tensor_shape=shape(*lens), **value)


def summary(tag, step, plugin, kind, value, content=b""):
    metadata = summary_pb2.SummaryMetadata(data_class=kind)
    metadata.plugin_data.plugin_name = plugin
    metadata.plugin_data.content = content
    value = summary_pb2.Summary.Value(tag=tag, tensor=value, metadata=metadata)
    return event_pb2.Event(step=step, summary=summary_pb2.Summary(value=[value]))


def scalar(step, value):
    value = tensor(types_pb2.DT_FLOAT, [], float_val=[value])
    return summary("epoch_loss", step, "scalars", summary_pb2.DATA_CLASS_SCALAR, value)


def strings(lens, parts):
    return tensor(types_pb2.DT_STRING, lens, string_val=parts)


def graph():
    nodes = graph_pb2.GraphDef()
    nodes.versions.producer = 22
    for name, op, inputs, units in [("input", "InputLayer", [], 784), ("model/dense", "Dense", ["input"], 10)]:
        node = nodes.node.add(name=name, op=op, input=inputs)
        node.attr["_output_shapes"].list.shape.append(shape(-1, units))
    return event_pb2.Event(graph_def=nodes.SerializeToString())


buckets = np.array([[0, 2, 3], [2, 4, 1]], "<f8")
events = [
    event_pb2.Event(file_version="brain.Event:2"),
    graph(),
    summary("keras", 0, "graph_keras_model", summary_pb2.DATA_CLASS_UNKNOWN, strings([], [b'{"name": "sequential"}']), b"1"),
    scalar(0, 0.5),
    scalar(300, -1.25e-3),
    scalar(-1, float("nan")),
    summary("dense/kernel/histogram", 1, "histograms", summary_pb2.DATA_CLASS_TENSOR,
            tensor(types_pb2.DT_DOUBLE, [2, 3], tensor_content=buckets.tobytes())),
    summary("digits", 2, "images", summary_pb2.DATA_CLASS_BLOB_SEQUENCE, strings([4], [b"28", b"14", b"first", b"second"])),
    summary("notes", 3, "text", summary_pb2.DATA_CLASS_TENSOR, strings([], ["ein *schöner* Anfang".encode()])),
]
with open(DATA / "events.tfevents", "wb") as file:
    writer = RecordWriter(file)
    for event in events:
        event.wall_time = TIME
        writer.write(event.SerializeToString(deterministic=True))
    writer.flush()
