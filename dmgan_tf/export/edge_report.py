"""How far exported files are from Keras, and what they cost a process that does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from dmgan_tf.inference import edge_runtimes
from dmgan_tf.inference.image_grid import to_uint8

_COLUMNS = {
    "runtime": "runtime",
    "precision": "precision",
    "grey_levels": "largest difference, grey levels",
    "psnr_db": "PSNR, dB",
    "ssim": "SSIM",
    "mebibytes": "MiB",
    "latency_ms": "ms, batch 1",
    "latency_4_ms": "ms, batch 4",
    "cold_start_ms": "cold start, ms",
    "peak_memory_mib": "peak memory, MiB",
}


class Reference(NamedTuple):
    """What Keras draws, and from what."""

    feed: dict[str, np.ndarray]
    images: np.ndarray  # uint8 [B, side, side, 3]


def reference(artist, captions: list[str], first_seed: int = 0) -> Reference:
    """Keras' pictures of the captions, of seeds `first_seed`, `first_seed` + 1, …"""
    seeds = list(range(first_seed, first_seed + len(captions)))
    feed = artist.inputs(artist.encode(captions), seeds)
    return Reference(feed, artist.generate(captions, seeds))


def model_file(folder: Path, runtime: str, precision: str) -> Path:
    """The file of an export that a runtime draws with; bfloat16 is computed from float32."""
    stored = "float32" if precision == "bfloat16" else precision
    return folder / f"dmgan_{stored}{edge_runtimes.SUFFIXES[runtime]}"


def rows(folder: Path, kinds: Iterable[tuple[str, str]], expected: Reference) -> list[dict]:
    """Lines of the report, one for each runtime and precision."""
    kinds = tqdm(list(kinds), desc="report", leave=False)
    return [_row(folder, runtime, precision, expected) for runtime, precision in kinds]


def psnr(images: np.ndarray, others: np.ndarray) -> float | None:
    """10 lg(255² / mean squared difference) of uint8 pictures, dB; None: they are equal."""
    error = np.mean((images.astype(float) - others) ** 2)
    return round(float(10 * np.log10(255**2 / error)), 1) if error else None


def _row(folder, runtime, precision, expected):
    """PSNR and SSIM are over the pictures together."""
    import tensorflow as tf

    path = model_file(folder, runtime, precision)
    draw = edge_runtimes.load(runtime, path.read_bytes(), bfloat16=precision == "bfloat16")
    drawn = draw(expected.feed)
    drawn = drawn if drawn.dtype == np.uint8 else to_uint8(drawn)
    difference = drawn.astype(float) - expected.images
    ssim = tf.image.ssim(tf.constant(drawn), tf.constant(expected.images), 255)
    return {
        "runtime": runtime,
        "precision": precision,
        "grey_levels": int(np.max(np.abs(difference))),
        "psnr_db": psnr(drawn, expected.images),
        "ssim": round(float(np.mean(ssim)), 4),
        "mebibytes": round(path.stat().st_size / 2**20, 2),
        **_costs(runtime, precision, folder),
    }


def _costs(*arguments):
    command = [sys.executable, "-m", "dmgan_tf.export.edge_cost", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def table(rows: list[dict]) -> str:
    """The report as a table in Markdown."""
    lines = ["| " + " | ".join(_COLUMNS.values()) + " |", "|" + "---|" * len(_COLUMNS)]
    for found in rows:
        cells = ("–" if found[key] is None else str(found[key]) for key in _COLUMNS)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
