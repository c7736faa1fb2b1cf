"""Wrong arguments and help: told at once, before TensorFlow is imported."""

import os
import subprocess
import sys

import pytest
from command_lines import ROOT, TINY, run

DRAW = "--model", ".", "--caption", "a red bird"
MISTAKES = {
    "misspelt key": (
        "train",
        (*TINY, "--set", "training.step=3"),
        "unknown key `training.step`. Did you mean `training.steps`?",
    ),
    "value out of range": (
        "pretrain_damsm",
        (*TINY, "--set", "damsm.batch_size=1"),
        "`batch_size` must be 2 or more",
    ),
    "missing config": (
        "train",
        ("--config", "qqq.yaml"),
        "qqq.yaml: there is no such config, nor in ",
    ),
    "misspelt config": (
        "train",
        ("--config", "toy_brids.yaml"),
        "Did you mean toy_birds.yaml?",
    ),
    "missing captions file": (
        "generate",
        ("--model", ".", "--captions-file", "nowhere.txt"),
        "nowhere.txt: cannot be read as text",
    ),
    "missing model": (
        "evaluate",
        ("--model", "nowhere", "--judge", "nowhere"),
        "nowhere: there is no such folder and no preset of that name.",
    ),
    "missing folder of a judge": (
        "evaluate",
        ("--model", ".", "--judge", "runs/nowhere"),
        "--judge runs/nowhere: there is no such folder.",
    ),
    "missing model to compare with": (
        "figures",
        ("--model", ROOT, "--compare", "runs/nowhere", "--out", "pages"),
        "runs/nowhere: there is no such folder.",
    ),
    "missing preset": (
        "generate",
        ("--model", "nowhere", "--caption", "a red bird"),
        "nowhere: there is no such folder and no preset of that name.",
    ),
    "missing preset to show": (
        "presets",
        ("--show", "nowhere"),
        "nowhere: there is no such folder and no preset of that name.",
    ),
    "missing captions of figures": (
        "figures",
        ("--model", ROOT, "--captions-file", "nowhere.txt", "--out", "pages"),
        "nowhere.txt: cannot be read as text",
    ),
    "captions file without a caption": (
        "figures",
        ("--model", ROOT, "--captions-file", os.devnull, "--out", "pages"),
        "holds no caption.",
    ),
    "captions that don't fit": (
        "figures",
        (
            "--model",
            ROOT,
            "--caption",
            *(f"a {letter}" for letter in "abcdefghijklm"),
            "--out",
            "pages",
        ),
        "12 captions fit side by side. Received: 13.",
    ),
}
MODULES = ("train", "pretrain_damsm", "generate", "evaluate", "ablation", "figures")


def imports_and_the_rest(process):
    """The imported modules as `-X importtime` tells them, and the other lines on stderr."""
    lines = process.stderr.splitlines()
    modules = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert "argparse" in modules
    return modules, [line for line in lines if not line.startswith("import time:")]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_told_in_one_line_before_tensorflow_is_imported(mistake, tmp_path):
    module, arguments, complaint = MISTAKES[mistake]
    process = run(module, *arguments, cwd=tmp_path, options=("-X", "importtime"))
    assert process.returncode == 2
    modules, lines = imports_and_the_rest(process)
    assert "tensorflow" not in modules
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert complaint in lines[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", MODULES)
def test_help_is_shown_without_importing_tensorflow(module):
    process = run(module, "--help", options=("-X", "importtime"))
    assert process.returncode == 0
    assert "--config" in process.stdout or "--model" in process.stdout
    modules, lines = imports_and_the_rest(process)
    assert "tensorflow" not in modules
    assert not lines


@pytest.mark.parametrize(
    ("module", "arguments", "complaint"),
    [
        ("train", (), "--config is required; only --resume --run-dir RUN does without."),
        ("train", ("--resume", "--run-dir", "nowhere"), "nowhere/config.yaml: there is none"),
        ("train", ("--config", "cub.yaml", "--stepps", "3"), "unrecognized arguments: --stepps 3"),
        (
            "generate",
            ("--model", "."),
            "one of the arguments --caption --captions-file is required",
        ),
        (
            "generate",
            ("--model", ".", "--caption", "a", "--count", "0"),
            "--count must be 1 or more",
        ),
        ("generate", ("--model", ".", "--caption", "a", "--seed", 2**63), "fit into 64 bits"),
        ("presets", ("toy_birds",), "for the card of a preset: dmgan presets --show toy_birds."),
        (
            "generate",
            ("--model", ".", "--caption", "a", "--out", f"{ROOT}/setup.py/a.png"),
            f"a.png: nothing can be written into {ROOT}/setup.py.",
        ),
        (
            "generate",
            ("--model", ".", "--caption", "a", "--out", f"{'a' * 300}/b.png"),
            "b.png: File name too long.",
        ),
        (
            "generate",
            (*DRAW, "--out", "a.png", "--out-dir", "b"),
            "--out can't be used with --out-dir",
        ),
        ("generate", (*DRAW, "--shard", "0/2"), "--shard can't be used without --out-dir"),
        ("generate", (*DRAW, "--out-dir", "b", "--shard", "2/2"), "must be K/N with K = 0 … N − 1"),
        ("evaluate", ("--model", ".", "--shard", "half"), "must be K/N with K = 0 … N − 1, as 0/8"),
        ("evaluate", ("--model", ".", "--shard", "0/2", "--merge", "2"), "not allowed with"),
        ("evaluate", ("--images-dir", ".", "--merge", "2"), "are for a model's pictures"),
        ("evaluate", (), "give --model, or --images-dir"),
        (
            "evaluate",
            ("--model", ".", "--metrics", "fid,isc"),
            "--metrics knows fid, kid, is, r_precision, not 'isc'",
        ),
        ("evaluate", ("--model", ".", "--weights", "damsm"), "--weights must be NETWORK=FILE"),
        ("evaluate", ("--model", ".", "--images", "1"), "--images must be 2 or more"),
        ("ablation", ("--config", "cub.yaml", "--seeds", "0"), "--seeds must be 1 or more"),
        ("ablation", ("--config", "cub.yaml", "--rows", "memories"), "Received: 'memories'."),
        ("studio", ("--model", ".", "--serve", "--port", 2**16), "--port must lie in 0 … 65535."),
        ("figures", ("--model", "."), "required: --out"),
        (
            "figures",
            ("--model", ".", "--out", ".", "--caption", "a", "--captions-file", "b"),
            "not allowed with argument --caption",
        ),
        ("figures", ("--model", ".", "--out", ".", "--only", "words,mood"), "Received: 'mood'."),
        ("figures", ("--model", ".", "--out", ".", "--noises", "0"), "--noises must be 1 to 120"),
        ("figures", ("--model", ".", "--out", ".", "--seed", 2**63), "fit into 64 bits"),
        ("figures", ("--model", ".", "--out", os.devnull), "--out must name a folder"),
    ],
)
def test_wrong_arguments_are_refused_without_importing_tensorflow(module, arguments, complaint):
    process = run(module, *arguments, options=("-X", "importtime"))
    assert process.returncode == 2
    modules, lines = imports_and_the_rest(process)
    assert "tensorflow" not in modules
    (line,) = lines
    assert line.startswith("error: ") and line.endswith(" --help.") and complaint in line


def test_package_config_and_command_line_import_neither_tensorflow_nor_numpy():
    script = (
        "import sys, dmgan_tf, dmgan_tf.config, dmgan_tf.command_line\n"
        "print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "[]"
