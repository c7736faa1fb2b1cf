"""Which worker writes."""

import json
import os

from dmgan_tf.errors import UserError


def is_chief() -> bool:
    """Whether this process is the one that writes: the only one, the chief, or else worker 0."""
    try:
        described = json.loads(os.environ.get("TF_CONFIG") or "{}")
    except ValueError as error:
        raise UserError(f"TF_CONFIG is not valid JSON: {error}.") from error
    task = described.get("task", {})
    writer = "chief" if "chief" in described.get("cluster", {}) else "worker"
    return task.get("type", writer) == writer and task.get("index", 0) == 0
