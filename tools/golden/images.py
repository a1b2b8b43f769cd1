"""Writes `crates/data/tests/images/`: small JPEG files, and what Pillow and Keras read of them.

    KERAS_BACKEND=jax python tools/golden/images.py    # needs: pip install keras==3.15.1 jax pillow

`crates/data/tests/images.rs` compares. With an argument, only Pillow's or only Keras's part is written.
"""

import io
import json
import pathlib
import sys

import numpy as np

OUT = pathlib.Path(__file__).parents[2] / "crates" / "data" / "tests" / "images"


def picture(height, width):
    y, x = np.mgrid[0:height, 0:width]
    red = 40 + 180 * x / width
    green = 127 + 100 * np.sin(x / 5 + y / 7)
    blue = 250 - 200 * y / height
    return np.stack([red, green, blue], -1).round().astype("uint8")


def pillow():
    from PIL import Image

    def jpeg(name, image, **settings):
        image.save(OUT / name, "JPEG", **settings)

    rgb = Image.fromarray(picture(21, 27))
    jpeg("subsampled.jpg", rgb, quality=90)
    jpeg("full.jpg", rgb, quality=95, subsampling=0)
    jpeg("progressive.JPEG", rgb, quality=90, progressive=True)
    jpeg("grey.jpg", rgb.convert("L"), quality=90)
    jpeg("cmyk.jpg", rgb.convert("CMYK"), quality=95)
    jpeg("tiny.jpg", rgb.resize((1, 1)), quality=90)
    read = {}
    for path in sorted(OUT.iterdir()):
        if path.suffix.lower() in (".jpg", ".jpeg"):
            image = Image.open(path)
            read[path.name] = {
                "rgb": np.asarray(image.convert("RGB")).reshape(-1).tolist(),
                "grayscale": np.asarray(image.convert("L")).reshape(-1).tolist(),
            }
    (OUT / "pillow.json").write_text(json.dumps(read) + "\n")


def keras():
    from keras import ops

    cases = []
    for given, made in [((5, 7), (3, 4)), ((5, 7), (9, 9)), ((4, 4), (1, 1)), ((1, 3), (2, 5)), ((6, 2), (4, 4))]:
        image = (np.arange(given[0] * given[1] * 3) * 37 % 256).reshape(*given, 3).astype("float32")
        for interpolation in ["nearest", "bilinear", "bicubic", "lanczos3"]:
            for shape in ["stretched", "cropped", "padded"]:
                if shape == "padded" and interpolation == "lanczos3":
                    continue
                y = ops.image.resize(
                    image,
                    made,
                    interpolation=interpolation,
                    crop_to_aspect_ratio=shape == "cropped",
                    pad_to_aspect_ratio=shape == "padded",
                    data_format="channels_last",
                )
                cases.append(
                    {
                        "given": given,
                        "made": made,
                        "interpolation": interpolation,
                        "shape": shape,
                        "y": [round(float(v), 4) for v in np.asarray(y).reshape(-1)],
                    }
                )
    (OUT / "resize.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    which = sys.argv[1:] or ["pillow", "keras"]
    for name in which:
        globals()[name]()
