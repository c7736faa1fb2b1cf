"""How far an ONNX file is from Keras, and what it costs; costs are measured in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dmgan_tf.inference.image_grid import to_uint8

_COLUMNS = {
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


def reference(artist, captions: list[str]) -> Reference:
    """Keras' pictures of the captions, of seeds 0, 1, …"""
    seeds = list(range(len(captions)))
    feed = artist.inputs(artist.encode(captions), seeds)
    return Reference(feed, artist.generate(captions, seeds))


def row(path: Path, precision: str, expected: Reference) -> dict:
    """A line of the report.

    PSNR and SSIM are over the pictures together; None: equal to the last grey level.
    """
    import onnxruntime
    import tensorflow as tf

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    drawn = session.run(["image"], expected.feed)[0]
    drawn = drawn if drawn.dtype == np.uint8 else to_uint8(drawn)
    difference = drawn.astype(float) - expected.images
    error = np.mean(difference**2)
    ssim = tf.image.ssim(tf.constant(drawn), tf.constant(expected.images), 255)
    return {
        "precision": precision,
        "grey_levels": int(np.max(np.abs(difference))),
        "psnr_db": round(float(10 * np.log10(255**2 / error)), 1) if error else None,
        "ssim": round(float(np.mean(ssim)), 4),
        "mebibytes": round(path.stat().st_size / 2**20, 2),
        **_costs(path),
    }


def _costs(path):
    command = [sys.executable, "-m", "dmgan_tf.export.onnx_cost", path]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def table(rows: list[dict]) -> str:
    """The report as a table in Markdown."""
    lines = ["| " + " | ".join(_COLUMNS.values()) + " |", "|" + "---|" * len(_COLUMNS)]
    for found in rows:
        cells = ("–" if found[key] is None else str(found[key]) for key in _COLUMNS)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
