"""An S3 server on loopback (moto) that a test may hold up; what it holds is gone with it."""

import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "bucket"


class S3Server:
    """Attributes: environment: variables with which s3fs finds it. written: paths of all PUTs.

    refused: what is written to paths with this text is answered 503.
    """

    def __init__(self):
        self.written: list[str] = []
        self._held: str | None = None
        self.refused: str | None = None
        self.waiting = threading.Event()
        self._go_on = threading.Event()
        self._application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
        }

    def hold(self, text):
        """What is written to paths with this text waits for `go_on`, and is refused then."""
        self.waiting.clear()
        self._go_on.clear()
        self._held = text

    def go_on(self):
        self._held = None
        self._go_on.set()

    def close(self):
        self.go_on()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ, start_response):
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "PUT":
            if self._held and self._held in path:
                self.waiting.set()
                self._go_on.wait(600)
                return _refuse(start_response)
            if self.refused and self.refused in path:
                return _refuse(start_response)
            self.written.append(path)
        return self._application(environ, start_response)


def _refuse(start_response):
    start_response("503 Service Unavailable", [("Content-Length", "0")])
    return []
