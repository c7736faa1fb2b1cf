"""The scores of an ablation's runs, as the paper's Table 3 and as a plot."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.whole_file import whole_file, write_text

_OFF = {
    "generator.memory": False,
    "generator.separate_values": False,
    "generator.writing_gate": False,
    "generator.response_gate": False,
}
# Rows of Table 3 by name: what is switched on.
ROWS = {
    "attention": _OFF,  # AttnGAN's
    "baseline": _OFF | {"generator.memory": True},  # the paper's: it writes by Eq. 3
    "memory": _OFF | {"generator.memory": True, "generator.separate_values": True},
    "writing_gate": dict.fromkeys(_OFF, True) | {"generator.response_gate": False},
    "response_gate": dict.fromkeys(_OFF, True),
}
LABELS = {
    "attention": "attention",
    "baseline": "baseline",
    "memory": "+M",
    "writing_gate": "+M+WG",
    "response_gate": "+M+WG+RG",
}

Table = Mapping[str, Mapping[str, list[float]]]


def read_scores(folder: Path) -> Table:
    """Scores by row and name, one a seed, from the `evaluation.json` of every finished run.

    Raises: UserError: when one can't be read, or there is none.
    """
    table: dict[str, dict[str, list[float]]] = {}
    for row in ROWS:
        found: dict[str, list[float]] = {}
        for path in sorted((folder / row).glob("seed_*/evaluation.json")):
            try:
                report = json.loads(path.read_text(encoding="utf-8"))
                names = report["protocol"]
            except (OSError, ValueError, KeyError) as error:
                raise UserError(f"{path}: is no report of scores: {error!r}.") from error
            for name in names:
                value = report[name]
                parts = value if isinstance(value, dict) else {"": value}
                for part, number in parts.items():
                    found.setdefault(f"{name} {part}".strip(), []).append(number)
        if found:
            table[row] = found
    if not table:
        raise UserError(f"{folder}: holds no finished run.")
    return table


def save_table(folder: Path, table: Table) -> str:
    """Writes `table.json` (every number) and `table.md` (mean ± deviation of the runs)."""
    text = as_markdown(table)
    write_text(folder / "table.json", json.dumps(table, indent=1))
    write_text(folder / "table.md", text + "\n")
    return text


def as_markdown(table: Table) -> str:
    """Rows of Table 3, columns of scores; after ± the deviation over the seeds, with n − 1."""
    names = list(dict.fromkeys(name for scores in table.values() for name in scores))
    runs = max(len(values) for scores in table.values() for values in scores.values())
    lines = [
        f"| {runs} seeds | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for row, scores in table.items():
        cells = [_cell(scores[name]) if name in scores else "" for name in names]
        lines.append(f"| {LABELS[row]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values):
    spread = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
    return f"{np.mean(values):.4g}{spread}"


def save_plot(path: Path, table: Table) -> None:
    """A panel per score: every run a point, the mean a line. PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(name for scores in table.values() for name in scores))
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3 * columns, 2.6 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, names, strict=False):
        for x, scores in enumerate(table.values()):
            values = scores.get(name, [])
            axis.scatter([x] * len(values), values, color="tab:blue", s=18, alpha=0.7)
            if values:
                axis.hlines(np.mean(values), x - 0.25, x + 0.25, color="black")
        axis.set_xticks(range(len(table)), [LABELS[row] for row in table], fontsize=7)
        axis.set_title(name, fontsize=9)
        axis.tick_params(axis="y", labelsize=7)
        axis.margins(x=0.15, y=0.2)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=150, format="png")
    plt.close(figure)
