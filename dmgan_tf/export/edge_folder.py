"""What every export for devices has beside its models: captions, vocabulary, manifest, report."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dmgan_tf import build, edge
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.export import edge_report
from dmgan_tf.export.golden import golden
from dmgan_tf.inference.model_directory import fingerprint, resolve
from dmgan_tf.inference.presets import CARD, load_card
from dmgan_tf.inference.text_to_image import TextToImage

REPORT = "report.json"
_CALIBRATION_CAPTIONS = 48
TOKEN_RULES = (
    r"lower case; runs of \w (Unicode); characters beyond ASCII removed from each; ids by place in "
    "vocabulary.json; unknown words dropped; cut at max_words; padded with 0"
)


def chosen(precision: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raises: UserError: when one of the precisions isn't known."""
    if wrong := [p for p in precision if p not in known]:
        raise UserError(f"`precision` knows {', '.join(known)}. Received: {', '.join(wrong)}.")


def captions(
    artist: TextToImage, model: Path, captions_file: Path | None = None, judged: int = 16
) -> tuple[list[str], list[str]]:
    """Captions that the model can draw, shuffled: for calibration, then for the report.

    Args: judged: how many for the report, if there are so many.
    Raises: UserError: when there are none.
    """
    if captions_file:
        try:
            found = captions_file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{captions_file}: cannot be read as text: {error}.") from error
    else:
        try:
            data = build.captions(load_config(resolve(model) / "config.yaml"), "train")
        except UserError as error:
            raise UserError(f"{error} Or name captions with --captions-file.") from error
        found = [caption for captions in data for caption in captions]
    known = sorted({caption for caption in found if artist.vocabulary.encode(caption)[0]})
    if len(known) < 2:
        raise UserError(
            f"{captions_file or model}: two captions of known words or more are needed."
        )
    random.Random(0).shuffle(known)
    calibration = known[: max(1, min(_CALIBRATION_CAPTIONS, len(known) // 2))]
    return calibration, known[len(calibration) :][:judged]


def feeds(
    artist: TextToImage, calibration: list[str], batch_size: int
) -> list[dict[str, np.ndarray]]:
    """Inputs of the graph, whose activations set the ranges of int8."""
    rows = artist.encode(calibration)
    starts = range(0, len(rows), batch_size)
    parts = ((start, rows[start : start + batch_size]) for start in starts)
    return [artist.inputs(part, range(start, start + len(part))) for start, part in parts]


def write_manifest(
    model: Path,
    artist: TextToImage,
    folder: Path,
    describe: Callable[[Path], dict],
    **more: object,
) -> None:
    """Writes the words and what describes all files: the same bytes for the same model.

    The `.ort` files, of which that isn't true, are described in a file of their own.

    Args: describe: what to say of a file beyond its size and hash. more: to say of the export.
    """
    artist.vocabulary.save(folder / "vocabulary.json")
    generator, files = artist.generator, sorted(folder.iterdir())
    content = {
        "format": edge.FORMAT,
        "max_words": artist.max_words,
        "noise_size": generator.noise_size,
        "condition_size": generator.condition_size,
        "side": generator.sides[-1],
        "sides": list(generator.sides),
        "fingerprint": fingerprint(resolve(model)),
        "vocabulary_fingerprint": artist.vocabulary.fingerprint,
        "licence": licence(model),
        "tokens": TOKEN_RULES,
        "noise": "see dmgan_tf/inference/noise.py: noise and condition_noise are one stream",
        "golden": golden(artist.vocabulary, artist.max_words),
        **more,
        "files": {p.name: _described(p) | describe(p) for p in files if p.suffix != ".ort"},
    }
    _write_json(folder / "manifest.json", content)
    if ort := {p.name: _described(p) for p in files if p.suffix == ".ort"}:
        _write_json(folder / edge.ORT, ort)


def write_report(folder: Path, rows: list[dict]) -> str:
    """Writes the report beside the manifest, which has no timings, and returns it as a table."""
    _write_json(folder / REPORT, rows)
    return edge_report.table(rows)


def properties(model: Path, artist: TextToImage) -> dict[str, str]:
    """What a file says of itself, without the manifest."""
    found = {
        "fingerprint": fingerprint(resolve(model)),
        "words": "\n".join(artist.vocabulary.words),
        "licence": licence(model),
    }
    return {name: text for name, text in found.items() if text is not None}


def licence(model: Path) -> str | None:
    """Of the weights and of what they draw; None where no card says so."""
    folder = resolve(model)
    return load_card(folder).licence if (folder / CARD).is_file() else None


def _write_json(path, content):
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def _described(path):
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
