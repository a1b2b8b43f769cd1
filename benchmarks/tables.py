"""The tables of README.md, from the lines that the programs printed."""

from statistics import geometric_mean, median

from workloads import CASES, gflop, weight_bytes

# The best peer's time over Deckle's, as the project's goals ask.
ASKED = {
    "mnist_mlp": 1.35, "imdb_mlp": 4, "reuters_mlp": 6, "mlp_big": 1.05, "mnist_cnn": 1.5,
    "cifar_resnet": 1.2, "lstm_imdb": 3, "gru_jena": 8, "conv1d_imdb": 1.4, "transformer": 1.3,
}


def markdown(head, rows):
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells) + "\n"


def grouped(lines, *keys):
    """The lines by the values of these keys, in the order of their first."""
    groups = {}
    for line in lines:
        if all(key in line for key in keys):
            groups.setdefault(tuple(str(line[key]) for key in keys), []).append(line)
    return groups


def step(lines):
    """Median over rounds of the faster way to train: bare steps or `fit`."""
    ways = [[line["ms"] for line in lines], [line["fit_ms_per_step"] for line in lines if "fit_ms_per_step" in line]]
    return min(median(way) for way in ways if way)


def first_steps(lines):
    """What a first step takes more than a steady one, in a new program and in one that has run for a while."""
    both = [[(line[key] - line["ms"] / 1e3) * 1e3 for line in lines if key in line] for key in ("first_step_s", "first_step_warm_s")]
    return ", ".join(f"{median(found):.0f}" for found in both if found)


def beyond_needed(lines):
    """The program's memory without its variables, the arena and a batch, at the end and at most."""
    needed = [sum(line[key] for key in ("variables_mb", "arena_mb", "batch_mb")) if "arena_mb" in line else None for line in lines]
    both = [[line[key] - some for line, some in zip(lines, needed) if some is not None] for key in ("rss_mb", "rss_peak_mb")]
    return ", ".join(f"{median(found):.0f}" for found in both if found)


def memory(lines, _):
    rows = []
    for (case,), own in grouped([line for line in lines if "arena_mb" in line], "case").items():
        parts = [median(line[key] for line in own) for key in ("variables_mb", "arena_mb", "batch_mb", "rss_mb", "rss_peak_mb")]
        rows.append([case, *(f"{part:.1f}" for part in parts), beyond_needed(own), first_steps(own)])
    head = ["case, MB", "variables", "arena", "batch", "resident", "at most", "more than needed", "first − steady, ms"]
    return markdown(head, rows)


def train(lines, rate):
    by = grouped(lines, "case", "program")
    rows, ratios = [], []
    for case in [case for case in CASES if (case, "deckle") in by]:
        own = by[case, "deckle"]
        ours, memory, beyond = step(own), median(line["rss_peak_mb"] for line in own), beyond_needed(own)
        first = first_steps(own)
        quarters = [median(line["train"][key] for line in own) for key in ("ms_q1", "ms_q3")]
        peers = sorted((step(found), name) for (of, name), found in by.items() if of == case and name != "deckle")
        best = f"{peers[0][1]} {peers[0][0]:.2f}" + (f", {peers[1][1]} {peers[1][0]:.2f}" if len(peers) > 1 else "") if peers else "not run"
        ratio = f"{peers[0][0] / ours:.2f}" if peers else ""
        ratios += [peers[0][0] / ours] if peers else []
        limit = f"{ours * rate / gflop(case) / 1e3:.2f}" if rate else ""
        rows.append([case, f"{ours:.2f}", f"{quarters[0]:.2f}–{quarters[1]:.2f}", best, ratio, f"{ASKED[case]}", limit,
                     f"{median(line.get('fit_ms_per_step', line['ms']) for line in own):.2f}", first, f"{memory:.0f}", beyond])
    head = ["case", "Deckle, ms", "quartiles", "best peers, ms", "ratio", "asked", "times the limit", "`fit`, ms", "first − steady, ms", "MB", "MB more than needed"]
    mean = f"\nGeometric mean of the ratios: {geometric_mean(ratios):.2f}.\n" if ratios else ""
    return markdown(head, rows) + mean


def infer(lines, _):
    by = grouped(lines, "case", "batch", "program")
    names = [name for name in ("ort", "torch", "keras-jax") if any(key[2] == name for key in by)]
    rows = []
    for case, batch in dict.fromkeys(key[:2] for key in by):
        time = {name: median(line["forward"]["ms"] for line in by[case, batch, name]) * 1e3 for name in ("deckle", *names) if (case, batch, name) in by}
        rows.append([f"{case}, {batch} rows", *(f"{time[name]:.1f}" if name in time else "" for name in ("deckle", *names))])
    return markdown(["µs per call", "Deckle", *names], rows)


def gemm(lines, _):
    ours, theirs = {}, {}
    for line in lines:
        if "gflops" in line and "shape" in line:
            library = theirs.setdefault(line["shape"], {}) if line["program"] != "deckle" else ours
            library.setdefault(line["program"] if line["program"] != "deckle" else line["shape"], []).append(line["gflops"])
    rows, ratios = [], []
    for shape, rates in ours.items():
        others = sorted(((median(found), name) for name, found in theirs.get(shape, {}).items()), reverse=True)
        if others:
            ratios.append(median(rates) / others[0][0])
            rows.append([shape, f"{median(rates):.0f}", ", ".join(f"{name} {value:.0f}" for value, name in others[:2]), f"{ratios[-1]:.2f}"])
    mean = f"\nGeometric mean: {geometric_mean(ratios):.2f}; least: {min(ratios):.2f}.\n" if ratios else ""
    return markdown(["m × k × n, operands", "Deckle, GFLOP/s", "best libraries", "ratio"], rows) + mean


def variants(lines, rate):
    rows = []
    for case in CASES:
        found = grouped([line for line in lines if line.get("case") == case], "options")
        multiple = {}
        for options, of in found.items():
            sizes = {key: value for key, value in of[0]["options"].items() if key in ("batch", "units", "filters", "steps", "groups")}
            ms = median(line["ms"] for line in of)
            moved = weight_bytes(case, of[0]["params"])
            limit = gflop(case, **sizes) * 1e3 / (rate or float("nan")) + moved / bandwidth(lines, moved) / 1e6
            multiple[options] = (ms, ms / limit, of[0]["options"])
        headline = multiple.get(("{}",))
        for ms, times, options in multiple.values():
            text = ", ".join(key if value is True else f"{key} {value}" for key, value in options.items()) or "headline"
            rows.append([case, text, f"{ms:.2f}", f"{times:.2f}", f"{headline[1] / times:.2f}" if headline else ""])
    return markdown(["case", "variant", "ms", "times the limit", "of the headline's rate"], rows)


def augment(lines, _):
    rows = []
    for (case, _), own in grouped(lines, "case", "options").items():
        rates = [median(line[key] for line in own) for key in ("train_per_s", "augment_per_s", "both_per_s")]
        options = ", ".join(f"{key} {value}" for key, value in own[0]["options"].items())
        share = median(line["of_the_slower"] for line in own)
        rows.append([f"{case}, {options}" if options else case, *(f"{rate:.0f}" for rate in rates), f"{share:.2f}"])
    return markdown(["images per second", "training", "changing", "both", "of the slower"], rows)


def cost(lines, rate):
    rows = []
    for (case, key), found in grouped([line for line in lines if "work" in line], "case", "key").items():
        points = []
        for (value,), of in grouped(found, "value").items():
            gigaflops, gigabytes = (median(line["work"][i] for line in of) for i in range(2))
            needed = 1e3 * (gigaflops / (rate or float("nan")) + gigabytes / bandwidth(lines, gigabytes * 1e9))
            points.append((value, ms := median(line["ms"] for line in of), ms / (needed or float("nan"))))
        beside = [points[i][2] / points[j][2] for i in range(len(points)) for j in (i - 1, i + 1) if 0 <= j < len(points)]
        rows.append([case, key, *(f"{value}: {ms:.2f} ms, {times:.2f}" for value, ms, times in points), f"{max(beside, default=1):.2f}"])
    return markdown(["case", "size", *(f"{i}" for i in range(1, 6)), "most beside a neighbour"], rows)


def sets(lines, _):
    by = grouped(lines, "case", "set")
    names = ("avx512", "avx2", "portable")
    rows = [[case, *(f"{median(line['ms'] for line in by[case, name]):.2f}" if (case, name) in by else "" for name in names)]
            for case in CASES if any((case, name) in by for name in names)]
    return markdown(["case, ms", *names], rows)


def bandwidth(lines, size):
    """The bytes per second of a copy, of arrays that the caches hold if they hold so many bytes."""
    name = "copy_4MiB" if size <= 16 << 20 else "copy_64MiB"
    found = [line["median"] for line in lines if line.get("limit") == name and line["threads"] == 2]
    return median(found) if found else float("nan")


def bricks(lines, rate):
    rows, plain = [], {}
    for (layer,), found in grouped([line for line in lines if "layer" in line], "layer").items():
        of = found[0]
        ms = [median(line[key] for line in found) for key in ("forward_ms", "training_ms")]
        counts = [of[key] for key in ("multiply_adds", "training_multiply_adds")]
        each = [time / count for time, count in zip(ms, counts)]
        first = plain.setdefault(of["plain"], each)
        needed = [[count * 2 / (rate or float("nan")) / 1e6, of[key] / bandwidth(lines, of[key]) / 1e6]
                  for count, key in zip(counts, ("forward_bytes", "training_bytes"))]
        bound = [f"{time / max(both):.1f} ({'bytes' if both[1] > both[0] else 'FLOPs'})" for time, both in zip(ms, needed)]
        rows.append([layer, f"{of['multiply_adds'] / 1e6:.1f}", *(f"{time:.2f}" for time in ms),
                     *(f"{own / other:.2f}" for own, other in zip(each, first)), *bound])
    head = ["layer", "million multiply-adds", "forward, ms", "training, ms", "× plain, forward", "× plain, training",
            "× the bound, forward", "× the bound, training"]
    return markdown(head, rows)
