"""Checks that TensorBoard's own reader finds in a log folder what a history says.

    /tmp/tensorboard/bin/pip install tensorboard==2.21.0
    deckle fit model.keras --data data.npz --validation-split 0.25 --epochs 3 --tensorboard logs --history history.json
    /tmp/tensorboard/bin/python tools/golden/check_events.py logs history.json

Prints every tag with its values; fails if a value of an epoch is missing or differs, if there is no graph, or if a weight
has no histogram or an image cannot be read.
"""

import json
import sys
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

logs, history = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
problems, checked = [], 0


def values(reader, tag):
    return [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in reader.Tensors(tag)]


readers = {}
for run in sorted(folder.name for folder in logs.iterdir()):
    reader = readers[run] = EventAccumulator(str(logs / run), size_guidance={"tensors": 0, "images": 0}).Reload()
    for tag in reader.Tags()["tensors"]:
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        found = values(reader, tag)
        if plugin == "scalars":
            print(run, plugin, tag, [(step, float(value)) for step, value in found])
        elif plugin == "histograms":
            print(run, plugin, tag, [(step, value.shape, int(value[:, 2].sum())) for step, value in found])
        elif plugin == "images":
            for step, value in found:
                width, height = int(value[0]), int(value[1])
                for png in value[2:]:
                    size = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
                    if not png.startswith(b"\x89PNG") or size != (width, height):
                        problems.append(f"{tag}: an image of {size} instead of {(width, height)}")
                print(run, plugin, tag, step, f"{len(value) - 2} of {width} x {height}")
        elif plugin == "graph_keras_model":
            config = json.loads(found[0][1].item())
            print(run, plugin, tag, config["class_name"])
        else:
            print(run, plugin, tag, found)

for name, expected in history.items():
    run, tag = ("validation", "epoch_" + name[4:]) if name.startswith("val_") else ("train", "epoch_" + name)
    found = dict(values(readers[run], tag))
    for epoch, value in enumerate(expected):
        checked += 1
        if epoch not in found or np.float32(value) != found[epoch]:
            problems.append(f"{run} {tag} epoch {epoch}: {found.get(epoch)} instead of {value}")

graph = readers["train"].Graph()
print("graph", [(node.name, node.op, list(node.input)) for node in graph.node])
if not graph.node:
    problems.append("no graph")
print(f"{checked} values, {len(problems)} problems")
sys.exit("\n".join(problems))
