"""Abuse of `dmgan serve` on this machine: whether honest clients notice, and what it costs.

    python benchmarks/soak.py --saved-model serving/models/dmgan --minutes 10

First each of forty kinds of hostile requests comes alone, and its processor time is taken; then 16
honest clients ask without pause, a fifth of the time alone and then beside 1000 hostile requests a
minute and 200 slow connections. The exit code is 1 where an honest request fails, a connection
can't be opened, a hostile request gets another code than it must or more than a second of
processor time, memory grows by more than 300 MB, or the honest p99 is more than three times what it
was alone.
"""

import argparse
import base64
import http.client
import itertools
import json
import math
import multiprocessing
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from hostile_requests import Kind, Target, kinds
from server_process import ServerProcess
from slow_connections import SlowConnections

from dmgan_tf.serving.client import Client

_CAPTION = "a red bird with black wings"
_HONEST, _SLOW, _HOSTILE_A_MINUTE = 16, 200, 1000
_MOST_MEBIBYTES, _MOST_SECONDS, _MOST_RATIO = 300, 1.0, 3.0
_HOSTILE_THREADS = 4


class Honest:
    """What clients got that asked for one picture each without pause, three of four over gRPC."""

    def __init__(self, address: str, rest: str, seconds: float):
        self.times: list[float] = []
        self.errors: list[str] = []
        self.seconds = seconds
        end = time.perf_counter() + seconds
        threads = [
            threading.Thread(target=self._by_rest, args=(rest, end))
            if number % 4 == 3
            else threading.Thread(target=self._by_grpc, args=(address, end))
            for number in range(_HONEST)
        ]
        _run(threads)

    def _by_grpc(self, address, end):
        with Client(address, attempts=1) as client:
            self._go_on(end, lambda seed: client.generate([_CAPTION], [seed])[0])

    def _by_rest(self, rest, end):
        connection = http.client.HTTPConnection(urlsplit(rest).netloc, timeout=60)

        def draw(seed):
            body = json.dumps({"instances": [{"caption": _CAPTION, "seed": seed}]})
            connection.request("POST", "/v1/models/dmgan:predict", body)
            answer = json.load(connection.getresponse())
            return base64.b64decode(answer["predictions"][0]["image_bytes"]["b64"])

        self._go_on(end, draw)
        connection.close()

    def _go_on(self, end, draw):
        for seed in itertools.count():
            started = time.perf_counter()
            if started >= end:
                return
            try:
                if not draw(seed).startswith(b"\x89PNG"):
                    raise ValueError("no picture")
            except Exception as error:  # whatever it is, it counts
                self.errors.append(repr(error))
            else:
                self.times.append(time.perf_counter() - started)

    def p99(self) -> float:
        """Seconds that 99 of 100 answers came in."""
        ordered = sorted(self.times)
        return ordered[int(len(ordered) * 0.99)] if ordered else math.inf


def _run(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Hostile:
    """Threads that send all kinds in turn; what wasn't answered as it must be."""

    def __init__(self, server: ServerProcess, sent: list[Kind]):
        self.wrong: Counter[str] = Counter()
        self.count = 0
        self._rest = server.rest
        self._address = server.address
        self._kinds = sent

    def send(self, count: int, seconds: float):
        """Sends so many requests, spread over the time."""
        numbers, begin, lock = itertools.count(), time.perf_counter(), threading.Lock()

        def work():
            options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
            with grpc.insecure_channel(self._address, options) as channel:
                target = Target(self._rest, channel)
                while (number := next(numbers)) < count:
                    time.sleep(max(0.0, begin + number * seconds / count - time.perf_counter()))
                    kind = self._kinds[number % len(self._kinds)]
                    code = _code(kind, target)
                    with lock:
                        self.count += 1
                        if code != kind.code:
                            self.wrong[f"{kind.name}: {code}"] += 1

        _run([threading.Thread(target=work) for _ in range(_HOSTILE_THREADS)])


def _code(kind, target):
    try:
        return kind.send(target)
    except Exception as error:
        return repr(error)


def _alone(server, sent):
    """(most processor seconds of a kind, its name, what was answered wrongly)."""
    most, wrong = (0.0, ""), Counter()
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server.address, options) as channel:
        for kind in sent:
            before = server.processor_seconds()
            if (code := _code(kind, Target(server.rest, channel))) != kind.code:
                wrong[f"{kind.name}: {code}"] += 1
            most = max(most, (server.processor_seconds() - before, kind.name))
    return *most, wrong


def main() -> int:
    """Abuses a server, and prints what honest clients, processor and memory showed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--saved-model", type=Path, required=True, help="folder of the versions")
    parser.add_argument("--minutes", type=float, default=10.0, help="of abuse")
    parser.add_argument("--any-latency", action="store_true", help="where others use the machine")
    arguments = parser.parse_args()
    if not arguments.saved_model.is_dir():
        parser.error(f"--saved-model: there is no folder {arguments.saved_model}.")
    seconds, sent, memory = arguments.minutes * 60, kinds(), []
    # Honest clients are a process of their own, which hostile ones don't hold up.
    spawn = multiprocessing.get_context("spawn")
    with ServerProcess(arguments.saved_model) as server, ProcessPoolExecutor(1, spawn) as processes:

        def ask(seconds):
            return processes.submit(Honest, server.address, server.rest, seconds)

        ask(2).result()  # what is compiled or cached at first
        most_costly, name, wrong = _alone(server, sent)
        alone, hostile = ask(seconds / 5).result(), Hostile(server, sent)
        start, count = server.resident_mebibytes(), round(_HOSTILE_A_MINUTE * arguments.minutes)
        sending = threading.Thread(target=hostile.send, args=(count, seconds))
        with SlowConnections(server.address, server.rest, _SLOW) as slow:
            sending.start()
            asking = ask(seconds)
            while sending.is_alive() or not asking.done():
                memory.append(server.resident_mebibytes())
                time.sleep(0.5)
            beside = asking.result()
    growth, errors = max(memory) - start, alone.errors + beside.errors
    wrong += hostile.wrong
    ratio = beside.p99() / alone.p99()
    print("| | pictures/s | p99, ms | errors |\n|---|---|---|---|")
    for title, honest in (("alone", alone), ("abused", beside)):
        rate, p99 = len(honest.times) / honest.seconds, 1000 * honest.p99()
        print(f"| {title} | {rate:.0f} | {p99:.0f} | {len(honest.errors)} |")
    print(f"\nHostile requests: {hostile.count} of {len(sent)} kinds; wrongly answered: ", end="")
    print(f"{sum(wrong.values())}. {dict(wrong.most_common(9)) or ''}".rstrip())
    print(f"The most costly, {name!r}: {most_costly:.2f} s of processor time.")
    print(f"Slow connections: {slow.open} at a time, {slow.closed} ended by the server, ", end="")
    print(f"{slow.refused} could not be opened.")
    print(f"Memory: {start:.0f} MiB, at most {growth:+.0f} MiB. p99: {ratio:.1f} times as long.")
    for error, times in Counter(errors).most_common(5):
        print(f"{times} × {error}", file=sys.stderr)
    costly = most_costly > _MOST_SECONDS or growth > _MOST_MEBIBYTES
    failed = errors or wrong or slow.refused or costly
    return 1 if failed or (ratio > _MOST_RATIO and not arguments.any_latency) else 0


if __name__ == "__main__":
    sys.exit(main())
