"""Clients that ask a server of `plain_model` without pause, while something happens to it."""

import contextlib
import http.client
import itertools
import json
import threading
from urllib.parse import urlsplit

import grpc
from requests_and_answers import doubled, eventually, numbers
from tensorflow_serving.apis import prediction_service_pb2_grpc

CLIENTS = 32
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


class Crowd:
    """32 clients; each ends at its first error.

    Args: ways: context managers that give a function of a number, which asks, checks the answer,
        and returns what is to be kept; the clients take them in turn.
    """

    def __init__(self, *ways):
        self.answers, self.errors = [], []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(way,), daemon=True)
            for way, _ in zip(itertools.cycle(ways), range(CLIENTS))
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.go_on()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, way):
        try:
            with way() as ask:
                for number in itertools.count():
                    if self._stop.is_set():
                        return
                    self.answers.append(ask(number))
        except Exception as error:
            self.errors.append(error)

    def go_on(self, count=200):
        """Waits for more answers, or for an error."""
        seen = len(self.answers)
        eventually(lambda: self.errors or len(self.answers) >= seen + count)

    def are_gone(self):
        """Whether all clients have ended."""
        return not any(thread.is_alive() for thread in self._threads)


def by_grpc(server):
    """Asks over one connection; keeps the version that answered."""

    @contextlib.contextmanager
    def way():
        with grpc.insecure_channel(server.address, OWN_CONNECTION) as channel:
            predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict

            def ask(number):
                response = predict(numbers(number), timeout=60)
                assert doubled(response) == [2 * number]
                return response.model_spec.version.value

            yield ask

    return way


def by_rest(server):
    """Asks over one connection; keeps None."""

    @contextlib.contextmanager
    def way():
        connection = http.client.HTTPConnection(urlsplit(server.root).netloc, timeout=60)

        def ask(number):
            body = json.dumps({"instances": [number]})
            connection.request("POST", "/v1/models/dmgan:predict", body)
            answer = json.load(connection.getresponse())
            assert answer == {"predictions": [2 * number]}, answer

        with contextlib.closing(connection):
            yield ask

    return way
