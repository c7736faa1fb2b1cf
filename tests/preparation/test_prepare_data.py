"""`python -m dmgan_tf.prepare_data` as a user meets it, and training from what it made."""

import json
import pickle
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from command_lines import ROOT, TINY, call, environment, fail, refuse, run, succeed
from small_pictures import COLORS, save_picture
from small_samples import samples, write_parquet, write_tar, write_tfrecord

from dmgan_tf import build, prepare_data
from dmgan_tf.config_file import load_config
from dmgan_tf.data.pipeline import training_dataset
from dmgan_tf.preparation.plan import FEWEST_TEST_PICTURES, few_test_pictures
from dmgan_tf.preparation.sole_use import sole_use

# Enough pictures for a batch of four and for evaluation's shares.
PICTURES = 12


@pytest.fixture
def many(tmp_path):
    """Anybody's folder of a dozen pictures."""
    for i in range(PICTURES):
        color = list(COLORS)[i % len(COLORS)]
        save_picture(tmp_path / "many" / f"{i}.jpg", color)
        (tmp_path / "many" / f"{i}.txt").write_text(f"a {color} bird\nnumber {i % 3} is {color}\n")
    return tmp_path / "many"


def test_dry_run_tells_and_writes_nothing(many, tmp_path):
    out = tmp_path / "out"
    for i in range(6):
        (many / f"{i}.txt").unlink()
    with tarfile.open(tmp_path / "many.tgz", "w:gz") as tar:
        tar.add(many, "many")
    before = sorted(tmp_path.rglob("*"))
    for source in (many, tmp_path / "many.tgz"):
        process = run("prepare_data", "folder", source, "--out", out, "--dry-run")
        printed = process.stdout
        (warning,) = process.stderr.splitlines()
        assert warning.startswith("WARNING: Test pictures: 0. R-precision looks for a picture's")
        assert "train: " in printed and "vocabulary: " in printed and "size: about" in printed
        assert "left out so far, pictures and captions: 6\n  0.jpg: has no caption" in printed
        assert printed.rstrip().endswith("… and 1 more")
        assert sorted(tmp_path.rglob("*")) == before


def test_what_is_left_out_is_told_and_strict_stops(many, tmp_path):
    (many / "3.jpg").write_bytes(b"")
    (many / "5.txt").unlink()
    process = run("prepare_data", "folder", many, "--out", tmp_path / "out")
    printed = process.stdout
    (warning,) = (line for line in process.stderr.splitlines() if "WARNING" in line)
    assert warning.startswith("WARNING: Test pictures: 0. R-precision looks for a picture's")
    assert "left out: 2, each with its reason in" in printed
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {item["name"] for item in report["left_out"]} == {"3.jpg", "5.jpg"}
    line = fail("prepare_data", "folder", many, "--out", tmp_path / "strict", "--strict")
    assert line.startswith("error: 5.jpg: has no caption: there is no 5.txt")
    assert not (tmp_path / "strict").exists()


def test_strict_minds_no_sample_that_was_to_be_left_out(tmp_path):
    found = samples(tmp_path, 9)
    found.append(("9", found[0][1], found[0][2] | {"key": "9"}))
    options = ("webdataset", write_tar(tmp_path / "0.tar", found), "--strict", "--deduplicate")
    options += ("--language", "en", "--min-similarity", 0, "--test-share", 0, "--processes", 1)
    call("prepare_data", *options, "--out", tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert not report["left_out"]
    assert len(report["excluded"]) == 5


def test_a_hundred_test_pictures_are_enough():
    assert not few_test_pictures(["train", *["test"] * FEWEST_TEST_PICTURES])
    told = few_test_pictures(["train", *["test"] * (FEWEST_TEST_PICTURES - 1)])
    assert told.startswith("Test pictures: 99. ")


def test_mistakes_are_one_line(many, tmp_path):
    out = tmp_path / "out"
    line = fail("prepare_data", "folder", tmp_path / "absent", "--out", out)
    assert "absent: there is no such file or folder" in line
    line = fail("prepare_data", "folder", many, "--out", many)
    assert "is there already: name another --out" in line
    line = fail("prepare_data", "cub", many, "--out", out)
    assert "is no CUB-200-2011" in line
    process = run("prepare_data", "folder", many, "--out", out, "--download")
    assert process.returncode == 2
    assert "--download knows cub and coco, not folder" in process.stderr.splitlines()[-1]
    process = run("prepare_data", "coco", many, "--out", out, "--split", "class")
    assert "--split is of no use with coco, only folder" in process.stderr.splitlines()[-1]
    line = fail("prepare_data", "folder", many, "--out", many / "0.jpg" / "out")
    assert "0.jpg is no folder that can be written to" in line
    line = fail("prepare_data", "cub", many / "0.jpg", "--out", out, "--download")
    assert "is a file: --download fetches into the folder" in line
    with tarfile.open(tmp_path / "many.tgz", "w:gz") as tar:
        tar.add(many, "many")
    before = sorted(tmp_path.rglob("*"))
    fail("prepare_data", "cub", tmp_path / "many.tgz", "--out", out)
    assert sorted(tmp_path.rglob("*")) == before  # what was unpacked is gone
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("parquet", "--similarity-key", "clip"), "no use without --min-similarity."),
        (("parquet", "--language-key", "lang"), "no use without --language."),
        (("parquet", "--min-similarity", "nan"), "--min-similarity must be a number."),
        (("parquet", "--captions", "texts"), "--captions is of no use with parquet, only cub, "),
        (("parquet", "--merge", "2", "--processes", "2"), "--processes is of no use with --merge"),
        (("coco", "--shard", "0/2", "--download"), "--shard can't --download, as all shares "),
    ],
)
def test_options_that_would_do_nothing_are_refused(options, message, monkeypatch, capsys):
    source, *rest = options
    monkeypatch.setattr(sys, "argv", ["", source, "data", "--out", "out", *rest])
    with pytest.raises(SystemExit) as caught:
        prepare_data.parse_arguments()
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_run_that_comes_second_removes_nothing_of_the_first(many, tmp_path):
    out, archive = tmp_path / "out", tmp_path / "many.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(many, "many")
    work = prepare_data._work_folder(out, archive, None)
    (work / "pictures.partial").mkdir(parents=True)
    with sole_use(work):
        line = fail("prepare_data", "folder", archive, "--out", out)
    assert line == f"error: {work}: another run is writing there. Try again when it is done."
    assert (work / "pictures.partial").is_dir()


def children(process):
    """Numbers of the processes that it has begun."""
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


@pytest.mark.slow
def test_killed_and_started_again_ends_as_without(tmp_path):
    folder = tmp_path / "many"
    for i in range(1500):  # three shards
        save_picture(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text("a red bird\n")
    options = "folder", folder, "--test-share", "0", "--processes", "1"
    succeed("prepare_data", *options, "--out", tmp_path / "straight")
    line = [sys.executable, "-m", "dmgan_tf.prepare_data", *options, "--out", tmp_path / "out"]
    with subprocess.Popen(list(map(str, line)), cwd=ROOT, env=environment()) as process:
        while not list((tmp_path / "out.partial").glob("*.tfrecord")) and process.poll() is None:
            time.sleep(0.02)
        workers = children(process.pid)
        process.kill()
    assert not (tmp_path / "out").exists()
    end = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < end, "workers live on"
        time.sleep(0.1)
    first = next((tmp_path / "out.partial").glob("*.tfrecord"))
    stamp = first.stat().st_mtime_ns
    succeed("prepare_data", *options, "--out", tmp_path / "out")
    assert (tmp_path / "out" / first.name).stat().st_mtime_ns == stamp
    for path in (tmp_path / "straight").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


# --- through training ---------------------------------------------------------------------------


def lay_out_attngan(root):
    words = ("<end>", "a", "bird", "red", "blue", "green", "white")
    encoded = [[[1, 3 + i % 4, 2] for i in range(PICTURES)], [[1, 3, 2]] * 2]
    for split, count in (("train", PICTURES), ("test", 2)):
        names = [f"{split}/{i}" for i in range(count)]
        for i, name in enumerate(names):
            save_picture(root / "images" / f"{name}.jpg", list(COLORS)[i % 4])
        (root / split).mkdir(parents=True, exist_ok=True)
        (root / split / "filenames.pickle").write_bytes(pickle.dumps(names, 0))
    content = [*encoded, dict(enumerate(words)), {w: i for i, w in enumerate(words)}]
    (root / "captions.pickle").write_bytes(pickle.dumps(content, 2))
    return root


@pytest.fixture
def sources(many, cub_folder, coco_folder, tmp_path):
    """Path by the name of each source, with enough pictures to train."""
    pytest.importorskip("emoji")
    pytest.importorskip("pyarrow")
    for i in range(6):  # more birds of a training class
        stem = f"002.Crow/Crow_9{i}"
        save_picture(cub_folder / "CUB_200_2011" / "images" / f"{stem}.jpg")
        (cub_folder / "text_c10" / f"{stem}.txt").write_text("a red bird number 1\n" * 10)
        for name, line in (("images", f"{stem}.jpg"), ("bounding_boxes", "5 5 20 20")):
            with (cub_folder / "CUB_200_2011" / f"{name}.txt").open("a") as file:
                file.write(f"9{i} {line}\n")
    for code in ("1f347", "1f348", "1f349", "1f34a", "1f34b", "1f34c"):
        save_picture(tmp_path / "emoji" / f"{code}.webp")
    shutil.copytree(coco_folder, tmp_path / "coco_source")
    found = samples(tmp_path, PICTURES)
    return {
        "folder": many,
        "cub": cub_folder,
        "coco": coco_folder,
        "attngan": lay_out_attngan(tmp_path / "birds"),
        "webdataset": write_tar(tmp_path / "0.tar", found),
        "parquet": write_parquet(tmp_path / "0.parquet", found),
        "tfrecord": write_tfrecord(tmp_path / "0.tfrecord", found),
        "fluent-emoji": tmp_path / "emoji",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    ["cub", "coco", "attngan", "folder", "webdataset", "parquet", "tfrecord", "fluent-emoji"],
)
def test_every_source_gives_batches(sources, source, tmp_path):
    out = tmp_path / "prepared"
    succeed("prepare_data", source, sources[source], "--out", out)
    settings = [f"data.directory={out}", "data.source=prepared", "damsm.pictures_per_class=1"]
    config = load_config(TINY[1], settings)
    pictures = build.pictures(config, "train")
    vocabulary = build.vocabulary(config, pictures)
    assert list(vocabulary.words) == json.loads((out / "vocabulary.json").read_text())["words"]
    options = build.pipeline_options(config)
    batch = next(iter(training_dataset(pictures, vocabulary, options, batch_size=2)))
    assert [tuple(images.shape) for images in batch["images"]] == [(2, 8, 8, 3), (2, 16, 16, 3)]
    assert np.all(batch["lengths"] >= 1)


@pytest.mark.slow
def test_own_pictures_are_trained_with_by_their_config(many, tmp_path):
    out, run_folder = tmp_path / "prepared", tmp_path / "run"
    succeed("prepare_data", "folder", many, "--out", out)
    settings = {
        "data.directory": out,
        "generator.feature_channels": 4,
        "generator.memory_channels": 8,
        "discriminator.base_width": 4,
        "training.steps": 2,
        "training.batch_size": 2,
        "training.evaluation_images": 2,
        "training.sample_every_steps": 2,
        "damsm.steps": 2,
        "damsm.batch_size": 2,
    }
    options = [o for key, value in settings.items() for o in ("--set", f"{key}={value}")]
    succeed("train", "--config", "own_pictures.yaml", *options, "--run-dir", run_folder)
    words = json.loads((run_folder / "model" / "vocabulary.json").read_text())["words"]
    assert words == json.loads((out / "vocabulary.json").read_text())["words"]
    assert list((run_folder / "samples").glob("*.png"))


def test_nothing_of_anybodys_is_removed(many, tmp_path):
    source = many.rename(tmp_path / "out.unpacked")
    (tmp_path / "other.partial").mkdir()
    (tmp_path / "other.partial" / "mine.txt").write_text("precious")
    line = refuse("prepare_data", "folder", source, "--out", tmp_path / "other")
    assert "was not begun by this program" in line
    assert (tmp_path / "other.partial" / "mine.txt").read_text() == "precious"
    call("prepare_data", "folder", source, "--out", tmp_path / "out", "--processes", 1)
    assert len(list(source.glob("*.jpg"))) == PICTURES
