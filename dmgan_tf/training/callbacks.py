"""What happens around training steps, as Keras callbacks for `fit` and `run_steps` alike."""

import logging
import math
import operator
import signal
import time

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from dmgan_tf.errors import UserError
from dmgan_tf.training.replicas import every_worker, several_workers

_LOGGER = logging.getLogger(__name__)
_VOTE_STEPS = 10
# The worst score there is, and whether one is better than another.
_MODES = {"min": (math.inf, operator.lt), "max": (-math.inf, operator.gt)}


class StepCallback(keras.callbacks.Callback):
    """Acts after steps, whose number it counts from the very beginning of a run.

    Keras counts batches within an epoch; in a resumed run the first epoch need not begin with 0.
    """

    _steps_before_epoch = _steps_done = 0

    def on_epoch_begin(self, epoch, logs=None):
        steps = (self.params or {}).get("steps")  # None in the first epoch of an unknown length
        self._steps_before_epoch = epoch * steps if steps else self._steps_done

    def on_train_batch_end(self, batch, logs=None):
        self._steps_done = self._steps_before_epoch + batch + 1
        self.after_step(self._steps_done, logs)

    def after_step(self, step, logs):
        """Acts on the scalars of the step that was done, the `step`th of all."""
        raise NotImplementedError


class LossGuard(StepCallback):
    """Stops the run at the first value that is no finite number, naming step and term.

    Looks at every step, but only every `every_steps` and before a checkpoint is written (`check`),
    so that an accelerator isn't waited for.

    Args: every_steps: int > 0.
        last_good: function () → name of the last good checkpoint, or None.
    """

    def __init__(self, every_steps, last_good):
        super().__init__()
        self._every_steps = every_steps
        self._last_good = last_good
        self._unseen = []

    def after_step(self, step, logs):
        self._unseen.append((step, logs))
        if step % self._every_steps == 0:
            self.check()

    def check(self):
        """Raises UserError when a value since the last look is no finite number."""
        for seen_step, scalars in self._unseen:
            for name, value in scalars.items():
                if not math.isfinite(value):
                    raise UserError(
                        f"Step {seen_step}: {name} became {value}. "
                        f"Last good checkpoint: {self._last_good() or 'none yet'}. "
                        "Begin another run, with a lower learning rate or another seed."
                    )
        self._unseen.clear()


class ProgressBar(StepCallback):
    """A bar with the main losses, steps a second and the time left."""

    def __init__(self, first_step, last_step, shown, description):
        super().__init__()
        self._range = {"initial": first_step, "total": last_step, "desc": description}
        self._shown = shown

    def on_train_begin(self, logs=None):
        self._bar = tqdm(**self._range, unit="step", mininterval=0.5, dynamic_ncols=True)

    def after_step(self, step, logs):
        self._bar.update(step - self._bar.n)
        if step % 10 == 0:
            losses = {short: f"{logs[name]:.2f}" for short, name in self._shown.items()}
            self._bar.set_postfix(losses, refresh=False)

    def on_train_end(self, logs=None):
        self._bar.close()


class ScalarLog(StepCallback):
    """Every scalar, and pictures a second, to TensorBoard and one line to the log."""

    def __init__(self, writer, every_steps, batch_size):
        super().__init__()
        self._writer = writer
        self._every_steps = every_steps
        self._batch_size = batch_size
        self._last = None

    def after_step(self, step, logs):
        if step % self._every_steps:
            return
        values = dict(logs)
        now = time.monotonic()
        if self._last:
            last_step, last_time = self._last
            speed = (step - last_step) * self._batch_size / (now - last_time)
            values["images_per_second"] = speed
        self._last = (step, now)
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        line = " ".join(f"{name}={value:.4g}" for name, value in values.items())
        _LOGGER.debug("step %d %s", step, line)


class SampleGrid(StepCallback):
    """Pictures of fixed captions and noise at every stage, to TensorBoard and as PNG files.

    Args: draw: function () → dict of name to uint8 picture [height, width, 3].
        save: function (name, step, picture). every_steps: int > 0.
    """

    def __init__(self, draw, save, writer, every_steps):
        super().__init__()
        self._draw = draw
        self._save = save
        self._writer = writer
        self._every_steps = every_steps

    def after_step(self, step, logs):
        if step % self._every_steps:
            return
        with self._writer.as_default(step=step):
            for name, picture in self._draw().items():
                tf.summary.image(name, picture[np.newaxis])
                self._save(name, step, picture)


class Evaluation(StepCallback):
    """Scores on a fixed subset now and then; keeps the best.

    Args: evaluate: function () → dict of scores. keep: function (step, scores), called when
        `scores[key]` is the best so far. best: float, that of an earlier part of the run, or None.
        mode: "min" or "max", which the best is. last_step: int, scored as well; None: it is not.
    """

    def __init__(
        self, evaluate, keep, writer, every_steps, key, best=None, mode="min", last_step=None
    ):
        super().__init__()
        self._evaluate = evaluate
        self._keep = keep
        self._writer = writer
        self._every_steps = every_steps
        self._key = key
        self._last_step = last_step
        worst, self._is_better = _MODES[mode]
        self._best = worst if best is None else best

    def after_step(self, step, logs):
        if step % self._every_steps and step != self._last_step:
            return
        scores = self._evaluate()
        _LOGGER.info("step %d %s", step, scores)
        with self._writer.as_default(step=step):
            for name, value in scores.items():
                tf.summary.scalar(f"evaluation/{name}", value)
        if self._is_better(scores[self._key], self._best):
            self._best = scores[self._key]
            self._keep(step, scores)


class Checkpoints(StepCallback):
    """Saves now and then, at the last step, and when asked to stop by Ctrl-C or SIGTERM.

    All workers stop at the same step, so that the chief can save: several ask one another whether
    to stop every `_VOTE_STEPS`, because an answer makes the host wait for the step. Signals are
    noted in its `with` block, which ends when all is written.

    Args: save: function (step). every_steps: int > 0. last_step: int. strategy: of the run.
    `interrupted` holds the signal's number afterwards, or None.
    """

    def __init__(self, save, every_steps, last_step, strategy):
        super().__init__()
        self._save = save
        self._every_steps = every_steps
        self._last_step = last_step
        self._strategy = strategy
        self._vote_steps = _VOTE_STEPS if several_workers(strategy) else 1
        self._previous = {}
        self.interrupted = None

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        _LOGGER.warning("Signal %d: saving, then stopping.", number)
        self.interrupted = number
        signal.signal(number, self._previous[number])  # a second one stops at once

    def after_step(self, step, logs):
        due = step % self._every_steps == 0 or step == self._last_step
        asked = due or step % self._vote_steps == 0
        if asked and not every_worker(self._strategy, self.interrupted is None):
            self.interrupted = self.interrupted or signal.SIGTERM
            self.model.stop_training = due = True
        if due:
            self._save(step)

    def __exit__(self, *_):
        for number, handler in self._previous.items():
            signal.signal(number, handler)
