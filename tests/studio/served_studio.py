"""A folder of the studio behind a real server."""

import contextlib
import threading
from pathlib import Path

from dmgan_tf.studio.static_server import make_server

_SECONDS = 60


@contextlib.contextmanager
def served(directory: Path):
    """The address of a server of a folder."""
    server = make_server(directory, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(_SECONDS)
