"""Which worker writes."""

import json
import os

from dmgan_tf.errors import UserError


def described_cluster() -> dict:
    """TF_CONFIG: the addresses of all workers, and which of them this is; {} without it.

    Raises: UserError: when it is no JSON, or its task is none of its cluster.
    """
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        described = json.loads(text)
    except ValueError as error:
        raise UserError(f"TF_CONFIG is not valid JSON: {error}.") from error
    if not isinstance(described, dict):
        raise UserError(f"TF_CONFIG must be a JSON object. Received: {text[:200]}")
    if described:
        try:
            cluster, task = described["cluster"], described["task"]
            if not all(isinstance(addresses, list) for addresses in cluster.values()):
                raise TypeError("addresses must be a list")
            cluster[task["type"]][_index(task["index"])]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                'TF_CONFIG must be like {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
                f'"task": {{"type": "worker", "index": 0}}}}. Received: {text[:200]}'
            ) from error
    return described


def _index(value):
    if not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value


def is_chief() -> bool:
    """Whether this process is the one that writes: the only one, the chief, or else worker 0."""
    described = described_cluster()
    writer = "chief" if "chief" in described.get("cluster", {}) else "worker"
    task = described.get("task", {"type": writer, "index": 0})
    return (task["type"], task["index"]) == (writer, 0)
