"""The little that tests need of a scheduler: all workers again while their exit codes allow it."""


def exit_code(process):
    """As a container tells it: 128 + n for a process that signal n has ended."""
    code = process.wait(timeout=600)
    return code if code >= 0 else 128 - code


def run_job(start, attempts):
    """Exit codes of the workers, attempt by attempt.

    As JobSet and TFJob: begins again where a worker failed, unless one ended with a code below 128,
    which says that it would fail again. They end the other workers; here those end by themselves.

    Args: start: function (number of the attempt) → processes.
    """
    history = []
    for attempt in range(attempts):
        history.append([exit_code(worker) for worker in start(attempt)])
        if not any(history[-1]) or any(0 < code < 128 for code in history[-1]):
            break
    return history
