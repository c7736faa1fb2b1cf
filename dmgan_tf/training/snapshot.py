"""What variables hold at one moment, kept while training goes on, and written meanwhile."""

import collections
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import tensorflow as tf

_LOGGER = logging.getLogger(__name__)
Snapshot = dict[str, tf.Tensor]


def variables_of(root: tf.train.Checkpoint) -> dict[str, tf.Variable | keras.Variable]:
    """All variables of a checkpoint by the names that `tf.train.Checkpoint` writes them under.

    A name is the shortest way from the root to the variable.
    """
    view = tf.train.TrackableView(root)
    found, seen = {}, {id(root): root}
    ways = collections.deque([("", root)])
    while ways:
        way, node = ways.popleft()
        if isinstance(node, tf.Variable | keras.Variable):
            found[f"{way}.ATTRIBUTES/VARIABLE_VALUE"] = node
        for name, child in view.children(node).items():
            if id(child) not in seen:
                seen[id(child)] = child
                escaped = name.replace(".", "..").replace("/", ".S")
                ways.append((f"{way}{escaped}/", child))
    return found


def take_snapshot(root: tf.train.Checkpoint) -> Snapshot:
    """Value of each of `variables_of`.

    Nothing is copied now: TensorFlow gives a variable new memory at its next update while somebody
    holds its old value.
    """
    return {name: tf.convert_to_tensor(v) for name, v in variables_of(root).items()}


class NetworkCopies:
    """Copies of networks that are trained, for a thread to write.

    Args: **networks: those that are trained; built.
    Attributes: networks: the copies, by the same names.
    """

    def __init__(self, **networks: keras.Model):
        self._trained = tf.train.Checkpoint(**networks)
        self.networks = {name: _copy(network) for name, network in networks.items()}

    def snapshot(self) -> Snapshot:
        """What the trained networks hold now, for `assign`."""
        return take_snapshot(self._trained)

    def assign(self, snapshot: Snapshot) -> None:
        """Gives the copies the values of a snapshot."""
        for name, variable in variables_of(tf.train.Checkpoint(**self.networks)).items():
            variable.assign(snapshot[name])


def _copy(network):
    copy = type(network).from_config(network.get_config())
    copy.build_from_config(network.get_build_config())
    return copy


class WritingThread:
    """Writes one thing at a time beside the training; as a context, waits for it at the end.

    What goes wrong there is raised by the next call.
    """

    def __init__(self):
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._written: Future | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Begins to write as soon as what was begun before is written."""
        self.wait()
        self._written = self._pool.submit(write)

    def wait(self) -> None:
        """Returns when all is written. Raises: what the writing raised."""
        written, self._written = self._written, None
        if written:
            written.result()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.wait()
        except Exception:
            if kind is None:
                raise
            _LOGGER.exception("The last checkpoint could not be written.")  # beside what ends it
        finally:
            self._pool.shutdown()
