"""The levels of the package: who may import whom, read from the source with `ast`."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dmgan_tf"
LEVELS = (
    ("errors", "keras_files"),
    ("cache", "chief", "config", "whole_file", "whole_folder"),
    ("layers", "config_file", "remote"),
    ("models", "losses", "metrics", "data"),
    ("training", "inference", "interop"),
    ("preparation", "feature_networks", "build_data"),
    ("build",),
    (
        "experiment",
        "evaluation",
        "ablation_table",
        "many_pictures",
        "shards",
        "conversion",
        "command_line",
        "caption_options",
    ),
    (
        "train",
        "pretrain_damsm",
        "generate",
        "figures",
        "evaluate",
        "ablation",
        "convert",
        "edge",
        "prepare_data",
        "presets",
        "push",
    ),
    ("export",),
    ("studio",),
    ("serving",),
    ("__main__",),
)
LEVEL_OF = {unit: number for number, units in enumerate(LEVELS) for unit in units}
FILES = sorted(PACKAGE.rglob("*.py"))


def unit_of(path):
    """The folder or file right below the package that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(source):
    """Every module, and every name out of one, that a source imports; anywhere, not only on top."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def breaks(path, source):
    """What is wrong with the imports of a file: sentences that name both files."""
    unit = unit_of(path)
    for name in imports(source):
        top, _, rest = name.partition(".")
        if top == "":
            yield f"{path} imports {name} by a relative name, where the levels are not seen."
        if top != "dmgan_tf":
            continue
        other = rest.split(".")[0]
        if other == unit and (PACKAGE / unit).is_dir():
            continue
        if name == "dmgan_tf.__version__":
            continue
        if other not in LEVEL_OF:
            yield f"{path} imports {name}, which has no level."
        elif LEVEL_OF[other] >= LEVEL_OF[unit]:
            yield (
                f"{path} (level {LEVEL_OF[unit]}) imports {name} (level {LEVEL_OF[other]}); "
                "only lower levels are open to it."
            )


def path_of(name):
    return PACKAGE / name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_imports_only_from_lower_levels(path):
    if path == PACKAGE / "__init__.py":
        return  # offers names of all levels; tests/test_front_door.py says when which is imported
    assert unit_of(path) in LEVEL_OF, f"{path} has no level: give {unit_of(path)!r} one."
    found = list(breaks(path, path.read_text(encoding="utf-8")))
    assert not found, "\n".join(found)


def test_config_needs_the_standard_library_and_yaml_only():
    names = {n for path in (PACKAGE / "config").glob("*.py") for n in imports(path.read_text())}
    tops = {name.split(".")[0] for name in names}
    assert tops - sys.stdlib_module_names == {"yaml", "dmgan_tf"}


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("layers/a.py", "from dmgan_tf.models.generator import Generator"),
        ("layers/a.py", "import dmgan_tf.build"),
        ("models/a.py", "from dmgan_tf import losses"),
        ("metrics/a.py", "def f():\n    from dmgan_tf.models.text_encoder import TextEncoder"),
        ("inference/a.py", "from dmgan_tf.training.ema import update_average"),
        ("training/a.py", "from dmgan_tf.inference import noise"),
        ("training/a.py", "from dmgan_tf import build"),
        ("experiment/run.py", "from dmgan_tf.command_line import run"),
        ("train.py", "from dmgan_tf import generate"),
        ("config/a.py", "if True:\n    import dmgan_tf.layers.batch_norm as b"),
        ("data/a.py", "from ..models import generator"),
        ("data/a.py", "from dmgan_tf.utils import anything"),
    ],
)
def test_break_is_found_and_told_with_both_files(file, source):
    (message,) = breaks(path_of(file), source)
    assert str(path_of(file)) in message
    assert next(imports(source)) in message


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("layers/a.py", "from dmgan_tf.layers.batch_norm import BatchNorm"),
        ("data/toy_birds/a.py", "from dmgan_tf.data.vocabulary import Vocabulary"),
        ("inference/a.py", "from dmgan_tf import config"),
        ("train.py", "from dmgan_tf import build, experiment"),
        ("build.py", "import numpy, dmgan_tf_other"),
    ],
)
def test_imports_from_lower_levels_and_from_the_own_folder_are_allowed(file, source):
    assert not list(breaks(path_of(file), source))


MOST_LINES = 300


def test_no_file_is_longer_than_a_reader_can_hold():
    root = PACKAGE.parent
    folders = ("dmgan_tf", "export", "serving", "tests", "benchmarks", "configs")
    written = [
        path
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.suffix in (".py", ".proto", ".yaml", ".md", ".html", ".js", ".css")
        if "node_modules" not in path.parts
    ]
    assert len(written) > 300
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in written}
    assert not {str(path): n for path, n in lengths.items() if n > MOST_LINES}
