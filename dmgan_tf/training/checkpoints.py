"""Checkpoints that survive a kill at any moment: written beside, renamed when whole."""

import json
import logging
import shutil
from pathlib import Path

import tensorflow as tf

from dmgan_tf.errors import UserError
from dmgan_tf.training.snapshot import Snapshot, take_snapshot, variables_of

_LOGGER = logging.getLogger(__name__)
_PREFIX, _FILE = "step_", "variables"


class CheckpointFolder:
    """The last few checkpoints of a run, a folder each: `step_00001200/`.

    Args: directory: Path. checkpoint: tf.train.Checkpoint of all that a run must find again.
        keep: int > 0, how many of the newest stay.
    """

    def __init__(self, directory: Path, checkpoint: tf.train.Checkpoint, keep: int = 3):
        self.directory = directory
        self._checkpoint = checkpoint
        self._keep = keep

    def steps(self) -> list[int]:
        """Steps of the whole checkpoints, oldest first."""
        names = [path.name for path in self.directory.glob(_PREFIX + "*") if path.is_dir()]
        numbers = [name.removeprefix(_PREFIX) for name in names]
        return sorted(int(number) for number in numbers if number.isdecimal())

    def snapshot(self) -> Snapshot:
        """All values of this moment, for `save` in another thread."""
        return take_snapshot(self._checkpoint)

    def save(self, step: int, snapshot: Snapshot | None = None) -> Path:
        """Writes the checkpoint of `step` and drops the oldest.

        Args: snapshot: of that step; None: what the variables hold now.
        Raises: OSError, tf.errors.OpError: when it can't be written; nothing of it is left then.
        """
        names, values = zip(*(snapshot or self.snapshot()).items(), strict=True)
        target = self.path(step)
        partial = target.with_name(target.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            tf.raw_ops.SaveV2(
                prefix=str(partial / _FILE),
                tensor_names=names,
                shape_and_slices=[""] * len(names),
                tensors=values,
            )
            (partial / "state.json").write_text(json.dumps({"step": step}), encoding="utf-8")
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        for old in self.steps()[: -self._keep]:
            shutil.rmtree(self.path(old), ignore_errors=True)
        return target

    def restore_newest(self) -> int | None:
        """Restores the newest readable checkpoint; a damaged one is passed over with a warning.

        Returns: its step, or None where there is no checkpoint.
        Raises: UserError: when there are checkpoints and none of them can be read.
        """
        steps = self.steps()
        for step in reversed(steps):
            path = self.path(step)
            try:
                state = json.loads((path / "state.json").read_text(encoding="utf-8"))
                found = state["step"]
                reader = tf.train.load_checkpoint(str(path / _FILE))
                for name, variable in variables_of(self._checkpoint).items():
                    variable.assign(reader.get_tensor(name))
            except (OSError, LookupError, TypeError, ValueError, tf.errors.OpError) as error:
                reason = " ".join(str(error).split())[:200]
                _LOGGER.warning("%s is damaged (%s); trying the one before it.", path, reason)
                continue
            return found
        if steps:
            raise UserError(
                f"{self.directory}: none of the {len(steps)} checkpoints can be read. "
                "Start again with another --run-dir."
            )
        return None

    def path(self, step: int) -> Path:
        """The folder of the checkpoint of `step`."""
        return self.directory / f"{_PREFIX}{step:08d}"
