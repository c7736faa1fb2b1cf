"""A real server on the loopback interface, and how to speak to it."""

import contextlib
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from command_lines import ROOT, environment

SERVING = ROOT / "serving"


@dataclass
class Server:
    process: subprocess.Popen
    address: str
    root: str
    log: Path

    @property
    def rest(self):
        return f"{self.root}/v1/models"

    def stop(self):
        """Tells it to end, and waits; its exit code."""
        self.process.terminate()
        return self.process.wait(60)


@contextlib.contextmanager
def serve(folder, log, *arguments):
    """A server of the model folder `folder`, named dmgan, on free ports; stopped at the end."""
    command = [sys.executable, "-m", "dmgan_tf.serving.server", "--model", f"dmgan={folder}"]
    command += ["--port", 0]
    command += ["--rest-port", 0, "--poll-seconds", 0.2, *arguments]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment(),
        )
    killer = threading.Timer(120, process.kill)
    killer.start()
    try:
        line = process.stdout.readline()
        killer.cancel()
        found = re.fullmatch(r"gRPC: (\S+)  REST: (\S+)\n", line)
        assert found, log.read_text()
        yield Server(process, found[1], f"http://{found[2]}", log)
    finally:
        killer.cancel()
        process.kill()
        process.wait()


def resident_mib(process):
    """Memory of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
