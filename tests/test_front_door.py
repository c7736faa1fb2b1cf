"""What `import dmgan_tf` and the console command offer, and what they leave unloaded."""

import argparse
import ast
import importlib
import subprocess
import sys
from unittest import mock

import pytest
from command_lines import ROOT, environment

import dmgan_tf
from dmgan_tf.__main__ import COMMANDS
from dmgan_tf.export.__main__ import FORMATS

LINES = [[name] for name in COMMANDS] + [["export", name] for name in FORMATS]


def python(*arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_package_alone_loads_neither_tensorflow_nor_numpy():
    process = python("-c", "import sys, dmgan_tf; dir(dmgan_tf); print(*sys.modules)")
    assert not {"tensorflow", "keras", "numpy", "yaml"} & set(process.stdout.split())


def test_every_name_is_what_its_module_defines():
    for name in dmgan_tf.__all__:
        assert getattr(dmgan_tf, name) is not None
    assert set(dmgan_tf.__all__) <= set(dir(dmgan_tf))
    assert dmgan_tf.DynamicMemory.__module__ == "dmgan_tf.layers.dynamic_memory"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'StyleGAN'"):
        _ = dmgan_tf.StyleGAN


def test_type_checkers_see_the_same_names():
    tree = ast.parse((ROOT / "dmgan_tf" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (node.module.removeprefix("dmgan_tf."), alias.name)
        for node in block.body
        for alias in node.names
    }
    assert seen == {(m, name) for m, names in dmgan_tf._MODULES.items() for name in names}


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_help_of_every_command_names_it_and_loads_no_tensorflow(words):
    code = "import sys\nfrom dmgan_tf.__main__ import main\n"
    code += "try:\n    main()\nexcept SystemExit:\n    print('loaded', 'tensorflow' in sys.modules)"
    process = python("-c", code, *words, "--help")
    assert process.stdout.startswith(f"usage: dmgan {' '.join(words)} "), process.stderr
    assert process.stdout.endswith("loaded False\n")


def options_of(module):
    """The options of a command line: as its parser has them when it begins to parse."""
    seen = []

    def stop(parser, *_):
        seen.append(parser)
        raise SystemExit

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", stop),
        pytest.raises(SystemExit),
    ):
        importlib.import_module(module).main()
    return seen[0]


MODULES = [module for module, _ in (*COMMANDS.values(), *FORMATS.values())]


@pytest.mark.parametrize("module", [m for m in MODULES if not m.endswith("__main__")])
def test_every_option_is_explained_by_a_fragment_that_tells_its_default(module):
    parser = options_of(module)
    for action in parser._actions[1:]:  # the first is --help
        if action.help == argparse.SUPPRESS:
            continue
        told = parser._get_formatter()._expand_help(action)
        name = action.option_strings or action.dest
        assert told and told[-1] != ".", name
        if action.default not in (None, False, []):
            assert f"(default: {action.default})" in told, name


@pytest.mark.parametrize("words", [["--help"], ["export", "--help"]], ids=" ".join)
def test_help_lists_the_commands(words):
    process = python("-m", "dmgan_tf", *words)
    for name in FORMATS if len(words) == 2 else COMMANDS:
        assert f"\n  {name} " in process.stdout


@pytest.mark.parametrize(
    ("command", "hint"),
    [("draw", "There are generate, presets, "), ("genrate", "Did you mean `dmgan generate`?")],
)
def test_an_unknown_command_is_named_with_what_may_be_meant(command, hint):
    process = python("-m", "dmgan_tf", command)
    assert process.returncode == 2
    assert f"there is no command {command!r}. {hint}" in process.stderr


def test_without_a_command_those_there_are_are_named():
    process = python("-m", "dmgan_tf", "export")
    assert process.returncode == 2
    assert process.stderr == (
        "error: name a command: saved-model, onnx, litert, preset. See dmgan export --help.\n"
    )


@pytest.mark.parametrize(
    "script",
    [f"export/{name}.py" for name in ("saved_model", "to_onnx", "to_litert", "preset")]
    + [f"serving/{name}.py" for name in ("server", "client")],
)
def test_launchers_are_the_commands(script, tmp_path):
    process = python(ROOT / script, "--help")
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith("usage:")


def test_edge_draws_where_only_its_own_packages_are(onnx_folder, tmp_path):
    missing = "tensorflow", "keras", "yaml", "filelock", "h5py", "matplotlib", "scipy", "requests"
    code = f"import sys\nsys.modules.update(dict.fromkeys({missing}))\n"
    code += "from dmgan_tf.__main__ import main\nmain()"
    options = "--caption", "a red bird", "a blue bird", "--out", tmp_path / "birds.webp"
    process = python("-c", code, "edge", "--model", onnx_folder, *options)
    assert process.returncode == 0, process.stderr
    assert process.stdout == f"Picture: {tmp_path / 'birds.webp'}\n"
    assert (tmp_path / "birds.webp").stat().st_size > 100


EDGE = ["edge", "--model", ".", "--caption", "a", "--runtime"]


@pytest.mark.parametrize(
    ("words", "package", "told"),
    [
        (["edge", "--model", ".", "--caption", "a"], "onnxruntime", "pip install onnxruntime"),
        ([*EDGE, "openvino"], "openvino", "pip install openvino"),
        ([*EDGE, "litert"], "ai_edge_litert", "pip install ai-edge-litert"),
        (["serve", "--model", "a=."], "prometheus_client", "pip install 'dmgan_tf[serving]'"),
        (["ask", "--status"], "grpc", "pip install 'dmgan_tf[client]'"),
    ],
    ids=lambda value: " ".join(value[::4]) if isinstance(value, list) else None,
)
def test_a_missing_package_is_one_line_that_says_how_to_get_it(words, package, told):
    code = f"import sys\nsys.modules[{package!r}] = None\n"
    code += "from dmgan_tf.__main__ import main\nmain()"
    process = python("-c", code, *words)
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith("error: ") and told in line
