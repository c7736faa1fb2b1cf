"""Where files are kept that can be had again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """DMGAN_TF_CACHE of the environment, or ~/.cache/dmgan_tf."""
    return Path(os.environ.get("DMGAN_TF_CACHE") or "~/.cache/dmgan_tf").expanduser()
