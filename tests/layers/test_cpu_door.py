"""The one door to what exists for CPUs alone."""

import ast

import numpy as np
import pytest
import tensorflow as tf
from command_lines import ROOT

from dmgan_tf.layers import cpu
from dmgan_tf.layers.cpu import large_batch_norm, winograd

KERNEL = np.zeros((3, 3, 64, 64), "float32")
LARGE, SMALL = np.zeros((4, 96, 96, 1), "float32"), np.zeros((2, 8, 8, 1), "float32")


def answers():
    kernel = tf.constant(KERNEL)
    plain, upsampled = (cpu.convolution((32, 32), kernel, up) for up in (False, True))
    return plain, upsampled, cpu.batch_norm(tf.constant(LARGE))


def test_one_cpu_has_what_suits_it():
    assert answers() == (winograd.PLAIN, winograd.UPSAMPLED, large_batch_norm.normalise)
    assert cpu.batch_norm(tf.constant(SMALL)) is None
    assert cpu.convolution((2, 2), tf.constant(KERNEL)) is None


def test_several_replicas_have_nothing(strategy):
    with strategy.scope():
        assert answers() == (None, None, None)


def test_a_gpu_has_nothing(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    assert answers() == (None, None, None)


@pytest.mark.parametrize("path", sorted((ROOT / "dmgan_tf").rglob("*.py")), ids=lambda p: p.stem)
def test_nobody_goes_past_the_door(path):
    if path.parent.name == "cpu":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("dmgan_tf.layers.cpu")
