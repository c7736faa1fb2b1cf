"""What a run says of the machine that it computes on."""

import logging

import pytest

from dmgan_tf import build
from dmgan_tf.errors import UserError
from dmgan_tf.training.devices import device_names, tell_devices


def told(caplog, side):
    with caplog.at_level(logging.INFO, "dmgan_tf"):
        tell_devices(side)
    return [record.getMessage() for record in caplog.records]


def test_a_machine_without_a_gpu_is_a_cpu(caplog):
    assert device_names() == ["CPU"]
    assert told(caplog, 64) == ["Computing on 1 × CPU."]


def test_a_card_that_is_not_used_is_warned_of(caplog, tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "pip install 'dmgan_tf[gpu]'" in told(caplog, 64)[1]


def test_pictures_too_large_for_a_cpu_are_warned_of(caplog):
    assert told(caplog, 256)[1].startswith("Pictures of 256 pixels take seconds a step on a CPU")


def test_xla_is_refused_where_replicas_would_gather():
    build.check_xla(True, 1)
    build.check_xla(False, 2)
    with pytest.raises(UserError, match="works with one replica. Received: 2"):
        build.check_xla(True, 2)
