"""The studio's page where the browser has a GPU; here Chromium computes what a GPU would."""

import json
import shutil

import pytest
from browser import browser, pixels, visits
from page_actions import draw, drawn, within
from served_studio import served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium_with_gpu(playwright):
    software = "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"
    with browser(playwright, *software) as running:
        yield running


@pytest.fixture
def open_with_gpu(chromium_with_gpu):
    with visits(chromium_with_gpu) as visit:
        yield visit


def test_it_draws_the_same_by_webgpu(open_with_gpu, studio_address, drawing):
    page = open_with_gpu(studio_address)
    pictures = draw(page, count=1)
    assert "drawn by WebGPU." in page.get_by_role("contentinfo").inner_text()
    assert within(pixels(pictures.first), drawing.images[-1][0]) <= 1


def test_drawings_that_overlap_come_one_after_the_other(open_with_gpu, studio_address):
    page = open_with_gpu(studio_address)
    draw(page, count=1)
    page.locator("#status").evaluate("status => { status.textContent = ''; }")
    for _ in range(2):
        page.get_by_role("button", name="Roll").click()
    drawn(page)
    pictures = draw(page, count=1)
    assert pictures.count() == 1


def test_without_a_gpu_webassembly_draws(open_page, studio_address):
    page = open_page(studio_address)
    draw(page, count=1)
    assert "drawn by WebAssembly." in page.get_by_role("contentinfo").inner_text()


@pytest.mark.parametrize("place", ["const session = await", "const outputs = await"])
def test_a_gpu_that_fails_is_replaced_by_webassembly(
    open_with_gpu, studio_folder, tmp_path, drawing, place
):
    copy = shutil.copytree(studio_folder, tmp_path / "studio")
    script = (copy / "worker.js").read_text(encoding="utf-8")
    assert place in script
    provider = "(await loaded).provider" if "outputs" in place else "provider"
    fails = f'if ({provider} === "webgpu") throw new Error("lost");'
    (copy / "worker.js").write_text(script.replace(place, f"{fails}\n  {place}"))
    with served(copy) as address:
        page = open_with_gpu(address)
        pictures = draw(page, count=1)
        assert "drawn by WebAssembly." in page.get_by_role("contentinfo").inner_text()
        assert within(pixels(pictures.first), drawing.images[-1][0]) <= 1


def test_a_folder_without_that_build_draws_by_webassembly(open_with_gpu, studio_folder, tmp_path):
    copy = shutil.copytree(studio_folder, tmp_path / "studio")
    studio = json.loads((copy / "studio.json").read_text(encoding="utf-8"))
    builds = [name for name in studio["files"] if "jspi" in name]
    assert len(builds) == 3
    for name in builds:
        (copy / name).unlink()
        del studio["files"][name]
    (copy / "studio.json").write_text(json.dumps(studio), encoding="utf-8")
    with served(copy) as address:
        page = open_with_gpu(address)
        draw(page, count=1)
        assert "drawn by WebAssembly." in page.get_by_role("contentinfo").inner_text()
