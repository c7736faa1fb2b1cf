"""Holds this project to a pair of reference files, key by key.

    python tests/parity/check.py ../shared/parity/small

Prints a line per group of keys: the largest absolute error, the largest error relative to the
largest value of its key, and the tolerance. Exits with 1 when a tolerance is exceeded or a key of
the file was not compared. `docs/precision.md` says where the tolerances come from.

`--write OTHER` makes a pair of what was computed, to see how far this project is from itself:

    python tests/parity/check.py tests/parity/data/small --write /tmp/ours
    TF_ENABLE_ONEDNN_OPTS=0 python tests/parity/check.py /tmp/ours
"""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from dmgan_tf.command_line import import_tensorflow, run  # noqa: E402
from dmgan_tf.errors import UserError  # noqa: E402


class Tolerance(NamedTuple):
    """So large a share of all values may be off by at most so much."""

    limits: tuple[tuple[float, float], ...]  # (share, largest error)
    relative: bool = False  # to the largest value of the key …
    floor: float = 0.0  # … or to this share of the group's largest, where that is more

    def judge(self, errors: np.ndarray) -> tuple[bool, str]:
        """(whether all limits hold, what was found and what is asked); NaN is beyond all limits."""
        found = [float(np.mean(errors <= limit)) for _, limit in self.limits]
        good = all(have >= share for have, (share, _) in zip(found, self.limits, strict=True))
        unit = " relative" if self.relative else ""
        return good, ", ".join(
            f"all within {limit:g}{unit}"
            if share == 1
            else f"{have:.1%} (at least {share:.0%}) within {limit:g}{unit}"
            for have, (share, limit) in zip(found, self.limits, strict=True)
        )


def absolute(*limits: float | tuple[float, float]) -> Tolerance:
    """A plain number is a limit for all values."""
    return Tolerance(tuple(x if isinstance(x, tuple) else (1, x) for x in limits))


def relative(*limits: float | tuple[float, float], floor: float = 0.0) -> Tolerance:
    """The same, relative to the largest value of the key."""
    return absolute(*limits)._replace(relative=True, floor=floor)


class Group(NamedTuple):
    """Keys that are judged together."""

    title: str
    keys: str  # a pattern for the whole key
    tolerance: Tolerance
    part: slice = slice(None)  # which values of each array


# What is stored of a parameter: mean, standard deviation, entries.
_MOMENTS, _ENTRIES = slice(2), slice(2, None)
_PARAMETERS = r"/(?!.*running_).*"
_NETWORKS = r"(generator|discriminator_\d+)"
_TURNED = 4.01e-4  # two steps of Adam: one the other way; and rounding


def _late_step(title, number, *, losses, discriminators, generator, statistics):
    """The groups of a step whose gradients have begun to go their own way."""
    prefix = f"train/step{number}/"
    return (
        Group(f"{title}: losses", prefix + r"\w+", losses),
        Group(
            f"{title}: discriminators", prefix + r"discriminator_\d+" + _PARAMETERS, discriminators
        ),
        Group(f"{title}: generator", prefix + "generator" + _PARAMETERS, generator),
        Group(f"{title}: batch norm's statistics", prefix + ".*running_.*", statistics),
    )


# Method of Computed → the groups that it can fill. From the second step on, and in some gradients,
# a float32 computation is as far from itself when its sums are taken in another order.
PLAN: dict[str, tuple[Group, ...]] = {
    "text": (Group("text encoder", "text/.*", absolute(1e-5)),),
    "inference": (Group("generator, inference mode", "g_eval/.*", absolute(5e-5)),),
    "unequal_lengths_alone": (
        Group("… unequal lengths, one caption at a time", "g_eval_var/.*", absolute(5e-5)),
    ),
    "unequal_lengths_together": (
        Group("… unequal lengths, in one batch", "g_eval_var/.*", absolute(5e-5)),
    ),
    "training_mode": (Group("generator, training mode", "g_train/.*", absolute(5e-4)),),
    "image": (Group("image encoder", "image_encoder/.*", relative(1e-4)),),
    "damsm": (
        Group("DAMSM losses", "damsm/.*_losses.*", relative(1e-4)),
        Group("DAMSM attention", "damsm/attention_0", relative(1e-4)),
    ),
    "steps": (
        # A constant added to all keys changes no attention: most of their bias has no gradient.
        # That of a response gate's bias is one number, in which thousands of pixels cancel out.
        Group(
            "gradient norms of the generator",
            "grad_g/.*",
            relative((0.98, 1e-2), 3e-2, floor=3e-4),
        ),
        Group("step 1: losses", r"train/step1/\w+", relative(1e-3)),
        Group(
            "step 1: parameters",
            f"train/step1/{_NETWORKS}{_PARAMETERS}",
            absolute((0.99, 2e-5), _TURNED),
            _ENTRIES,
        ),
        Group(
            "step 1: their mean and deviation",
            f"train/step1/{_NETWORKS}{_PARAMETERS}",
            absolute((0.99, 5e-5), 2e-4),
            _MOMENTS,
        ),
        Group("step 1: batch norm's statistics", "train/step1/.*running_.*", relative(1e-4)),
        *_late_step(
            "step 2",
            "2",
            losses=relative(1e-3),
            discriminators=absolute((0.97, 2e-5), _TURNED),
            generator=absolute((0.5, 2e-5), (0.8, 1e-4), 1e-3),
            statistics=relative(1e-3),
        ),
        *_late_step(
            "later steps",
            r"([3-9]|\d\d+)",
            losses=relative(2e-3),
            discriminators=absolute((0.97, 1e-4), 8e-4),
            generator=absolute((0.55, 1e-4), 1.2e-3),
            statistics=relative(6e-2),
        ),
        Group("moving average", r"train/step\d+/generator_ema/.*", absolute(2e-6)),
    ),
}
_INPUTS = r"in/((var_)?(captions|lengths)|z|eps|class_ids|real_\d+)"


class Line(NamedTuple):
    """The verdict on a group, or on what belongs to none."""

    good: bool
    text: str


def judge(group: Group, ours: dict, theirs: dict) -> tuple[Line | None, set[str]]:
    """Compares a group; None where the file has none of its keys.

    Returns: the line, and the keys that were compared.
    """
    keys = {key for key in theirs if re.fullmatch(group.keys, key) and key in ours}
    if not keys:
        return None, keys
    errors, scales = {}, {}
    for key in keys:
        errors[key], scales[key] = _errors(ours[key], theirs[key], group.part)
    floor = group.tolerance.floor * max(scales.values())
    scaled = {key: errors[key] / max(scales[key], floor) for key in keys}
    judged = scaled if group.tolerance.relative else errors
    good, tolerance = group.tolerance.judge(np.concatenate(list(judged.values())))
    largest, largest_scaled = (max(map(np.max, by_key.values())) for by_key in (errors, scaled))
    worst = "" if good else f"; worst: {max(judged, key=lambda key: np.max(judged[key]))}"
    return Line(
        good,
        f"{'ok    ' if good else 'FAILED'} {group.title:40} {len(keys):4} keys  "
        f"abs {largest:.1e}  rel {largest_scaled:.1e}  {tolerance}{worst}",
    ), keys


def _errors(ours, theirs, part):
    """(absolute errors, scale); infinite where the shapes or a NaN leave nothing to compare."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        return np.full(1, np.inf), 1.0
    scale = np.max(np.abs(theirs))
    difference = np.abs(ours - theirs).ravel()[part]
    return np.where(np.isnan(difference), np.inf, difference), scale or 1.0


def check(
    path: str | Path,
    plan: dict[str, tuple[Group, ...]] | None = None,
    write: str | Path | None = None,
) -> Iterator[Line]:
    """Yields a Line per group of a pair's keys, and one about the keys that no group has compared.

    Args: path: of the pair, without ending. plan: what to compute and to judge; None: all.
        write: where to write the pair again, with what was computed in the place of what was read.
    Raises: UserError: when the pair can't be read.
    """
    from parity.computed import Computed
    from parity.reference import Pair

    try:
        pair = Pair(path)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: holds no pair of reference files: {error!r}.") from error
    computed, theirs, found = Computed(pair), pair.arrays, dict(pair.arrays)
    inputs = {key for key in theirs if re.fullmatch(_INPUTS, key)}
    left = theirs.keys() - inputs
    for method, groups in (PLAN if plan is None else plan).items():
        if not any(re.fullmatch(group.keys, key) for group in groups for key in theirs):
            continue
        ours = getattr(computed, method)()
        found |= {key: ours[key] for key in theirs if key in ours}
        for group in groups:
            line, keys = judge(group, ours, theirs)
            left -= keys
            if line:
                yield line
    if write:
        shutil.copy(f"{path}.json", f"{write}.json")
        np.savez(f"{write}.npz", **found)
    if len(theirs.keys() - left) == len(inputs):
        yield Line(False, "FAILED nothing was compared: the file holds inputs alone")
    if left and plan is None:
        yield Line(False, f"FAILED {len(left)} keys were not compared: {', '.join(sorted(left))}")


def main() -> int:
    """Prints the lines as they come."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="a pair of files, without their ending")
    parser.add_argument("--write", metavar="OTHER", help="make a pair of what was computed")
    parser.add_argument(
        "--winograd", action="store_true", help="in these small networks too, not where it pays"
    )
    arguments = parser.parse_args()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # Three steps magnify the last digits; the tolerances are for the kernels TensorFlow chooses.
    import_tensorflow(onednn=False)
    if arguments.winograd:
        from dmgan_tf.layers import winograd

        winograd.MIN_CHANNELS = winograd.MIN_WORK = 0
    good = True
    for line in check(arguments.path, write=arguments.write):
        print(line.text, flush=True)
        good &= line.good
    return 0 if good else 1


if __name__ == "__main__":
    run(main)
