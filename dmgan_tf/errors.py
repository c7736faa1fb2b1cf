"""What ends a command line with one line instead of a traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the user's or of his machine, told in one line; command lines exit with 2."""

    exit_code = 2


class Interrupted(Exception):  # noqa: N818 - no error: the run has saved, as it was asked to
    """A run was asked to stop by a signal, and has saved.

    Attributes: signal_number: int.
    """

    def __init__(self, signal_number: int):
        super().__init__(f"Stopped by signal {signal_number}; go on with --resume.")
        self.signal_number = signal_number


class LostWorker(Exception):  # noqa: N818 - no mistake of this process
    """Another worker of a training is gone or hangs; command lines exit with `exit_code`.

    138 is what Kubeflow keeps for errors that a program wants retried; like all from 128 on, no
    scheduler takes it for a mistake of the user's.
    """

    exit_code = 138

    def __init__(self, reason: str):
        super().__init__(f"Another worker was lost: {reason} Start all again with --resume.")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that a misspelt `name` most likely means, or None."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)
