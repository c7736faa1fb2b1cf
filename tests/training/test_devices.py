"""What a run says of the machine that it computes on."""

import logging
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command_lines import ROOT

from dmgan_tf import build
from dmgan_tf.errors import UserError
from dmgan_tf.training.devices import device_names, tell_devices


def told(caplog, side, mixed_precision="off", cpuinfo=Path("nowhere")):
    with caplog.at_level(logging.INFO, "dmgan_tf"):
        tell_devices(side, mixed_precision, cpuinfo)
    return [record.getMessage() for record in caplog.records]


def test_a_machine_without_a_gpu_is_a_cpu(caplog):
    assert device_names() == ["CPU"]
    assert told(caplog, 64) == ["Computing on 1 × CPU."]


def test_a_card_that_is_not_used_is_warned_of(caplog, tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "pip install 'dmgan_tf[gpu]'" in told(caplog, 64)[1]


@pytest.mark.parametrize("target", ["test-gpu", "gpu-report"])
def test_what_measures_a_card_ends_with_2_before_it_installs_anything(target, tmp_path):
    failing = tmp_path / "nvidia-smi"  # as where there is a driver and no card
    failing.symlink_to(shutil.which("false"))
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.run(
        ["make", "--no-print-directory", target, f"GPU_VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr.startswith("error: no NVIDIA GPU here: nvidia-smi finds none.\n")
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("flags", "side", "mixed_precision", "is_told"),
    [
        ("avx2 avx512f avx512_bf16", 256, "off", True),
        ("avx2 amx_tile amx_bf16", 256, "off", True),
        ("avx2 amx_tile amx_bf16", 64, "off", False),
        ("avx2 amx_bf16", 256, "bfloat16", False),
        ("avx2 amx_bf16", 256, "float16", False),
        ("avx2 avx512f avx512_vnni", 256, "off", False),
    ],
)
def test_bfloat16_that_is_not_used_is_told_in_one_line(
    caplog, tmp_path, flags, side, mixed_precision, is_told
):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\nbugs\t\t:\n")
    lines = told(caplog, side, mixed_precision, cpuinfo)
    assert [line.partition(": --set ")[2] for line in lines if ": --set " in line] == (
        ["training.mixed_precision=bfloat16."] if is_told else []
    )


def test_pictures_too_large_for_a_cpu_are_warned_of(caplog):
    assert told(caplog, 256)[1].startswith("Pictures of 256 pixels take seconds a step on a CPU")


def test_xla_is_refused_where_replicas_would_gather():
    build.check_xla(True, 1)
    build.check_xla(False, 2)
    with pytest.raises(UserError, match=r"works with one replica\. Received: 2"):
        build.check_xla(True, 2)
