"""`python -m dmgan_tf.evaluate` through a network with classes."""

import json
import shutil

import pytest
import yaml
from command_lines import fail, succeed
from weights_files import write_lite0

NAME = "efficientnet-lite0"


@pytest.mark.slow
def test_all_scores_through_a_network_whose_file_was_named(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setenv("DMGAN_TF_CACHE", str(tmp_path / "cache"))
    common = "--model", tiny_run, "--features", NAME, "--metrics", "fid,kid,is", "--images", 20
    line = fail("evaluate", *common, "--out", tmp_path / "e.json", "--subset-size", 10)
    assert f"{NAME}: no efficientnet-lite0-57934424.pth in {tmp_path / 'cache'}" in line
    weights = write_lite0(tmp_path / "lite0.pth")
    printed = succeed(
        *("evaluate", *common, "--subset-size", 10, "--out", tmp_path / "e.json"),
        *("--weights", f"{NAME}={weights}"),
    )
    report = json.loads((tmp_path / "e.json").read_text())
    assert list(report["protocol"])[:3] == [f"fid_{NAME}", f"kid_{NAME}", f"is_{NAME}"]
    assert 1 <= report[f"is_{NAME}"] <= 1000
    assert report[f"fid_{NAME}"] > 0
    assert not report["protocol"][f"is_{NAME}"]["comparable_with_published"]
    assert "Pillow's bilinear resize" in report["protocol"][f"fid_{NAME}"]["input"]
    assert "judge" not in report and f"is_{NAME}" in printed
    assert "the score may be too good" not in printed


@pytest.mark.slow
def test_a_network_that_trained_the_model_is_told_to_be_no_judge(tiny_run, tmp_path):
    model = shutil.copytree(tiny_run / "model", tmp_path / "model")
    (model / "image_encoder.weights.h5").unlink()  # as the preset `emoji`, which leaves it out
    metadata = json.loads((model / "metadata.json").read_text())
    del metadata["networks"]["image_encoder"]
    (model / "metadata.json").write_text(json.dumps(metadata))
    config = yaml.safe_load((model / "config.yaml").read_text())
    config["image_encoder"] = {"kind": "efficientnet_lite0"}
    (model / "config.yaml").write_text(yaml.safe_dump(config))
    printed = succeed(
        *("evaluate", "--model", model, "--features", NAME, "--metrics", "fid", "--images", 20),
        *("--weights", f"{NAME}={write_lite0(tmp_path / 'lite0.pth')}"),
        *("--out", tmp_path / "e.json"),
    )
    told = "the model's training used an image encoder on the same network (`efficientnet_lite0`)"
    assert f"fid_{NAME}: {told}" in printed
    (note,) = json.loads((tmp_path / "e.json").read_text())["protocol"][f"fid_{NAME}"]["notes"]
    assert note.startswith(told) and note.endswith("the score may be too good")
