"""What the documents say of the sources is so: excerpts, names, commands; and their site."""

import contextlib
import io
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from unittest import mock

import pytest
from command_lines import ROOT

import dmgan_tf
from dmgan_tf.__main__ import COMMANDS
from dmgan_tf.export.__main__ import FORMATS

DOCUMENTS = [ROOT / "README.md", ROOT / "serving" / "README.md", *(ROOT / "docs").glob("*.md")]


def test_equations_stand_beside_the_lines_that_compute_them():
    text = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    excerpts = re.findall(r'```python title="([^"]+)"\n(.*?)```', text, re.DOTALL)
    assert len(excerpts) == text.count("```python") > 15
    for name, excerpt in excerpts:
        source = (ROOT / name).read_text(encoding="utf-8")
        indented = (textwrap.indent(excerpt, depth * " ") for depth in range(0, 20, 4))
        assert any(text in source for text in indented), f"{name}:\n{excerpt}"


def test_api_reference_has_every_name_of_the_package():
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    names = re.findall(r"^::: dmgan_tf\.(\w+)$", text, re.MULTILINE)
    assert sorted(names) == sorted(set(dmgan_tf.__all__) - {"__version__"})


def test_notebook_needs_no_file_beside_it():
    cells = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "".join(line for c in cells if c["cell_type"] == "markdown" for line in c["source"])
    assert not re.findall(r"\]\((?!https?:)[^)]*\)", text)


def test_notebook_is_the_tutorial():
    make = runpy.run_path(str(ROOT / "docs" / "make_notebook.py"))
    assert make["NOTEBOOK"].read_text(encoding="utf-8") == make["notebook"](), (
        "python docs/make_notebook.py"
    )


def commands(text):
    """The words of every `dmgan …` in a document's blocks for the shell."""
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.lstrip().startswith("dmgan "):
                yield shlex.split(line, comments=True)[1:]


def options(module):
    """The options that a command line's help names."""
    with (
        mock.patch.object(sys, "argv", ["", "--help"]),
        contextlib.redirect_stdout(io.StringIO()) as printed,
        pytest.raises(SystemExit),
    ):
        import_module(module).main()
    return set(re.findall(r"--[a-z][a-z-]*", printed.getvalue()))


def test_commands_and_their_options_exist():
    known, count = {}, 0
    for document in DOCUMENTS:
        for command, *words in commands(document.read_text(encoding="utf-8")):
            table = COMMANDS
            if command == "export":
                command, table = words[0], FORMATS
            assert command in table, f"{document}: {command}"
            module = table[command][0]
            known.setdefault(module, options(module))
            given = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert given <= known[module], f"{document}: dmgan {command}"
            count += 1
    assert count > 50


@pytest.mark.slow
def test_site_is_built_without_a_warning_and_fetches_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("mkdocs")
    code = "import sys, mkdocs.__main__ as m; sys.modules['tensorflow'] = None; m.cli()"
    command = [sys.executable, "-c", code, "build", "--strict", "--site-dir", str(tmp_path)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # for ruff
    built = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert built.returncode == 0, built.stderr
    pages = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")]
    assert len(pages) > len(DOCUMENTS)
    elsewhere = re.compile(r"(?:src|href)=.?(?:https?:)?//")
    for page in pages:
        tags = re.findall(r"<(?:link|script|img|iframe|source)\b[^>]*>", page)
        assert tags and not [tag for tag in tags if elsewhere.search(tag)]
    for path in tmp_path.rglob("*.css"):
        assert not re.search(r"url\(.?(?:https?:)?//", path.read_text(encoding="utf-8")), path
    reference = (tmp_path / "docs" / "reference.html").read_text(encoding="utf-8")
    assert "Draws captions with a trained generator." in reference
