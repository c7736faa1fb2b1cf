"""Whole runs as processes: killed, stopped, resumed, out of disk."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from processes import assert_bit_identical, command, run, start, wait_for, wait_for_step_2, weights

pytestmark = pytest.mark.slow


def test_killed_and_resumed_run_ends_bit_identical(straight, encoders, tmp_path):
    # One checkpoint after step 3 of a run too long to end by itself before the kill.
    process = start(command(tmp_path / "run", encoders))
    wait_for(tmp_path / "run/checkpoints/step_00000003", process)
    process.kill()
    process.communicate()
    assert not (tmp_path / "run/checkpoints/step_00000006").exists()
    # The run knows its config.
    resume = "--resume", "--run-dir", str(tmp_path / "run")
    code, _, err = run([sys.executable, "-m", "dmgan_tf.train", *resume])
    assert code == 0, err
    assert "going on after step 3 of 6" in err
    assert_bit_identical(weights(straight), weights(tmp_path / "run"))


@pytest.mark.parametrize("group", [1, 2])
def test_killed_pretraining_ends_bit_identical(group, encoders, tmp_path):
    settings = ["damsm.directory=null", "training.checkpoint_every_steps=1"]
    straight = encoders.parent
    if group > 1:
        settings += [f"data.images_per_class={group}", f"damsm.pictures_per_class={group}"]
        straight = tmp_path / "straight"
        code, _, err = run(command(straight, "null", *settings, module="pretrain_damsm"))
        assert code == 0, err
    line = command(tmp_path / "run", "null", *settings, module="pretrain_damsm")
    process = start(line)
    wait_for(tmp_path / "run/checkpoints/step_00000001", process)
    process.kill()
    process.communicate()
    code, _, err = run([*line, "--resume"])
    assert code == 0, err
    for name in ("text_encoder", "image_encoder"):
        there, here = weights(straight, name), weights(tmp_path / "run", name)
        assert_bit_identical(there, here)


def test_damaged_checkpoint_is_passed_over_on_resume(straight, encoders, tmp_path):
    copy = shutil.copytree(straight, tmp_path / "run")
    data = copy / "checkpoints/step_00000006/variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    code, _, err = run(command(copy, encoders, resume=True))
    assert code == 0, err
    assert "step_00000006 is damaged" in err
    assert_bit_identical(weights(straight), weights(copy))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_saves_before_it_stops(encoders, tmp_path, number):
    many = ["training.steps=100000", "training.checkpoint_every_steps=100000"]
    process = start(command(tmp_path / "run", encoders, *many))
    wait_for(tmp_path / "run/tensorboard", process)
    wait_for_step_2(tmp_path / "run", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    assert "go on with --resume" in out
    (saved,) = (tmp_path / "run/checkpoints").iterdir()
    assert json.loads((saved / "state.json").read_text())["step"] >= 2


def test_loss_that_is_not_finite_stops_the_run(encoders, tmp_path):
    steps = ["training.steps=40", "training.checkpoint_every_steps=10"]
    rate = ["training.generator_learning_rate=1e30"]
    code, _, err = run(command(tmp_path / "run", encoders, *steps, *rate))
    assert code == 2
    assert "error: Step " in err and "became nan" in err
    assert "Last good checkpoint: none yet" in err
    assert "Traceback" not in err


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_full_disk_is_told_and_leaves_the_last_checkpoint_whole(encoders, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        many = ["training.steps=60", "training.keep_checkpoints=50"]
        code, _, err = run(command(disk / "run", encoders, *many))
        assert code == 2, err
        assert "The disk is full" in err
        assert "Traceback" not in err
        saved = list((disk / "run/checkpoints").iterdir())
        assert saved and not [path for path in saved if path.suffix == ".partial"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
