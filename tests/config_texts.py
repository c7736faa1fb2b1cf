"""Config files of a few lines, and what they are refused with."""

import pytest

from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError


def write_config(folder, text="data: {source: toy_birds}\n"):
    """Writes a config file, by default the smallest that is valid."""
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(path, overrides=()):
    """The message that a config is refused with; always one line."""
    with pytest.raises(UserError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message
