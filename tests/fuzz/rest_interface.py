"""The REST interface of a real server, held by `schemathesis` to its own description.

python tests/fuzz/rest_interface.py [--seconds 60] [--out runs/fuzz/rest_interface]
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

from command_lines import succeed
from running_server import serve

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz/rest_interface"))
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        models = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "dmgan"
        succeed("export", "saved-model", "--model", "toy_birds", "--out", models)
        log = out / "server.log"
        server = stack.enter_context(serve(models, log, "--label", "dmgan/stable=1"))
        command = [str(Path(sys.executable).parent / "schemathesis"), "run"]
        command += [f"{server.root}/openapi.json", "--max-time", str(arguments.seconds)]
        command += ["--checks", ",".join(CHECKS), "--continue-on-failure"]
        command += ["--report", "junit", "--report-dir", str(out)]
        code = subprocess.run(command, cwd=out, check=False).returncode
        alive = server.process.poll() is None
    print("The server goes on." if alive else f"The server has ended: see {log}.")
    return code if alive else 1


if __name__ == "__main__":
    sys.exit(main())
