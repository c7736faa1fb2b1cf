"""The targets of `make fuzz` take what it begins with, and what it has found."""

import pytest
import seeds
import targets

# (target, input, whether it is taken)
FOUND = [
    (
        "bodies",
        b'v{"signature_name": "number", "inputs": {"number": 27%s.5}}' % (b"7" * 100),
        False,
    ),
    ("bodies", b'v{"signature_name": "number", "inputs": {"number": NaN}}', True),
    (
        "bodies",
        b'k\0\0{"id": "\\ud800", "parameters": {"signature_name": "number"}, "inputs":'
        b' [{"name": "number", "datatype": "FP16", "shape": [], "data": [-Infinity]}]}',
        True,
    ),
    (
        "tensors",
        b"t\n\017\n\005dmgan\032\006number\022\023\n\006number\022\011\010\023\022\000j\003\200\202f",
        False,
    ),
]


@pytest.fixture
def take(tmp_path):
    """Function of a target's name and bytes: whether they are taken, not refused."""

    def take_bytes(name, content):
        (folder := tmp_path / str(len(list(tmp_path.iterdir())))).mkdir()
        try:
            targets.TARGETS[name](content, folder)
        except targets.REFUSALS:
            return False
        return True

    return take_bytes


@pytest.mark.parametrize("name", targets.TARGETS)
def test_honest_inputs_are_taken_and_halves_raise_nothing(take, name):
    inputs = getattr(seeds, name)()
    refused = [content[:300] for content in inputs if not take(name, content)]
    assert len(refused) <= 2, refused  # a link, a hole; a type that a protocol has no field for
    for content in inputs:
        take(name, content[: len(content) // 2])


@pytest.mark.parametrize(("name", "content", "taken"), FOUND)
def test_what_was_found_is_answered(take, name, content, taken):
    assert take(name, content) is taken
