"""Speed and memory beside a plain form of the same network: `make bench`.

    python benchmarks/speed.py --reference plain,torch --parts generation,training

Writes `results/latest.json` (every number, and the machine) and `results/scaling.png` beside this
file, and prints tables with ratios. `torch` needs PyTorch, which the project doesn't.
"""

import argparse
import datetime
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dmgan_tf.config_file import find_config, load_config
from dmgan_tf.errors import UserError
from dmgan_tf.whole_file import whole_file, write_text

_FOLDER = Path(__file__).parent / "results"
_PARTS = ("generation", "training", "memory", "start", "evaluation", "scaling")
_REFERENCES = ("plain", "torch")
_COMPARED = {"generation", "training", "memory"}
_SWITCHES = (
    *("generator.memory", "generator.writing_gate", "generator.response_gate"),
    *("generator.separate_values", "generator.padding", "generator.prior_size"),
    *("discriminator.feature_maps", "augmentation", "training.gradient_penalty"),
    *("training.picture_weight", "training.perceptual_weight"),
)


def main() -> int:
    """Measures part by part and prints tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reference", default="plain", help=f"of {','.join(_REFERENCES)}, or none")
    parser.add_argument("--parts", default=",".join(_PARTS), help="what to measure")
    parser.add_argument("--config", default="cub.yaml", help="of the full-size measurements")
    parser.add_argument("--out", type=Path, default=_FOLDER, help="folder of the results")
    arguments = parser.parse_args()
    if wrong := set(arguments.parts.split(",")) - set(_PARTS):
        parser.error(f"--parts knows {', '.join(_PARTS)}. Received: {', '.join(sorted(wrong))}.")
    if "torch" in arguments.reference and importlib.util.find_spec("torch") is None:
        parser.error("--reference torch needs PyTorch: pip install torch.")
    try:
        lacking = _not_the_papers(load_config(find_config(arguments.config)))
    except UserError as error:
        parser.error(str(error))
    compared = _COMPARED & set(arguments.parts.split(","))
    if lacking and compared and arguments.reference != "none":
        parser.error(
            f"{arguments.config} sets {', '.join(lacking)}, which the forms to compare with "
            "don't know: add --reference none."
        )
    rows = []
    for measure in tqdm(_measures(arguments), desc="measuring", unit="process"):
        rows += _measured(measure)
    result = {"machine": _machine(), "reference": arguments.reference, "rows": rows}
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_text(arguments.out / "latest.json", json.dumps(result, indent=1))
    print(_table(rows))
    if any("axis" in row for row in rows):
        _plot(arguments.out / "scaling.png", rows)
    print(f"\n{result['machine']}\nResults: {arguments.out / 'latest.json'}")
    return 0


def _not_the_papers(config):
    """Switches of a config that are not as in the paper's, which the other forms follow."""
    papers = load_config(find_config("cub.yaml"))
    return [key for key in _SWITCHES if attrgetter(key)(config) != attrgetter(key)(papers)]


def _measures(arguments):
    """The arguments of each process."""
    references, config = arguments.reference, arguments.config
    cpuinfo = Path("/proc/cpuinfo")  # of Linux
    flags = cpuinfo.read_text() if cpuinfo.is_file() else ""
    in_bfloat16 = ["bfloat16"] if "avx512_bf16" in flags or "amx_bf16" in flags else []
    forms = ["this", *(["plain"] if "plain" in references else []), *in_bfloat16]
    wanted: dict[str, list[tuple]] = {
        "generation": [("generation", references, n, config) for n in ("1", "4", "16")],
        "training": [("training", references, "4", config)],
        "memory": [("memory", form, "4", config) for form in forms],
        "start": [("start",)],
        "evaluation": [("evaluation",)],
        "scaling": [("scaling", config), ("replicas", "1"), ("replicas", "2")],
    }
    return [measure for part in arguments.parts.split(",") for measure in wanted[part]]


def _measured(measure):
    command = [sys.executable, Path(__file__).with_name("measures.py"), *measure]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(measure)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _machine():
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "product_rate_gmac_s": _product_rate(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "onnxruntime")},
        "date": datetime.date.today().isoformat(),
    }


def _product_rate():
    """10⁹ multiply-adds a second of float32 matrix products: the roof of all convolutions."""
    matrix = np.ones((2048, 2048), np.float32)
    matrix @ matrix
    started = time.perf_counter()
    for _ in range(10):
        matrix @ matrix
    return round(10 * 2.048**3 / (time.perf_counter() - started), 1)


def _table(rows):
    """Markdown; a ratio is the plain form's cost over that of the row."""
    lines = [
        "| what | batch | form | low, median, high | plain / this form |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        if "axis" in row:
            continue
        of = next((r for r in rows if r["form"] == _plain_of(row) and _same(r, row)), None)
        ratio = f"{_cost(of) / _cost(row):.2f}" if of and of is not row else ""
        if "mebibytes" in row:
            shown = f"{row['mebibytes']:,} MiB"
        else:
            shown = ", ".join(f"{value:,.1f}" for value in row["milliseconds"]) + " ms"
        lines.append(f"| {row['what']} | {row['batch']} | {row['form']} | {shown} | {ratio} |")
    return "\n".join(lines)


def _plain_of(row):
    return "plain, ONNX Runtime" if "ONNX" in row["form"] else "plain"


def _same(one, other):
    return all(one[key] == other[key] for key in ("what", "batch"))


def _cost(row):
    return row["mebibytes"] if "mebibytes" in row else row["milliseconds"][1]


def _plot(path, rows):
    """A panel per axis: median with deciles."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    axes = list(dict.fromkeys(row["axis"] for row in rows if "axis" in row))
    figure, panels = plt.subplots(
        1, len(axes), figsize=(3 * len(axes), 2.8), squeeze=False, layout="constrained"
    )
    for panel, axis in zip(panels[0], axes, strict=True):
        found = [row for row in rows if row.get("axis") == axis]
        low, median, high = np.transpose([row["milliseconds"] for row in found])
        values = [row["value"] for row in found]
        panel.errorbar(values, median, [median - low, high - median], marker="o", capsize=3)
        panel.set_xticks(values)
        panel.set_xlabel(axis)
        panel.set_ylabel("ms")
        panel.set_ylim(bottom=0)
        panel.set_title(found[0]["what"], fontsize=9)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=150, format="png")
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
