"""The workloads' multiply-adds, from their shapes."""

# The peers' own count of each headline case, in GFLOP: forward, to the weights, to the inputs but the first.
CASES = ("mnist_mlp", "imdb_mlp", "reuters_mlp", "mlp_big", "mnist_cnn", "cifar_resnet", "lstm_imdb", "gru_jena", "conv1d_imdb",
         "transformer")
BATCH = {"mnist_mlp": 128, "imdb_mlp": 512, "reuters_mlp": 512, "mlp_big": 256, "mnist_cnn": 64, "cifar_resnet": 64,
         "lstm_imdb": 128, "gru_jena": 128, "conv1d_imdb": 128, "transformer": 32}


def gflop(case, batch=None, units=None, filters=None, steps=None, groups=1):
    """GFLOP of one training step."""
    return 2e-9 * (batch or BATCH[case]) * sum(passes * count for passes, count in layers(case, units, filters, steps, groups))


def weight_bytes(case, params):
    """Bytes of weights, gradients and slots that one training step reads and writes at least."""
    # Weights are read forward, backward and for the update, which writes them; gradients are written and read.
    slots = 2 if case in ("mlp_big", "transformer") else 1
    return 4 * params * (6 + 2 * slots)


def layers(case, units, filters, steps, groups):
    """(passes over it in a step, multiply-adds of one example forward) of each product."""
    def mlp(*widths):
        return [(2 if i == 0 else 3, a * b) for i, (a, b) in enumerate(zip(widths, widths[1:]))]

    if case == "mnist_mlp":
        return mlp(784, units or 512, 10)
    if case == "imdb_mlp":
        return mlp(10_000, units or 16, units or 16, 1)
    if case == "reuters_mlp":
        return mlp(10_000, units or 64, units or 64, 46)
    if case == "mlp_big":
        return mlp(1024, units or 4096, units or 4096, 1024)
    if case == "mnist_cnn":
        f = filters or 32
        return [(2, 26 * 26 * 9 * f), (3, 11 * 11 * 9 * f * 2 * f / groups), (3, 9 * 9 * 2 * f * 2 * f / groups), (3, 9 * 2 * f * 64), (3, 640)]
    if case == "cifar_resnet":
        f = filters or 16
        found, before, side = [(2, 32 * 32 * 27 * f)], f, 32
        for width in (f, 2 * f, 4 * f):
            for _ in range(3):
                if width != before:
                    side //= 2
                    found.append((3, side * side * before * width))
                found.append((3, side * side * 9 * before * width / groups))
                found.append((3, side * side * 9 * width * width / groups))
                before = width
        return [*found, (3, before * 10)]
    if case == "lstm_imdb":
        t, u = steps or 500, units or 32
        return [(3, t * 4 * u * (32 + u)), (3, u)]
    if case == "gru_jena":
        t, u = steps or 120, units or 32
        return [(3, t * 3 * u * (14 + u)), (3, u)]
    if case == "conv1d_imdb":
        t, f = steps or 500, filters or 32
        return [(3, (t - 6) * 7 * 128 * f), (3, ((t - 6) // 5 - 6) * 7 * f * f / groups), (3, f)]
    t, w = steps or 128, units or 512
    return [(3, 2 * t * (4 * 128 * 128 + 2 * 128 * w + 2 * t * 128)), (3, 128)]


# Odd neighbours of the headline shapes, and options: arguments of deckle-bench without their dashes.
VARIANTS = [
    *((case, {"batch": batch + change}) for case, batch in BATCH.items() for change in (-1, 1)),
    *((case, {"batch": 1}) for case in CASES),
    ("mnist_mlp", {"units": 500}), ("imdb_mlp", {"units": 15}), ("reuters_mlp", {"units": 60}), ("mlp_big", {"units": 4000}),
    ("imdb_mlp", {"non-zeros": 0.5}), ("reuters_mlp", {"non-zeros": 0.5}),
    ("mnist_cnn", {"filters": 24}), ("cifar_resnet", {"filters": 24}), ("conv1d_imdb", {"filters": 24}),
    ("mnist_cnn", {"groups": 2}), ("cifar_resnet", {"groups": 4}), ("conv1d_imdb", {"groups": 2}),
    ("lstm_imdb", {"steps": 487}), ("gru_jena", {"steps": 117}), ("conv1d_imdb", {"steps": 487}), ("transformer", {"steps": 121}),
    *((case, option) for case in ("lstm_imdb", "gru_jena") for option in
      ({"units": 48}, {"units": 31}, {"return-sequences": True}, {"recurrent-dropout": 0.2})),
    ("lstm_imdb", {"mask": True}), ("transformer", {"units": 500}),
]

# Series over a 16-fold range of one size.
SERIES = [
    ("mnist_mlp", "batch", (32, 64, 128, 256, 512)), ("mnist_mlp", "units", (128, 256, 512, 1024, 2048)),
    ("mnist_cnn", "batch", (16, 32, 64, 128, 256)), ("mnist_cnn", "filters", (8, 16, 32, 64, 128)),
    ("lstm_imdb", "steps", (125, 250, 500, 1000, 2000)), ("lstm_imdb", "units", (8, 16, 32, 64, 128)),
    ("gru_jena", "batch", (32, 64, 128, 256, 512)), ("conv1d_imdb", "steps", (125, 250, 500, 1000, 2000)),
    ("transformer", "steps", (32, 64, 128, 256, 512)), ("transformer", "units", (128, 256, 512, 1024, 2048)),
]
