"""How much of hatching stands at the same places: `python benchmarks/fixed_hatching.py FOLDER`.

Of pictures of toy_birds that `dmgan evaluate --keep-images FOLDER` wrote. The mean of all pictures
of one kind of surroundings shows what stands at the same places in them. What a blur removes from
that mean is subtracted from each of them, and hatching is measured again.

    dmgan evaluate --model toy_birds --images 1000 --unseen --keep-images pictures --out report.json
    python benchmarks/fixed_hatching.py pictures
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from dmgan_tf.command_line import run
from dmgan_tf.data.toy_birds import (
    background_spectra,
    birds,
    draw_all,
    hatching,
    judge_surroundings,
)
from dmgan_tf.errors import UserError

_SIGMA = 2  # pixels, of the blur
_FEWEST = 20  # pictures of a kind, for a row of its own


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of pictures")
    folder = parser.parse_args().folder
    files = sorted(folder.glob("*.png"))
    if not files:
        raise UserError(
            f"{folder}: no pictures (.png). `dmgan evaluate --keep-images` writes some."
        )
    images = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    kinds = np.array(judge_surroundings(images))
    real = draw_all(birds("test", 20, 102), images.shape[1], processes=1)
    reference = background_spectra(real), judge_surroundings(real)
    rest = images.astype(np.float32)
    for kind in np.unique(kinds):
        mean = rest[kinds == kind].mean(axis=0)
        rest[kinds == kind] -= mean - gaussian_filter(mean, (_SIGMA, _SIGMA, 0))
    rest = rest.round().clip(0, 255).astype(np.uint8)
    spectra = background_spectra(images), background_spectra(rest)
    print("| surroundings | pictures | hatching | without what stands at the same places |")
    print("|---|---|---|---|")
    chosen = {"all": np.full(len(kinds), True)} | {kind: kinds == kind for kind in np.unique(kinds)}
    for name, rows in chosen.items():
        if rows.sum() >= _FEWEST:
            found = [hatching(s[rows], kinds[rows], *reference).strength for s in spectra]
            print(f"| {name} | {rows.sum()} | {found[0]:.1f} | {found[1]:.1f} |")


if __name__ == "__main__":
    run(main)
