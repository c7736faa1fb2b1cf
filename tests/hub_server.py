"""The part of the Hugging Face Hub's API that huggingface_hub uses here: a real HTTP server.

As there, large files (`*.safetensors`) go by Git LFS: they are uploaded apart from the commit, come
from another address, and have their SHA-256 as ETag, where other files have Git's hash.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_token_of_the_test"
_MODEL = r"/api/models/(?P<name>[^/]+/[^/]+)"


class HubServer:
    """Repositories of commits, each the bytes of its files by their paths.

    Attributes: url. requests: "METHOD /path" of what was asked. served: what is sent instead of a
        file's content, by its path, as from a disk that damages it. large: the contents of large
        files, by their SHA-256.
    """

    def __init__(self):
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.branches: dict[str, dict[str, str]] = {}
        self.requests: list[str] = []
        self.served: dict[str, bytes] = {}
        self.large: dict[str, bytes] = {}
        self.connections: list[socket.socket] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        # Of large files: another host, to which no token may go.
        self.storage = f"http://localhost:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self):
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            for connection in self.connections:  # that are kept alive
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._thread.join()

    def create(self, name):
        self.repositories[name], self.branches[name] = {}, {}
        return self.commit(name, {".gitattributes": b"*.safetensors filter=lfs\n"})

    def commit(self, name, files, branch="main"):
        """Its hash."""
        content = repr(
            [(len(self.repositories[name]), path, files[path]) for path in sorted(files)]
        )
        sha = hashlib.sha1(content.encode()).hexdigest()
        self.repositories[name][sha] = dict(files)
        self.large |= {_etag(p, content): content for p, content in files.items() if _is_large(p)}
        self.branches[name][branch] = sha
        return sha

    def files(self, name, revision="main"):
        """(hash, files), or None."""
        sha = self.branches[name].get(revision, revision)
        return (sha, self.repositories[name][sha]) if sha in self.repositories[name] else None

    def downloads(self):
        """The files whose content was sent."""
        found = (re.match("GET .*/(?:resolve|large)/[^/]+/(.+)", r) for r in self.requests)
        return [match[1] for match in found if match]


def _handler(hub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            super().setup()
            hub.connections.append(self.connection)

        def log_message(self, *arguments):
            pass

        def do_HEAD(self):
            self._answer()

        def do_GET(self):
            self._answer()

        def do_POST(self):
            self._body = self._read()
            self._answer()

        def do_PUT(self):
            self._body = self._read()
            self._answer()

        def _read(self):
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _answer(self):
            path = unquote(urlsplit(self.path).path)
            hub.requests.append(f"{self.command} {path}")
            for pattern, method in (
                (f"{_MODEL}(?:/revision/(?P<revision>.+))?", self._info),
                (f"{_MODEL}/tree/(?P<revision>[^/]+)", self._tree),
                ("/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)", self._resolve),
                ("/large/(?P<oid>[^/]+)/(?P<file>.+)", self._large),
                ("/(?P<name>[^/]+/[^/]+).git/info/lfs/objects/batch", self._batch),
                ("/large/(?P<oid>[^/]+)", self._upload),
                ("/verify", self._verify),
                (f"{_MODEL}/preupload/(?P<revision>.+)", self._preupload),
                (f"{_MODEL}/commit/(?P<revision>.+)", self._commit),
                ("/api/validate-yaml", self._validate),
                ("/api/repos/create", self._create),
            ):
                if match := re.fullmatch(pattern, path):
                    return method(**match.groupdict())
            return self._send(404, {"error": f"{path} is not spoken here"})

        def _send(self, status, content, **headers):
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _found(self, name, revision):
            if name not in hub.repositories:
                self._send(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            elif (found := hub.files(name, revision or "main")) is None:
                self._send(404, {"error": "Invalid rev"}, X_Error_Code="RevisionNotFound")
            else:
                return found
            return None

        def _may_write(self):
            if self.headers.get("Authorization") == f"Bearer {TOKEN}":
                return True
            self._send(401, {"error": "Invalid username or password."})
            return False

        def _info(self, name, revision):
            if found := self._found(name, revision):
                siblings = [{"rfilename": path} for path in found[1]]
                self._send(200, {"id": name, "sha": found[0], "siblings": siblings, "tags": []})

        def _tree(self, name, revision):
            if found := self._found(name, revision):
                self._send(200, [_entry(path, content) for path, content in found[1].items()])

        def _resolve(self, name, revision, file):
            if not (found := self._found(name, revision)):
                return
            sha, files = found
            if file not in files:
                self._send(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
                return
            content, etag = files[file], _etag(file, files[file])
            headers = {"ETag": f'"{etag}"', "X_Repo_Commit": sha}
            if _is_large(file):
                place = f"{hub.storage}/large/{etag}/{file}"
                linked = {"X_Linked_ETag": f'"{etag}"', "X_Linked_Size": str(len(content))}
                headers |= linked | {"ETag": '"of the address"', "Location": place}
                self._send(302, b"", **headers)
                return
            self._send(200, self._served(file, content), **headers)

        def _served(self, file, content):
            return hub.served.get(file, content) if self.command == "GET" else content

        def _large(self, oid, file):
            self._send(200, self._served(file, hub.large[oid]), ETag='"of the address"')

        def _batch(self, name):
            if self._may_write():
                asked = json.loads(self._body)["objects"]
                for item in (item for item in asked if item["oid"] not in hub.large):
                    upload = {"href": f"{hub.storage}/large/{item['oid']}"}
                    item["actions"] = {"upload": upload, "verify": {"href": f"{hub.url}/verify"}}
                self._send(200, {"transfer": "basic", "objects": asked})

        def _upload(self, oid):
            hub.large[oid] = self._body
            self._send(200, {})

        def _verify(self):
            if self._may_write():
                oid = json.loads(self._body)["oid"]
                is_whole = hashlib.sha256(hub.large[oid]).hexdigest() == oid
                self._send(200 if is_whole else 400, {})

        def _preupload(self, name, revision):
            if self._may_write() and self._found(name, revision):
                answers = [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if _is_large(file["path"]) else "regular",
                        "shouldIgnore": False,
                    }
                    for file in json.loads(self._body)["files"]
                ]
                self._send(200, {"files": answers})

        def _commit(self, name, revision):
            if not (self._may_write() and (found := self._found(name, revision))):
                return None
            files = dict(found[1])
            for line in self._body.splitlines():
                operation = json.loads(line)
                value = operation["value"]
                if operation["key"] == "file":
                    if _is_large(value["path"]):
                        return self._send(400, {"error": "large files go by LFS"})
                    files[value["path"]] = base64.b64decode(value["content"])
                elif operation["key"] == "lfsFile":
                    files[value["path"]] = hub.large[value["oid"]]
                elif operation["key"] == "deletedFile":
                    del files[value["path"]]
            sha = hub.commit(name, files, revision)
            return self._send(
                200, {"commitUrl": f"{hub.url}/{name}/commit/{sha}", "commitOid": sha}
            )

        def _validate(self):
            self._send(200, {"errors": [], "warnings": []})

        def _create(self):
            if self._may_write():
                asked = json.loads(self._body)
                name = f"{asked.get('organization') or 'somebody'}/{asked['name']}"
                if name in hub.repositories:
                    self._send(409, {"error": "You already created this model repo"})
                else:
                    hub.create(name)
                    self._send(200, {"url": f"{hub.url}/{name}", "name": name})

    return Handler


def _is_large(path):
    return path.endswith(".safetensors")


def _etag(path, content):
    if _is_large(path):
        return hashlib.sha256(content).hexdigest()
    return _git_hash(content)


def _git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(path, content):
    entry = {"type": "file", "path": path, "size": len(content), "oid": _git_hash(content)}
    if _is_large(path):  # in Git there is a pointer, whose size the client doesn't use
        entry["lfs"] = {"oid": _etag(path, content), "size": len(content), "pointerSize": 130}
    return entry
