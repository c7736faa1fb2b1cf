"""Shares of work that machines do each for itself: the option `--shard K/N`."""

import argparse
import re


def shard(text: str) -> tuple[int, int]:
    """The type of an option that names the K-th of N shares, K = 0 … N − 1: (K, N).

    Counted from 0, as the index of a Kubernetes job is.
    """
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if not match or not int(match[1]) < int(match[2]):
        raise argparse.ArgumentTypeError(
            f"must be K/N with K = 0 … N − 1, as 0/8. Received: {text}."
        )
    return int(match[1]), int(match[2])
