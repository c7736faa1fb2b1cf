"""A report of scores: for programs as JSON, for people as a table."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.scores import Score, Value
from dmgan_tf.whole_file import write_text


def as_json(common: Mapping[str, object], scores: Sequence[Score]) -> dict:
    """`common`, every score by its name, and under `protocol` how each came about.

    A spread is NAME_std; what stands beside a score NAME_real, NAME_real_std, NAME_blurred.
    """
    report = dict(common)
    for score in scores:
        report[score.name] = score.value
        if score.spread is not None:
            report[f"{score.name}_std"] = score.spread
        for suffix, value in score.beside.items():
            report[f"{score.name}_{suffix}"] = value
    report["protocol"] = {
        score.name: score.protocol | ({"notes": score.notes} if score.notes else {})
        for score in scores
    }
    return report


def as_table(common: Mapping[str, object], scores: Sequence[Score]) -> str:
    """A line a score: value ± spread, the real and the blurred pictures', the protocol; notes."""
    head = ("score", "value", "real", "blurred", "seen through", "against")
    rows = [head]
    for score in scores:
        beside, protocol = score.beside, score.protocol
        rows.append((
            score.name,
            _shown(score.value, score.spread),
            _shown(beside.get("real"), beside.get("real_std")),
            _shown(beside.get("blurred"), beside.get("blurred_std")),
            str(protocol.get("network", "")),
            str(protocol.get("reference", "")),
        ))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    about = ", ".join(f"{name} {value}" for name, value in common.items() if value is not None)
    notes = [f"{score.name}: {note}." for score in scores for note in score.notes]
    return "\n".join([about, *(line.rstrip() for line in lines), *notes])


_COMMON = (
    *("images", "side", "quantisation", "tf32", "split", "unseen_captions_only", "seed", "data"),
    *("images_dir", "model", "step", "judge", "judge_is_own", "seconds"),
)
_BESIDE = ("std", "real", "real_std", "blurred", "blurred_std")


def check_protocols(report: Mapping[str, object], source: object) -> None:
    """Every score of a report has its protocol, and there is one at least.

    Args: report: as `as_json` makes it; of a stranger it may be anything. source: for the message.
    Raises: UserError.
    """
    protocol = report.get("protocol")
    told = protocol if isinstance(protocol, dict) else {}
    known = {"protocol", *_COMMON, *told, *(f"{name}_{end}" for name in told for end in _BESIDE)}
    if without := sorted(set(report) - known):
        raise UserError(
            f"{source}: has no protocol of {', '.join(without)}, so nobody can repeat it. "
            "Score the model with `dmgan evaluate`."
        )
    if missing := sorted(set(told) - set(report)) or ([] if told else ["scores"]):
        raise UserError(f"{source}: holds no {', '.join(missing)}. Run `dmgan evaluate`.")


def as_markdown(report: Mapping[str, object]) -> str:
    """The table of a model card: a row a score with its protocol, and what all have in common.

    Args: report: as `as_json` makes it, checked by `check_protocols`.
    """
    rows = [("score", "drawn", "real pictures", "blurred real pictures", "protocol")]
    protocols = cast(Mapping[str, Mapping[str, object]], report["protocol"])
    for name, protocol in protocols.items():
        values = (
            _shown(
                cast(Value | None, report.get(name + end)),
                cast(Value | None, report.get(f"{name}{end}_std")),
            )
            for end in ("", "_real", "_blurred")
        )
        rows.append((name, *values, _named(protocol)))
    lines = [f"| {' | '.join(_cell(text) for text in row)} |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    common = {name: report[name] for name in _COMMON if name in report and name != "seconds"}
    return "\n".join([*lines, "", f"Of all scores: {_named(common)}.", ""])


def _named(values):
    shown = {n: " ".join(v) if isinstance(v, list) else v for n, v in values.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items() if value is not None)


def _cell(text):
    return " ".join(text.split()).replace("|", "\\|")


def save(path: Path, report: Mapping[str, object]) -> None:
    """Writes JSON."""
    write_text(path, json.dumps(report, indent=1, ensure_ascii=False))


def _shown(value: Value | None, spread: Value | None = None) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return " ".join(f"{name} {part:.3f}" for name, part in value.items())
    return f"{value:.4g}" + ("" if spread is None else f" ± {spread:.2g}")
