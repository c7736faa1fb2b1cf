"""docs/tutorial.ipynb from docs/tutorial.md, its one source: `python docs/make_notebook.py`."""

import json
import re
from pathlib import Path

TUTORIAL = Path(__file__).with_name("tutorial.md")
NOTEBOOK = TUTORIAL.with_suffix(".ipynb")
_BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
# The notebook is opened alone: it draws its own pictures, and relative links would lead nowhere.
_PICTURES = re.compile(r"^!\[.*?\n\n", re.MULTILINE | re.DOTALL)  # paragraphs
_ONLY_A_LINK = re.compile(r"\s+\(\[[^]]*\]\((?!https?:)[^)]*\)\)")  # in parentheses
_LINK = re.compile(r"\[([^]]*)\]\((?!https?:)[^)]*\)")
_PICTURE = """\
from IPython.display import Image

Image("{}")"""
# A server ends with its notebook; Colab opens it in a window of its own.
_SERVER = """\
import shlex
import subprocess

command = shlex.split("{command}")
server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
address = server.stdout.readline().split()[-1]
try:
    from google.colab import output
except ImportError:
    print(address)
else:
    output.serve_kernel_port_as_window(int(address.rstrip("/").rpartition(":")[2]))"""


def cells(text: str) -> list[dict]:
    """The cells of a Markdown document: its text, its commands for bash, its Python as it is."""
    found, end = [], 0
    for block in _BLOCK.finditer(text):
        found.append(_cell("markdown", _alone(text[end : block.start()])))
        language, code = block.groups()
        if language == "bash":
            command, _, comment = code.strip().partition("  # ")
            served = "until Ctrl-C" in comment
            if served:
                code = _SERVER.format(command=command.strip())
            else:  # what fails after %%bash ends the notebook
                code = f"!{code}" if code.startswith("pip ") else f"%%bash\n{code}"
        found.append(_cell("code", code))
        if picture := re.search(r"--out (\S+)\.png", code):
            names = [picture[1], *([f"{picture[1]}_attention_1"] if "--attention" in code else [])]
            found += [_cell("code", _PICTURE.format(f"{name}.png")) for name in names]
        end = block.end()
    found.append(_cell("markdown", _alone(text[end:])))
    return [cell | {"id": f"cell-{number}"} for number, cell in enumerate(found)]


def notebook() -> str:
    """The whole file."""
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": cells(TUTORIAL.read_text(encoding="utf-8")),
        "metadata": {"kernelspec": python, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _alone(text):
    return _LINK.sub(r"\1", _ONLY_A_LINK.sub("", _PICTURES.sub("", text)))


def _cell(kind, text):
    cell = {"cell_type": kind, "metadata": {}, "source": text.strip().splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook(), encoding="utf-8")
