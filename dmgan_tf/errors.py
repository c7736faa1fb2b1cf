"""What ends a command line with one line instead of a traceback."""


class UserError(Exception):
    """A mistake of the user's or of his machine, told in one line; command lines exit with 2."""


class Interrupted(Exception):  # noqa: N818 - no error: the run has saved, as it was asked to
    """A run was asked to stop by a signal, and has saved.

    Attributes: signal_number: int.
    """

    def __init__(self, signal_number: int):
        super().__init__(f"Stopped by signal {signal_number}; go on with --resume.")
        self.signal_number = signal_number
