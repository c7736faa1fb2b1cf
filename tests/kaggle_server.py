"""The part of Kaggle's API that kagglehub uses to load models: a real HTTP server.

kagglehub's address can't be a port of choice (KAGGLE_API_ENVIRONMENT=LOCALHOST is http://localhost),
so it asks this server as its proxy.
"""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

_SERVICE = "/api/v1/models.ModelApiService/"
_HANDLE = ("ownerSlug", "modelSlug", "framework", "instanceSlug")


class KaggleServer:
    """Models of versions, each the bytes of its files by their names.

    Attributes: url. models: user/model/FRAMEWORK/variation → versions, the first is 1. requests:
        what was asked. served: what is sent instead of a file's content, by its name, as from a
        disk that damages it. private: names of models that nobody may see.
    """

    def __init__(self):
        self.models: dict[str, list[dict[str, bytes]]] = {}
        self.requests: list[str] = []
        self.served: dict[str, bytes] = {}
        self.private: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self):
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def downloads(self):
        """The files whose content was sent."""
        return [r.partition(" ")[2] for r in self.requests if r.startswith("content ")]


def _handler(kaggle):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            method = urlsplit(self.path).path.removeprefix(_SERVICE)
            name = "/".join(str(asked[key]) for key in _HANDLE)
            kaggle.requests.append(f"{method} {asked.get('path', '')}".strip())
            if name in kaggle.private:
                self._send(403, {"code": 403, "message": "Permission denied"})
            elif name not in kaggle.models:
                self._send(404, {"code": 404, "message": "Not found"})
            elif method == "GetModelInstance":
                self._send(200, {"versionNumber": len(kaggle.models[name])})
            elif method == "DownloadModelInstanceVersion":
                self._redirect(name, asked["versionNumber"], asked["path"])
            else:
                self._send(404, {"code": 404, "message": f"{method} is not spoken here"})

        def _redirect(self, name, version, path):
            versions = kaggle.models[name]
            if version > len(versions) or path not in versions[version - 1]:
                return self._send(404, {"code": 404, "message": "Not found"})
            query = urlencode({"name": name, "version": version, "path": path})
            return self._send(302, {}, Location=f"http://localhost/content?{query}")

        def do_GET(self):
            query = {key: value[0] for key, value in parse_qs(urlsplit(self.path).query).items()}
            path = query["path"]
            content = kaggle.models[query["name"]][int(query["version"]) - 1][path]
            digest = base64.b64encode(hashlib.md5(content).digest()).decode()
            kaggle.requests.append(f"content {path}")
            headers = {"x-goog-hash": f"md5={digest}", "Accept-Ranges": "bytes"}
            self._send(200, kaggle.served.get(path, content), **headers)

        def _send(self, status, content, **headers):
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            kind = "octet-stream" if isinstance(content, bytes) else "json"
            self.send_header("Content-Type", f"application/{kind}")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
