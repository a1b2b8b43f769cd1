"""Writes the public names of Keras and their arguments, which `docs/keras.md` is checked against.

    python keras_names.py KERAS.md SIGNATURES.txt > ../../crates/deckle/tests/keras_names.json

KERAS.md has the inventory of public names, SIGNATURES.txt a line `Class(Base): self, argument=default, ...` or
`def function(argument=default, ...)` for each. An argument without a default has the value "required".
"""

import ast
import json
import re
import sys

GROUPS = {"layers": "keras.layers", "losses": "keras.losses", "metrics": "keras.metrics", "optimizers": "keras.optimizers",
          "schedules": "keras.optimizers.schedules", "initializers": "keras.initializers", "regularizers": "keras.regularizers",
          "constraints": "keras.constraints", "activations": "keras.activations"}
# Bases to derive from, and what is no layer, loss, ... at all.
NO_BRICKS = {"InputSpec", "Layer", "Loss", "Metric", "Optimizer", "OptimizerMap", "LearningRateSchedule", "Initializer", "Regularizer",
             "Constraint", "legacy", "schedules", "deserialize", "serialize", "Input"}
# What is written otherwise in the list of signatures.
OTHER_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}


def inventory(text):
    """The names of each group, in the order of the text."""
    found = {group: [] for group in GROUPS}
    layers = text.split("#### 1.1")[1].split("#### 1.2")[0]
    for line in layers.splitlines():
        if match := re.match(r"- \*\*(.*?)\*\* \(\d+\): (.*)", line):
            found["layers"] += match[2].split(", ")
    for group, module in GROUPS.items():
        if match := re.search(rf"\(`{re.escape(module)}`, \d+\): (.*)", text):
            found[group] += match[1].split(", ")
    return found


def signatures(text):
    """The arguments with their defaults by (section, name)."""
    found, section = {}, ""
    for line in text.splitlines():
        if line.startswith("== "):
            section = line[3:].split("/")[0] if "schedules" not in line else "schedules"
        match = re.match(r"def (\w+)\((.*)\)$", line) or re.match(r"(\w+)\([\w., ]*\): (.*)$", line)
        if match and (section, match[1]) not in found:
            found[section, match[1]] = arguments(match[2])
    return found


def arguments(text):
    args = ast.parse(f"def f({text}): pass").body[0].args
    every = args.posonlyargs + args.args
    defaults = [None] * (len(every) - len(args.defaults)) + args.defaults
    every = list(zip(every, defaults)) + list(zip(args.kwonlyargs, args.kw_defaults))
    return {arg.arg: value(default) for arg, default in every if arg.arg != "self"}


def value(default):
    if default is None:
        return "required"
    try:
        return ast.literal_eval(default)
    except ValueError:
        return ast.unparse(default)


def main(names, lines):
    texts = [open(path, encoding="utf-8").read() for path in (names, lines)]
    known = signatures(texts[1])
    made = {}
    for group, all_names in inventory(texts[0]).items():
        made[group] = {}
        for name in all_names:
            is_class = name[0].isupper() or group == "activations"
            if name in NO_BRICKS or not is_class:
                continue
            made[group][name] = known.get((group, OTHER_NAMES.get(name, name)), {})
    alike = {}
    for name in list(made["layers"]):
        for long, short in (("Convolution", "Conv"), ("AvgPool", "AveragePooling"), ("MaxPool(?!ing)", "MaxPooling")):
            other = re.sub(long, short, name)
            if other != name and other in made["layers"]:
                alike[name] = other
    for group, long, short in (("initializers", "Initializer", ""), ("activations", "swish", "silu"), ("activations", "hard_swish", "hard_silu")):
        for name in list(made[group]):
            other = name.replace(long, short)
            if other != name and other in made[group]:
                alike[name] = other
    for name in alike:
        for group in made.values():
            group.pop(name, None)
    print("{")
    for group, all_names in made.items():
        print(f' "{group}": {{')
        print(",\n".join(f'  "{name}": {json.dumps(args)}' for name, args in all_names.items()))
        print(" },")
    print(f' "aliases": {json.dumps(alike)}\n}}')


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
