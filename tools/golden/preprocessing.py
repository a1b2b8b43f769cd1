"""Writes `crates/data/tests/golden/preprocessing.json`: what Keras's preprocessing makes of small inputs.

    python tools/golden/preprocessing.py    # needs: pip install keras==3.15.1 tensorflow-cpu==2.21.0

`crates/data/tests/preprocessing.rs` compares.
"""

import json
import os
import pathlib
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402
from keras.src.legacy.preprocessing import text as legacy  # noqa: E402

OUT = pathlib.Path(__file__).parents[2] / "crates" / "data" / "tests" / "golden" / "preprocessing.json"
cases = {"keras": keras.__version__, "tensorflow": tf.__version__}

TEXTS = [
    "The cat sat on the mat.",
    "The dog ate my homework!  It's a dog's life, isn't it?",
    "",
    "   \t\n ",
    "a b a c b a d",
    "Ünïcödé STRASSE Straße ÉCOLE école ΣΊΣΥΦΟΣ",
    "日本語 の テキスト 日本語",
    "under_score semi;colon a-b-c 1,000.5 #tag @you",
    "tab\tnew\nline\rreturn\x0bvertical\x0cfeed\u00a0nbsp\u2003em",
    "emoji 👍🏽 e\u0301",
]


def tolist(x):
    return np.asarray(x).tolist()


def tokenizers():
    for config in [
        {},
        {"num_words": 5},
        {"num_words": 0},
        {"num_words": 1000},
        {"oov_token": "<unk>"},
        {"oov_token": "the", "num_words": 6},
        {"oov_token": "<unk>", "num_words": 4},
        {"lower": False},
        {"char_level": True},
        {"char_level": True, "num_words": 8, "oov_token": "?"},
        {"filters": ""},
        {"filters": "aeiou", "split": "t"},
        {"filters": ".!", "split": "at"},
    ]:
        tokenizer = legacy.Tokenizer(**config)
        tokenizer.fit_on_texts(TEXTS[:6])
        tokenizer.fit_on_texts(TEXTS[6:8])
        sequences = tokenizer.texts_to_sequences(TEXTS)
        yield {
            "config": config,
            "word_index": list(tokenizer.word_index.items()),
            "document_count": tokenizer.document_count,
            "sequences": sequences,
            "back": tokenizer.sequences_to_texts(sequences),
            "matrix": {
                mode: tolist(tokenizer.texts_to_matrix(TEXTS[:8], mode))
                for mode in ["binary", "count", "freq", "tfidf"]
            },
        }


def vectorizations():
    adapts = TEXTS + ["b a", "z y x", "y x", "zebra apple"]
    for config in [
        {},
        {"max_tokens": 8},
        {"output_sequence_length": 4},
        {"output_sequence_length": 40, "max_tokens": 12},
        {"standardize": "lower"},
        {"standardize": "strip_punctuation"},
        {"standardize": None},
        {"split": "character"},
        {"split": "character", "ngrams": 2, "max_tokens": 30},
        {"ngrams": 2},
        {"ngrams": (2,)},
        {"ngrams": (3, 1), "max_tokens": 20},
        {"output_mode": "multi_hot"},
        {"output_mode": "multi_hot", "max_tokens": 6},
        {"output_mode": "multi_hot", "max_tokens": 200, "pad_to_max_tokens": True},
        {"output_mode": "count", "ngrams": 2, "max_tokens": 16},
        {"output_mode": "tf_idf"},
        {"output_mode": "tf_idf", "max_tokens": 9, "pad_to_max_tokens": True},
        {"output_mode": "tf_idf", "max_tokens": 100, "pad_to_max_tokens": True},
        {"split": None, "output_mode": "int"},
        {"encoding": ""},
    ]:
        if config.get("split", "x") is None:
            continue
        config = dict(config)
        encoding = config.pop("encoding", None)
        if encoding is not None:
            continue
        layer = layers.TextVectorization(**config)
        layer.adapt(adapts)
        queries = TEXTS + ["cat dog unknown", "b"]
        yield {
            "config": config,
            "adapt": adapts,
            "vocabulary": layer.get_vocabulary(),
            "tokens_only": layer.get_vocabulary(include_special_tokens=False),
            "queries": queries,
            "output": tolist(layer(np.array(queries))),
        }
    for config in [
        {"vocabulary": ["the", "cat", "sat"]},
        {"vocabulary": ["", "[UNK]", "the", "cat", "sat"]},
        {"vocabulary": ["the", "cat", "sat"], "output_mode": "count"},
        {"vocabulary": ["[UNK]", "the", "cat"], "output_mode": "multi_hot"},
        {"vocabulary": ["the", "cat"], "output_mode": "tf_idf", "idf_weights": [0.5, 2.0]},
        {"vocabulary": ["[UNK]", "the", "cat"], "output_mode": "tf_idf", "idf_weights": [9.0, 0.5, 2.0]},
        {
            "vocabulary": ["the", "cat"], "output_mode": "tf_idf", "idf_weights": [0.5, 2.0],
            "max_tokens": 6, "pad_to_max_tokens": True,
        },
    ]:
        layer = layers.TextVectorization(**config)
        yield {
            "config": config,
            "vocabulary": layer.get_vocabulary(),
            "tokens_only": layer.get_vocabulary(include_special_tokens=False),
            "queries": TEXTS,
            "output": tolist(layer(np.array(TEXTS))),
        }


WORDS = ["red", "green", "blue", "red", "violet", "", "[UNK]", "blue", "red", "ant", "bee"]


def string_lookups():
    rows = [["red", "green", "violet", ""], ["ant", "unseen", "other", "red"], ["red", "red", "red", "[UNK]"]]
    for config in [
        {},
        {"max_tokens": 4},
        {"num_oov_indices": 3},
        {"num_oov_indices": 5, "salt": [7, 11]},
        {"mask_token": ""},
        {"mask_token": "", "num_oov_indices": 2},
        {"mask_token": "blue", "output_mode": "multi_hot"},
        {"output_mode": "one_hot"},
        {"output_mode": "one_hot", "mask_token": ""},
        {"output_mode": "count", "num_oov_indices": 2},
        {"output_mode": "tf_idf", "mask_token": ""},
        {"output_mode": "multi_hot", "max_tokens": 12, "pad_to_max_tokens": True},
        {"oov_token": "red"},
    ]:
        layer = layers.StringLookup(**config)
        layer.adapt([WORDS[:4], WORDS[4:8], WORDS[7:]] if config.get("output_mode") == "tf_idf" else WORDS)
        yield {
            "config": config,
            "adapt": [WORDS[:4], WORDS[4:8], WORDS[7:]] if config.get("output_mode") == "tf_idf" else [[w] for w in WORDS],
            "vocabulary": layer.get_vocabulary(),
            "rows": rows,
            "output": tolist(layer(np.array(rows))),
            "flat": tolist(layer(np.array(rows[1]))),
        }
    layer = layers.StringLookup(vocabulary=["a", "b", "c"], num_oov_indices=0)
    yield {
        "config": {"num_oov_indices": 0, "vocabulary": ["a", "b", "c"]},
        "vocabulary": layer.get_vocabulary(),
        "rows": [["c", "a"], ["b", "b"]],
        "output": tolist(layer(np.array([["c", "a"], ["b", "b"]]))),
    }


def inverses():
    for config in [
        {"vocabulary": ["a", "b", "c"]},
        {"vocabulary": ["a", "b", "c"], "mask_token": ""},
        {"vocabulary": ["a", "b", "c"], "num_oov_indices": 2},
    ]:
        layer = layers.StringLookup(invert=True, **config)
        queries = [0, 1, 2, 3, 4, 5, 99, -1]
        yield {"config": config, "queries": queries, "output": [w.decode() for w in tolist(layer(np.array(queries)))]}


def integer_lookups():
    data = [12, -5, 12, 7, 7, 100, -1, 0, 12, 3000000000]
    rows = [[12, 7, -5], [42, -42, 0], [-1, 100, 100]]
    for config in [
        {},
        {"max_tokens": 4},
        {"num_oov_indices": 3},
        {"num_oov_indices": 3, "oov_method": "farmhash"},
        {"num_oov_indices": 3, "oov_method": "farmhash", "salt": 5},
        {"mask_token": 0},
        {"mask_token": 0, "output_mode": "multi_hot"},
        {"output_mode": "one_hot", "num_oov_indices": 2},
        {"output_mode": "count"},
        {"output_mode": "tf_idf"},
    ]:
        layer = layers.IntegerLookup(**config)
        layer.adapt(data)
        yield {
            "config": config,
            "adapt": [[x] for x in data],
            "vocabulary": tolist(layer.get_vocabulary()),
            "rows": rows,
            "output": tolist(layer(np.array(rows))),
            "flat": tolist(layer(np.array(rows[1]))),
        }


def hashings():
    words = ["x" * n for n in range(0, 9)] + ["".join(chr(97 + (i * i + n) % 26) for i in range(n)) for n in range(1, 300, 7)]
    words += ["日本語", "é", "[UNK]"] + ["".join(chr(33 + (i * 7 + n) % 90) for i in range(n)) for n in [15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 192, 193]]
    for config in [
        {"num_bins": 3},
        {"num_bins": 1},
        {"num_bins": 1000003},
        {"num_bins": 100, "mask_value": ""},
        {"num_bins": 100, "salt": 1337},
        {"num_bins": 1000003, "salt": [133, 137]},
    ]:
        yield {"config": config, "strings": words, "output": tolist(layers.Hashing(**config)(np.array(words)))}
    numbers = [0, 1, -1, 42, 123456789012345, -7, 3]
    for config in [{"num_bins": 10}, {"num_bins": 10, "mask_value": 42}, {"num_bins": 9, "salt": 3}]:
        yield {"config": config, "integers": numbers, "output": tolist(layers.Hashing(**config)(np.array(numbers)))}
    rows = [["a", "b", "a"], ["c", "a", ""]]
    for mode in ["one_hot", "multi_hot", "count"]:
        config = {"num_bins": 4, "output_mode": mode}
        yield {"config": config, "rows": rows, "output": tolist(layers.Hashing(**config)(np.array(rows)))}


def crossings():
    a, b, c = ["x", "y", "", "long word here"], [1, -2, 3, 4], ["q", "r", "s", "t"]
    for inputs in [[a, c], [a, b], [b, b], [a, b, c]]:
        for config in [{"num_bins": 5}, {"num_bins": 1000003}, {"num_bins": 4, "output_mode": "one_hot"}]:
            layer = layers.HashedCrossing(**config)
            yield {"config": config, "inputs": inputs, "output": tolist(layer([np.array(x) for x in inputs]))}


def discretizations():
    random = np.random.default_rng(1)
    queries = [-100.0, -1.0, 0.0, 0.25, 0.5, 1.0, 3.0, 1e9, float("inf"), float("-inf")]
    for boundaries in [[0.0, 1.0, 2.0], [0.5], [-1.0, 0.25, 0.5, 3.0]]:
        for mode in ["int", "one_hot", "multi_hot", "count"]:
            layer = layers.Discretization(bin_boundaries=boundaries, output_mode=mode)
            yield {"bin_boundaries": boundaries, "output_mode": mode, "queries": queries, "output": tolist(layer(np.array(queries)))}
    for size, bins, epsilon in [(10, 4, 0.01), (1000, 4, 0.01), (1000, 7, 0.1), (3, 5, 0.01), (1, 2, 0.01), (57, 10, 0.05), (999, 3, 0.5), (250, 4, 0.01), (150, 4, 0.01)]:
        data = np.round(random.normal(size=size), 3).astype("float32")
        layer = layers.Discretization(num_bins=bins, epsilon=epsilon)
        layer.adapt(data)
        yield {
            "num_bins": bins, "epsilon": epsilon, "adapt": [tolist(data.astype("float64"))],
            "bin_boundaries": tolist(layer.bin_boundaries), "queries": queries, "output": tolist(layer(np.array(queries))),
        }
    batches = [np.round(random.normal(size=200) + i, 3).astype("float32") for i in range(3)]
    layer = layers.Discretization(num_bins=5)
    layer.adapt(iter(batches))
    yield {
        "num_bins": 5, "epsilon": 0.01, "adapt": [tolist(b.astype("float64")) for b in batches],
        "bin_boundaries": tolist(layer.bin_boundaries), "queries": queries, "output": tolist(layer(np.array(queries))),
    }


def encodings():
    for mode in ["one_hot", "multi_hot", "count"]:
        for x in [[[0, 1, 3], [2, 2, 0]], [[1], [3]], [0, 2, 2]]:
            layer = layers.CategoryEncoding(num_tokens=4, output_mode=mode)
            yield {"output_mode": mode, "num_tokens": 4, "x": x, "output": tolist(layer(np.array(x)))}
    layer = layers.CategoryEncoding(num_tokens=4, output_mode="count")
    x, w = [[0, 1, 3], [2, 2, 0]], [[0.5, 2.0, 1.0], [0.25, 0.5, 4.0]]
    yield {"output_mode": "count", "num_tokens": 4, "x": x, "weights": w, "output": tolist(layer(np.array(x), count_weights=np.array(w)))}


def normalizations():
    random = np.random.default_rng(2)
    for shape, axis in [((5, 3), -1), ((5, 3), None), ((4, 3, 2), -1), ((4, 3, 2), [1, 2]), ((4, 3, 2), 1), ((6,), None), ((1, 2), -1)]:
        x = (random.normal(size=shape) * 3 + 1).astype("float32")
        for invert in [False, True]:
            layer = layers.Normalization(axis=axis if not isinstance(axis, list) else tuple(axis), invert=invert)
            layer.adapt(x)
            yield {
                "axis": axis, "shape": shape, "invert": invert, "x": tolist(x.reshape(-1).astype("float64")),
                "output": tolist(np.asarray(layer(x)).reshape(-1)),
            }
    layer = layers.Normalization(axis=-1, mean=[1.0, 2.0], variance=[4.0, 0.0])
    x = np.array([[1.0, 2.0], [3.0, 2.5]], "float32")
    yield {"axis": -1, "shape": (2, 2), "mean": [1.0, 2.0], "variance": [4.0, 0.0], "invert": False, "x": [1.0, 2.0, 3.0, 2.5], "output": tolist(np.asarray(layer(x)).reshape(-1))}


def timeseries():
    for config in [
        {"sequence_length": 3},
        {"sequence_length": 3, "sequence_stride": 2},
        {"sequence_length": 3, "sampling_rate": 2},
        {"sequence_length": 4, "sequence_stride": 3, "sampling_rate": 2, "start_index": 2, "end_index": 18},
        {"sequence_length": 3, "batch_size": 4},
        {"sequence_length": 1},
        {"sequence_length": 20},
        {"sequence_length": 5, "start_index": 3},
        {"sequence_length": 5, "end_index": 9},
    ]:
        for offset in [None, 0, 4]:
            data = np.arange(20)
            targets = None if offset is None else np.arange(20)[offset:] * 10
            arguments = dict(config)
            batch = arguments.pop("batch_size", 128)
            try:
                dataset = keras.utils.timeseries_dataset_from_array(data, targets, batch_size=batch, **arguments)
                batches = [tolist(b) if targets is None else [tolist(b[0]), tolist(b[1])] for b in dataset]
            except Exception as error:
                batches = None
            yield {"config": config, "offset": offset, "batches": batches}


def hashing_tricks():
    for text in TEXTS:
        yield {"text": text, "n": 50, "output": legacy.hashing_trick(text, 50, hash_function="md5")}


for make in [tokenizers, vectorizations, string_lookups, inverses, integer_lookups, hashings, crossings, discretizations, encodings, normalizations, timeseries, hashing_tricks]:
    cases[make.__name__] = list(make())
text = json.dumps(cases, ensure_ascii=False)
text = text.replace("-Infinity", "\"-inf\"").replace("Infinity", "\"inf\"").replace(".0,", ",").replace(".0]", "]")
OUT.write_text(text)
print({name: len(made) for name, made in cases.items() if isinstance(made, list)}, OUT.stat().st_size, "bytes")
