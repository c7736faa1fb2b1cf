"""`dmgan serve` as a process of its own, which benchmarks measure."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


class ServerProcess:
    """A server on free ports, until the end of the `with` block.

    Args: saved_model: folder of the versions of the model `dmgan`. options: of `dmgan serve`.
    Attributes: address: of gRPC, host:port. rest: of REST, http://host:port.
    Raises: SystemExit: with the server's last line, where it doesn't start.
    """

    def __init__(self, saved_model: Path, *options: str):
        self._command = [sys.executable, "-m", "dmgan_tf.serving.server", "--model"]
        self._command += [f"dmgan={saved_model}", "--port", "0", "--rest-port", "0", *options]

    def __enter__(self):
        self._log = tempfile.TemporaryFile("w+")  # closed by __exit__
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        line = self._process.stdout.readline()
        if not (found := re.match(r"gRPC: (\S+)  REST: (\S+)", line)):
            self._process.wait(60)
            self._log.seek(0)
            said = self._log.read().splitlines() or ["nothing"]
            self.__exit__()
            sys.exit(f"`dmgan serve` did not start: {said[-1]}")
        self.address, self.rest = found[1], f"http://{found[2]}"
        return self

    def __exit__(self, *exception):
        self._process.terminate()
        self._process.wait(60)
        self._log.close()

    def processor_seconds(self) -> float:
        """What it has used since its start."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mebibytes(self) -> float:
        """Its memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
