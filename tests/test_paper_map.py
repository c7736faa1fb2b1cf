"""The paper map names files and tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = re.findall(r"`([^`]+)`", (ROOT / "docs" / "paper_map.md").read_text(encoding="utf-8"))


def test_every_file_and_folder_is_there():
    paths = [name for name in NAMES if name.endswith((".py", "/"))]
    assert len(paths) > 50
    for path in paths:
        assert any((ROOT / base / path).exists() for base in ("", "dmgan_tf", "tests")), path


def test_every_test_is_there():
    tests = {name for name in NAMES if re.fullmatch(r"test_\w+", name)}
    sources = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/*/test_*.py"))
    assert len(tests) > 5
    assert {name for name in tests if f"def {name}(" not in sources} == set()
