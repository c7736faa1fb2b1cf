"""`python -m dmgan_tf.evaluate` as a user meets it."""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from command_lines import ROOT, call, environment, fail, refuse, succeed
from PIL import Image

from dmgan_tf import build
from dmgan_tf.errors import UserError
from dmgan_tf.evaluation import collecting, evaluate
from dmgan_tf.evaluation.pictures import Drawn
from dmgan_tf.evaluation.report import as_markdown, check_protocols
from dmgan_tf.inference.text_to_image import TextToImage

IMAGES = 120


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Nobody's own cache is touched."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DMGAN_TF_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def evaluated(tiny_run, tiny_judge, cache, tmp_path_factory):
    """(report, table, folder) of the tiny run, pictures kept."""
    folder = tmp_path_factory.mktemp("evaluated")
    printed = succeed(
        *("evaluate", "--model", tiny_run, "--judge", tiny_judge, "--images", IMAGES, "--seed", 3),
        *("--metrics", "fid,kid,r_precision", "--subset-size", 30, "--blurred"),
        *("--keep-images", folder / "kept", "--out", folder / "evaluation.json"),
    )
    return json.loads((folder / "evaluation.json").read_text()), printed, folder


def test_report_holds_every_score_with_its_protocol(evaluated):
    report, printed, folder = evaluated
    assert (report["images"], report["split"], report["seed"]) == (IMAGES, "test", 3)
    assert not report["judge_is_own"] and report["step"] == 4 and len(report["model"]) == 16
    protocol = report["protocol"]
    assert list(protocol) == [
        "fid_damsm", "kid_damsm", "r_precision", "color_share", "bird_fit", "surroundings_share",
        "surroundings_variety", "surroundings_kinds", "hatching",
    ]  # fmt: skip
    for name, about in protocol.items():
        assert {name, f"{name}_real"} <= report.keys()
        if name in ("fid_damsm", "kid_damsm", "r_precision"):
            assert len(about["weights_sha256"]) == 64 and not about["comparable_with_published"]
        assert f"{name}  " in printed
    assert report["surroundings_share_real"] > 0.9 and report["surroundings_variety_real"] > 5
    assert (
        protocol["surroundings_share"]["pictures"]
        == IMAGES - (protocol["surroundings_variety"]["pictures"])
    )
    assert protocol["fid_damsm"]["reference"] == "100 pictures of the test split"
    assert protocol["r_precision"]["negatives"] == "other_classes"
    assert {"r_precision_std", "kid_damsm_std", "fid_damsm_blurred", "seconds"} <= report.keys()
    check_protocols(report, folder)
    table = (folder / "evaluation.md").read_text(encoding="utf-8")
    assert table == as_markdown(report) and "| fid_damsm | " in table
    assert {path.name for path in folder.iterdir()} == {
        "evaluation.json", "evaluation.md", "grid.png", "grid_real.png", "kept",
    }  # fmt: skip


def seen(cache):
    """When each file of the cache was written."""
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}


def test_kept_pictures_score_the_same_as_any_programs_and_real_ones_are_looked_at_once(
    evaluated, tiny_judge, cache, tmp_path
):
    report, _, folder = evaluated
    assert len(list((folder / "kept").glob("*.png"))) == IMAGES
    out = tmp_path / "again.json"
    before = seen(cache)
    assert any(path.name == "statistics.npz" for path in before)
    succeed(
        *("evaluate", "--images-dir", folder / "kept", "--judge", tiny_judge, "--seed", 3),
        *("--metrics", "fid,kid,r_precision", "--subset-size", 30, "--out", out),
    )
    again = json.loads(out.read_text())
    for name in ("fid_damsm", "fid_damsm_real", "kid_damsm", "r_precision", "r_precision_std"):
        assert again[name] == pytest.approx(report[name], rel=1e-9), name
    assert seen(cache) == before


def test_replicas_draw_what_one_machine_draws(tiny_run, strategy):
    captions = [f"a {color} bird" for color in ("red", "blue", "white")] * 5
    seeds = list(range(15))
    with strategy.scope():
        artist = TextToImage.from_preset(tiny_run)
    alone = TextToImage.from_preset(tiny_run).generate(captions, seeds)
    for batch_size in (2, 4, 64):
        drawn = Drawn(artist, strategy, captions, seeds, "", batch_size).read(0, 15)
        assert np.abs(drawn.astype(int) - alone).max() <= 1


@pytest.fixture
def here(strategy, monkeypatch):
    """An evaluation in this process draws with its one strategy."""
    monkeypatch.setattr(build, "local_strategy", lambda: strategy)


def test_statistics_of_others_are_the_reference(
    evaluated, tiny_run, tiny_judge, cache, tmp_path, here
):
    with np.load(next(cache.rglob("statistics.npz"))) as file:
        np.savez(tmp_path / "theirs.npz", mu=file["mu"] + 1e3, sigma=file["sigma"])
        size = len(file["mu"])
    common = "--model", tiny_run, "--judge", tiny_judge, "--metrics", "fid", "--images", IMAGES
    call(
        *("evaluate", *common, "--seed", 3, "--reference", tmp_path / "theirs.npz"),
        *("--out", tmp_path / "e.json"),
    )
    report = json.loads((tmp_path / "e.json").read_text())
    # Far away, the squared shift is nearly all of it.
    assert report["fid_damsm"] == pytest.approx(size * 1e6, rel=0.01)
    assert "theirs.npz, SHA-256" in report["protocol"]["fid_damsm"]["reference"]
    np.savez(tmp_path / "odd.npz", mu=np.zeros(size + 1), sigma=np.eye(size + 1))
    line = refuse("evaluate", *common, "--reference", tmp_path / "odd.npz", "--out", tmp_path / "f")
    assert f"is of {size + 1} features, damsm has {size}" in line


@pytest.mark.slow
def test_killed_and_started_again_scores_the_same(tiny_run, tiny_judge, tmp_path):
    arguments = [
        *("--model", tiny_run, "--judge", tiny_judge, "--images", 3000),
        *("--metrics", "fid,r_precision"),
    ]
    succeed("evaluate", *arguments, "--out", tmp_path / "straight.json")
    out = tmp_path / "out.json"
    done = tmp_path / ".out.json.work" / "drawn" / "done.json"
    line = [sys.executable, "-m", "dmgan_tf.evaluate", *arguments, "--out", out]
    with subprocess.Popen(list(map(str, line)), cwd=ROOT, env=environment()) as process:
        while not done.is_file() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert not out.exists() and json.loads(done.read_text())["rows"] > 0
    changed = tmp_path / ".changed.json.work"
    shutil.copytree(tmp_path / ".out.json.work", changed)
    features = np.load(changed / "drawn" / "damsm.npy", mmap_mode="r+")
    features[0] = 1000  # which it would not be if it were seen again
    features.flush()
    succeed("evaluate", *arguments, "--out", out)
    succeed("evaluate", *arguments, "--out", tmp_path / "changed.json")
    assert not done.exists()
    names = "straight", "out", "changed"
    straight, other, far = (json.loads((tmp_path / f"{n}.json").read_text()) for n in names)
    assert {**straight, "seconds": 0} == {**other, "seconds": 0}
    assert far["fid_damsm"] > 2 * straight["fid_damsm"]


# --- mistakes -----------------------------------------------------------------------------------


@pytest.fixture
def shared(tiny_run, tiny_judge, strategy, monkeypatch, tmp_path):
    """Evaluates 150 pictures, in chunks of 64, and returns what is printed and the report."""
    monkeypatch.setattr(build, "local_strategy", lambda: strategy)
    monkeypatch.setattr(evaluate, "_CHUNK", 1)
    monkeypatch.setattr(collecting, "SHARE_UNIT", 64)

    def evaluated(name, *options):
        out = tmp_path / name / "evaluation.json"
        model = "--model", tiny_run, "--judge", tiny_judge, "--metrics", "fid,kid,r_precision"
        printed = call(
            "evaluate", *model, "--images", 150, "--subset-size", 30, "--out", out, *options
        )
        return printed, json.loads(out.read_text()) | {"seconds": 0} if out.is_file() else None

    return evaluated


def test_merged_shares_score_what_one_machine_scores(shared, tmp_path):
    _, whole = shared("whole")
    for share, count in ((2, 22), (0, 64), (1, 64)):
        printed, report = shared("shares", "--shard", f"{share}/3")
        assert printed.startswith(f"Share {share}/3: {count} pictures, in ") and report is None
    _, merged = shared("shares", "--merge", 3)
    assert merged == whole
    grids = [(tmp_path / name / "grid.png").read_bytes() for name in ("whole", "shares")]
    assert grids[0] == grids[1]


def test_a_share_that_is_missing_or_unfinished_is_named(shared, tmp_path):
    shared("shares", "--shard", "0/2")
    work = tmp_path / "shares" / ".evaluation.json.work" / "drawn"
    with pytest.raises(UserError, match=rf"{work}/1_of_2: 0 of 86 .* --shard 1/2 "):
        shared("shares", "--merge", 2)
    shared("shares", "--shard", "1/2")
    noted = json.loads((work / "1_of_2" / "done.json").read_text())
    (work / "1_of_2" / "done.json").write_text(json.dumps(noted | {"rows": 64}))
    with pytest.raises(UserError, match=rf"{work}/1_of_2: 64 of 86 "):
        shared("shares", "--merge", 2)
    features = np.load(work / "1_of_2" / "damsm.npy", mmap_mode="r+")
    seen = features[0].copy()
    features[0] = 1  # which it would not have if it were seen again
    shared("shares", "--shard", "1/2")  # goes on after the 64
    again = np.load(work / "1_of_2" / "damsm.npy", mmap_mode="r+")
    assert (again[0] == 1).all()
    again[0] = seen
    again.flush()
    for path in (work / "1_of_2").iterdir():  # as another user's, which root alone may write
        path.chmod(0o444)
    _, merged = shared("shares", "--merge", 2)
    assert merged == shared("whole")[1]
    with pytest.raises(UserError, match=r"150 pictures make at most 3 shares, of 64 each"):
        shared("shares", "--merge", 4)


def test_mistakes_are_one_line(tiny_run, tmp_path, here):
    model = "--model", tiny_run, "--out", tmp_path / "e.json"
    for arguments, told in (
        ((*model, "--metrics", "is"), "The metric `is` needs a network with classes"),
        ((*model, "--metrics", "kid", "--images", 50), "--subset-size 1000 must be at most 50"),
        ((*model, "--images", 5), "r_precision needs 10 pictures or more. Received: 5."),
        (
            (*model, "--images", 19, "--drop-last-of-fold"),
            "r_precision needs 20 pictures or more. Received: 19. Give more, or leave it out of",
        ),
        (("--model", tmp_path, "--images", 5), "holds no model"),
        (("--images-dir", tmp_path), "Give --data, a prepared folder"),
    ):
        assert told in refuse("evaluate", *arguments)
    assert not (tmp_path / "e.json").exists()


def test_pictures_without_captions_have_no_r_precision(tiny_judge, tmp_path):
    for i in range(12):
        Image.new("RGB", (16, 16), (20 * i, 0, 0)).save(tmp_path / f"{i}.png")
    line = fail("evaluate", "--images-dir", tmp_path, "--judge", tiny_judge)
    assert "R-precision needs the captions: a metadata.jsonl" in line


def test_pictures_of_one_class_or_none_find_their_captions_among_random_ones(tiny_judge, tmp_path):
    rows = []
    for i in range(12):
        Image.new("RGB", (16, 16), (20 * i, 0, 0)).save(tmp_path / f"{i}.png")
        rows.append({"file_name": f"{i}.png", "text": f"a {'red' if i % 2 else 'blue'} bird"})
    listed, out = tmp_path / "metadata.jsonl", tmp_path / "e.json"
    common = "--images-dir", tmp_path, "--judge", tiny_judge, "--metrics", "r_precision"
    listed.write_text("\n".join(json.dumps(row | {"class_id": 7}) for row in rows))
    assert "all pictures are of one class. Use --negatives random." in fail("evaluate", *common)
    listed.write_text("\n".join(map(json.dumps, rows)))
    assert "has no `class_id`. Use --negatives random." in fail("evaluate", *common)
    call("evaluate", *common, "--negatives", "random", "--out", out)
    report = json.loads(out.read_text())
    assert report["protocol"]["r_precision"]["negatives"] == "random"
    # Which captions another program took is not known.
    assert not {"split", "unseen_captions_only"} & report.keys()
    assert "not for --images-dir" in fail("evaluate", *common, "--unseen")
    listed.write_text("\n".join(json.dumps(row | {"text": "zzz"}) for row in rows))
    line = fail("evaluate", *common, "--negatives", "random")
    assert "knows no word of 'zzz'" in line
