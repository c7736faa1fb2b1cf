"""The studio's page on every screen, for everyone, on any host, without a network, and damaged."""

import hashlib
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from browser import pixels, violations
from page_actions import SENTENCE, draw, drawn, fill, within
from PIL import Image
from served_studio import served

pytestmark = pytest.mark.slow


# --- how it looks, and to whom ------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, studio_address, scheme):
    page = open_page(studio_address, color_scheme=scheme, bypass_csp=True)
    page.get_by_role("button", name="Draw").and_(page.locator(":enabled")).wait_for()
    assert violations(page) == []
    fill(page, "zeppelin")
    page.get_by_role("button", name="Draw").click()
    assert violations(page) == []
    draw(page)
    page.get_by_role("button", name="yellow", exact=True).click()
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("img", name="Difference").wait_for()
    assert violations(page) == []


@pytest.mark.parametrize(
    ("width", "height", "scheme", "name"),
    [
        (1280, 900, "light", "studio"),
        (1280, 900, "dark", "studio_dark"),
        (320, 640, "light", "studio_320"),
        (3840, 2160, "dark", "studio_4k"),
    ],
)
def test_it_fits_every_screen(open_page, studio_address, tmp_path, width, height, scheme, name):
    size = {"width": width, "height": height}
    page = open_page(studio_address, viewport=size, color_scheme=scheme)
    draw(page)
    page.get_by_role("radio", name="32 → 64 px").check()
    page.get_by_role("button", name="yellow", exact=True).click()
    page.mouse.move(0, 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in page.locator("button:visible, input:visible, select:visible").all():
        box = control.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    picture = page.screenshot(full_page=True)
    with Image.open(io.BytesIO(picture)) as image:
        assert image.width == width
    out = Path(os.environ.get("STUDIO_SCREENSHOTS", tmp_path))
    (out / f"{name}.png").write_bytes(picture)


# --- hosts, networks, damage --------------------------------------------------------------------


def test_it_draws_on_a_host_without_isolation(open_page, studio_folder, drawing, monkeypatch):
    from dmgan_tf.studio import static_server

    monkeypatch.setattr(static_server, "headers", lambda index: {})
    with served(studio_folder) as address:
        page = open_page(address)
        pictures = draw(page)
        assert not page.evaluate("self.crossOriginIsolated")
        assert within(pixels(pictures.first), drawing.images[-1][0]) <= 1


def test_large_models_are_drawn_by_threads(open_page, studio_folder, tmp_path, drawing):
    copy = shutil.copytree(studio_folder, tmp_path / "studio")
    script = (copy / "worker.js").read_text(encoding="utf-8")
    large = "THREADS_FROM_BYTES = 8 * 2 ** 20"
    assert large in script
    (copy / "worker.js").write_text(script.replace(large, "THREADS_FROM_BYTES = 0"))
    with served(copy) as address:
        page = open_page(address)
        pictures = draw(page, count=1)
        assert len(page.workers) > 1
        assert within(pixels(pictures.first), drawing.images[-1][0]) <= 1


def test_it_draws_without_a_network_once_it_was_opened(open_page, studio_folder, drawing):
    with served(studio_folder) as address:
        page = open_page(address, expect_errors=True)
        draw(page)
        page.wait_for_function("navigator.serviceWorker.controller !== null")
    page.reload()
    drawn(page)
    picture = page.get_by_role("img", name=SENTENCE, exact=True).first
    assert within(pixels(picture), drawing.images[-1][0]) <= 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "is damaged or was changed"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged or was changed"),
        (lambda path: path.write_bytes(path.read_bytes() * 2), "is damaged or was changed"),
        (lambda path: path.unlink(), "can't be fetched (404). Copy the whole folder again."),
    ],
    ids=["changed", "cut", "longer", "missing"],
)
@pytest.mark.parametrize("name", ["model/stages_float32.onnx", "model/vocabulary.json"])
def test_damaged_file_is_told(open_page, studio_folder, tmp_path, damage, message, name):
    copy = shutil.copytree(studio_folder, tmp_path / "studio")
    damage(copy / name)
    with served(copy) as address:
        page = open_page(address, expect_errors=True)
        page.get_by_role("alert").get_by_text(f"{name} {message}").wait_for()
        assert page.get_by_role("button", name="Draw").is_disabled()
        assert not page.get_by_role("progressbar").is_visible()


FILES = (
    *("studio.json", "model/manifest.json"),
    *("runtime/ort.wasm.min.mjs", "runtime/ort-wasm-simd-threaded.mjs"),
)
AGAIN = "opy the whole folder again."


@pytest.mark.parametrize("content", [None, "<!doctype html>"], ids=["missing", "another page"])
@pytest.mark.parametrize("name", FILES)
def test_file_that_is_not_the_one_is_told_with_what_to_do(
    open_page, studio_folder, tmp_path, name, content
):
    copy = shutil.copytree(studio_folder, tmp_path / "studio")
    (copy / name).unlink()
    if content:
        (copy / name).write_text(content)  # as hosts do that answer everything with one page
    told = refused(open_page, copy)
    assert told.startswith(f"{name} " if name.endswith(".json") else "The model can't be loaded: ")
    assert told.endswith(AGAIN) and told.count(AGAIN) == 1
    if name.endswith(".json") and content:
        assert told == (
            f"{name} is no JSON: it is damaged, or the host answers with another page. C{AGAIN}"
        )


def test_model_that_the_runtime_cannot_read_is_told_with_what_to_do(
    open_page, studio_folder, tmp_path
):
    copy = shutil.copytree(studio_folder, tmp_path / "studio")
    manifest = json.loads((copy / "model" / "manifest.json").read_text(encoding="utf-8"))
    content = b"no graph"
    described = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["files"]["stages_float32.onnx"] |= described
    (copy / "model" / "stages_float32.onnx").write_bytes(content)
    (copy / "model" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    told = refused(open_page, copy)
    assert told.startswith("The model can't be loaded: ") and "ERROR_CODE" in told
    assert told.endswith(f"Load the page again; if this stays, c{AGAIN}")


def refused(open_page, directory):
    """What the page of a folder that can't draw tells."""
    with served(directory) as address:
        page = open_page(address, expect_errors=True)
        page.locator("#problem:not(:empty)").wait_for()
        assert page.get_by_role("button", name="Draw").is_disabled()
        assert not page.get_by_role("progressbar").is_visible()
        return page.get_by_role("alert").inner_text()


def test_loading_shows_how_far_it_is(open_page, studio_address):
    page = open_page(studio_address, service_workers="block")
    held = []
    page.route("**/model/*.onnx", lambda route: held.append(route))
    page.reload()
    progress = page.get_by_role("progressbar", name="Loading the model")
    progress.wait_for()
    page.locator("progress:not(:indeterminate)").wait_for()
    while not (share := progress.evaluate("bar => bar.value")) or not held:
        page.wait_for_timeout(50)
    assert 0 < share < 1
    held[0].continue_()
    page.get_by_role("button", name="Draw").and_(page.locator(":enabled")).wait_for()
    assert not progress.is_visible()


def test_studio_json_names_what_is_loaded(studio_folder):
    files = json.loads((studio_folder / "studio.json").read_text(encoding="utf-8"))["files"]
    assert sum(about["bytes"] for about in files.values()) < 15 * 2**20
