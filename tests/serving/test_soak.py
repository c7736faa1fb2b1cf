"""The abuse test of `make soak`, for a minute: honest clients beside hostile ones and slow ones."""

import re
import subprocess
import sys

import pytest
from command_lines import ROOT, environment


@pytest.mark.slow
def test_honest_clients_go_on_beside_forty_kinds_of_hostile_requests(exported):
    command = [sys.executable, "benchmarks/soak.py", "--saved-model", exported]
    command += ["--minutes", "0.7", "--any-latency"]
    found = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Hostile requests: 700 of 40 kinds; wrongly answered: 0." in found.stdout
    assert len(re.findall(r"\| \d+ \| \d+ \| 0 \|", found.stdout)) == 2
    (ended,) = re.findall(r"Slow connections: 200 at a time, (\d+) ended.*, 0 could", found.stdout)
    assert int(ended) > 100
