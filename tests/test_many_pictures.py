"""`dmgan generate --out-dir`: parts, whole or not there, the same however they are drawn."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from command_lines import environment, refuse, succeed
from PIL import Image

from dmgan_tf import many_pictures
from dmgan_tf.errors import UserError
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.many_pictures import Order, draw_many

WORDS = "red", "blue", "white", "black", "yellow"
CAPTIONS = [f"a {one} bird with {other} wings." for one in WORDS for other in WORDS]
SEEDS = range(7, 9)
COUNT = len(CAPTIONS) * len(SEEDS)
PART_SIZE = 12


@pytest.fixture(scope="module")
def artist(tiny_run):
    return TextToImage.from_preset(tiny_run)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(many_pictures, "PART_SIZE", PART_SIZE)


def draw(artist, out, shard=0, shards=1, **options):
    return draw_many(artist, "model", Order(CAPTIONS, SEEDS, shard, shards), out, **options)


def contents(folder):
    found = {p.relative_to(folder): p for p in folder.rglob("*") if p.is_file()}
    return {p: path.read_bytes() for p, path in found.items() if not p.parts[0].startswith(".")}


def test_every_picture_is_that_of_generate_and_is_named(artist, tmp_path):
    assert draw(artist, tmp_path / "out") == (5, 0)
    lines = [
        json.loads(line) | {"part": path.parent}
        for path in sorted((tmp_path / "out").glob("*/pictures.jsonl"))
        for line in path.read_text().splitlines()
    ]
    wanted = [(caption, seed) for caption in CAPTIONS for seed in SEEDS]
    assert [(line["caption"], line["seed"]) for line in lines] == wanted
    assert lines[3]["file"] == "000000003_a_red_bird_with_blue_wings_seed_8.png"
    found = np.stack([np.asarray(Image.open(line["part"] / line["file"])) for line in lines])
    drawn = artist.generate(*zip(*wanted, strict=True))
    assert np.abs(found.astype(int) - drawn).max() <= 1  # other batches, other rounding


@pytest.mark.parametrize("tar", [False, True])
def test_shards_write_the_same_bytes_as_one_machine(artist, tmp_path, tar):
    draw(artist, tmp_path / "one", tar=tar)
    parts = [draw(artist, tmp_path / "three", k, 3, tar=tar) for k in (2, 0, 1)]
    assert parts == [(1, 0), (2, 0), (2, 0)]
    assert contents(tmp_path / "one") == contents(tmp_path / "three")


def test_tars_hold_samples_of_picture_caption_and_seed(artist, tmp_path):
    draw(artist, tmp_path, tar=True)
    samples = []
    for path in sorted(tmp_path.glob("*.tar")):
        with tarfile.open(path) as archive:
            members = {m.name: archive.extractfile(m).read() for m in archive}
        for key in dict.fromkeys(name.partition(".")[0] for name in members):
            seed = json.loads(members[f"{key}.json"])["seed"]
            samples.append((members[f"{key}.txt"].decode(), seed))
            assert Image.open(io.BytesIO(members[f"{key}.png"])).size == (16, 16)
    assert samples == [(caption, seed) for caption in CAPTIONS for seed in SEEDS]


@pytest.mark.parametrize("tar", [False, True])
def test_jpeg_files_show_the_same_pictures(artist, tmp_path, tar):
    draw(artist, tmp_path, tar=tar, suffix="jpg")
    place = tmp_path / ("000000.tar" if tar else "000000")
    if tar:
        shutil.unpack_archive(place, place := tmp_path / "unpacked")
    files = sorted(place.glob("*.jpg"))
    assert len(files) == PART_SIZE and not list(place.glob("*.png"))
    found = [Image.open(path) for path in files]
    assert {picture.format for picture in found} == {"JPEG"}
    captions = [caption for caption in CAPTIONS for _ in SEEDS]
    drawn = artist.generate(captions[:PART_SIZE], (list(SEEDS) * COUNT)[:PART_SIZE])
    errors = np.stack([np.asarray(picture) for picture in found]).astype(int) - drawn
    assert np.abs(errors).mean() < 4
    with pytest.raises(UserError, match="begun with other format"):
        draw(artist, tmp_path, tar=tar)


def test_only_missing_parts_are_drawn(artist, tmp_path):
    draw(artist, tmp_path)
    before = contents(tmp_path)
    for path in (tmp_path / "000002").iterdir():
        path.unlink()
    (tmp_path / "000002").rmdir()
    assert draw(artist, tmp_path) == (1, 4)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("tar", [False, True])
def test_runs_of_the_same_parts_at_once_leave_them_whole(artist, tmp_path, tar):
    draw(artist, tmp_path / "one", tar=tar)
    place = tmp_path / "both"
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(draw, artist, place, 0, n, tar=tar) for n in (1, 1, 2)]
    assert [run.result()[0] for run in runs]
    assert contents(place) == contents(tmp_path / "one")


def test_a_folder_that_is_a_file_is_told(tiny_run, tmp_path):
    (tmp_path / "out").write_text("mine")
    options = "--model", tiny_run, "--caption", "a red bird", "--out-dir", tmp_path / "out"
    assert "is no folder that can be written to" in refuse("generate", *options)


def test_another_request_is_refused(artist, tmp_path):
    draw(artist, tmp_path)
    order = Order(CAPTIONS[:-1], SEEDS)
    with pytest.raises(UserError, match="was begun with other model and captions"):
        draw_many(artist, "other", order, tmp_path)


@pytest.mark.slow
def test_killed_and_started_again_it_leaves_the_same_files(tiny_run, tmp_path):
    captions = tmp_path / "captions.txt"
    captions.write_text("\n".join(CAPTIONS))
    options = "--model", tiny_run, "--captions-file", captions, "--count", 200  # five parts
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "dmgan_tf.generate", *map(str, options)]
    process = subprocess.Popen([*command, "--out-dir", str(killed)], env=environment())
    end = time.monotonic() + 300
    while not (killed / "000001").exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    succeed("generate", *options, "--out-dir", killed)
    succeed("generate", *options, "--out-dir", whole)
    assert contents(killed) == contents(whole)
