"""Times forms of one thing that take turns: what else the machine does hits all alike."""

import statistics
import time

_FEWEST_RUNS = 3
_PAUSE = 0.1  # seconds before each run: threads of the form before it look for work a while


def axis(name, value, rows):
    """The rows, each with its place on an axis of a figure."""
    return [row | {"axis": name, "value": value} for row in rows]


def take_turns(what, batch, forms, seconds):
    """Rounds in which each form runs once, until the time is up; two rounds before don't count."""
    for form in forms.values():
        form(), form()
    times = {name: [] for name in forms}
    started, rounds = time.perf_counter(), 0
    while rounds < _FEWEST_RUNS or time.perf_counter() - started < seconds * len(forms):
        for name, form in forms.items():
            time.sleep(_PAUSE)
            begun = time.perf_counter()
            form()
            times[name].append(1e3 * (time.perf_counter() - begun))
        rounds += 1
    return [
        {"what": what, "form": name, "batch": batch, "milliseconds": _spread(found), "runs": rounds}
        for name, found in times.items()
    ]


def _spread(times):
    """First decile, median and last decile."""
    tenths = statistics.quantiles(times, n=10, method="inclusive")
    return [round(value, 1) for value in (tenths[0], statistics.median(times), tenths[-1])]


def waited_for(function):
    """TensorFlow returns before its kernels have: reads one number of each result."""
    import tensorflow as tf

    def call():
        for tensor in tf.nest.flatten(function()):
            if tensor is not None:
                tf.reshape(tensor, [-1])[:1].numpy()

    return call
