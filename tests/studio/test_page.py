"""The studio's page in Chromium: pictures, memory, keyboard, links, mistakes, accessibility."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from browser import lack, pixels
from PIL import Image
from served_studio import served

from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.studio import folder

pytestmark = pytest.mark.slow

SENTENCE = "a small yellow bird with blue wings and a red crown in the snow"
SEED, COUNT = 1, 3
SIDES = (16, 32, 64)


def within(one, other):
    assert one.shape == other.shape
    return np.abs(one.astype(int) - other.astype(int)).max()


@pytest.fixture(scope="module")
def drawing():
    """What Keras draws."""
    artist = TextToImage.from_preset("toy_birds")
    return artist.draw([SENTENCE] * COUNT, range(SEED, SEED + COUNT))


def fill(page, sentence=SENTENCE, seed=SEED, count=COUNT):
    page.get_by_role("textbox", name="Sentence").fill(sentence)
    page.get_by_role("spinbutton", name="Seed").fill(str(seed))
    page.get_by_role("combobox", name="Pictures").select_option(str(count))


def draw(page, sentence=SENTENCE, seed=SEED, count=COUNT):
    """Draws, and returns the pictures' locator."""
    fill(page, sentence, seed, count)
    page.mouse.move(0, 0)
    page.get_by_role("button", name="Draw").click()
    drawn(page)
    page.get_by_role("radio", name="16 → 32 px").check()
    pictures = page.get_by_role("img", name=sentence, exact=True)
    assert pictures.count() == count
    return pictures


def drawn(page):
    """Waits for all pictures."""
    page.get_by_role("status").get_by_text("Drawn").wait_for()


def overlay(page, place=0):
    return page.locator(".overlay").nth(place)


def test_pictures_of_every_stage_are_those_of_generate(page, drawing):
    assert page.evaluate("self.crossOriginIsolated")
    pictures = draw(page)
    for row in range(COUNT):
        assert within(pixels(pictures.nth(row)), drawing.images[-1][row]) <= 1
        small = page.locator("figure").nth(row).locator("ol[aria-label=Stages] canvas")
        assert small.count() == len(SIDES)
        for stage, images in enumerate(drawing.images):
            assert within(pixels(small.nth(stage)), images[row]) <= 1
    gates = page.locator("#words meter").evaluate_all("all => all.map(meter => meter.value)")
    expected = np.stack(drawing.writing_gates)[:, 0, : len(drawing.words[0]), 0].T
    np.testing.assert_allclose(np.reshape(gates, expected.shape), expected, atol=1e-4)


def test_words_are_a_list_and_pointing_at_one_lays_its_attention_over_the_pictures(page, drawing):
    draw(page)
    words = page.get_by_role("list", name="Words").get_by_role("listitem")
    assert words.locator("button").all_inner_texts() == list(drawing.words[0])
    assert not overlay(page).is_visible()
    shown = {}
    for word in ("yellow", "blue"):
        words.get_by_role("button", name=word, exact=True).hover()
        assert overlay(page).is_visible()
        shown[word] = pixels(overlay(page, COUNT - 1)).sum(axis=-1)
        place = drawing.words[0].index(word)
        attention = drawing.attention[0][COUNT - 1, :, place].reshape(SIDES[0], SIDES[0])
        # Brightness rises with what a pixel reads.
        order = np.argsort(attention, axis=None)
        assert (np.diff(shown[word].ravel()[order]) >= -3).all()
    assert within(shown["yellow"], shown["blue"]) > 20
    page.mouse.move(0, 0)
    assert not overlay(page).is_visible()


def test_response_gate_and_refinement_are_switched(page, drawing):
    draw(page)
    page.get_by_role("switch", name="Response gate").check()
    for side, gates in zip(SIDES, drawing.response_gates, strict=False):
        page.get_by_role("radio", name=f"{side} → {2 * side} px").check()
        found = pixels(overlay(page)).sum(axis=-1).ravel()
        assert (np.diff(found[np.argsort(gates[0].ravel())]) >= -3).all()
    page.get_by_role("switch", name="Response gate").uncheck()
    assert not overlay(page).is_visible()


def most_read(drawing, picture, row, column):
    count = len(drawing.words[picture])
    shares = drawing.attention[0][picture, row * SIDES[0] + column, :count]
    best = int(np.argmax(shares))
    return f"reads {drawing.words[picture][best]} {round(100 * float(shares[best]))} %"


def test_pointing_at_a_pixel_shows_the_words_that_it_reads(page, drawing):
    pictures = draw(page)
    pictures.nth(1).scroll_into_view_if_needed()
    box = pictures.nth(1).bounding_box()
    row, column = 5, 9
    place = [(n + 0.5) / SIDES[0] for n in (column, row)]
    page.mouse.move(box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"])
    told = page.locator("#pixel").inner_text()
    assert told.startswith(f"Seed 2, row {row + 1}, column {column + 1} of 16 reads ")
    assert most_read(drawing, 1, row, column) in told
    shares = page.locator("#words .share").all_inner_texts()
    assert sum(int(share.split()[1]) for share in shares) == pytest.approx(100, abs=10)


def test_everything_goes_by_keyboard_alone(open_page, studio_address, drawing):
    page = open_page(studio_address)
    page.get_by_role("button", name="Draw").and_(page.locator(":enabled")).wait_for()
    keys = page.keyboard
    keys.press("Tab")
    keys.type(SENTENCE)
    for _ in range(100):  # offers lie between
        keys.press("Tab")
        if page.evaluate("document.activeElement.id") == "seed":
            break
    keys.press("Control+A")
    keys.type(str(SEED))
    keys.press("Enter")
    drawn(page)
    seen = set()
    for _ in range(100):
        keys.press("Tab")
        focused = page.locator(":focus")
        seen.add(focused.evaluate("e => e.id || e.getAttribute('aria-label') || e.textContent"))
        if "frame" in (focused.get_attribute("class") or "") and "read" not in seen:
            keys.press("ArrowDown")
            keys.press("ArrowRight")
            keys.press("ArrowRight")
            told = page.locator("#pixel").inner_text()
            assert told.startswith("Seed 1, row 2, column 3 of 16 ")
            assert most_read(drawing, 0, 1, 2) in told
            seen.add("read")
        if "compare" in seen:
            break
    assert {"roll", "count", "draw", "response", "changed", "becomes", "compare", "read"} <= seen
    assert {"Save PNG of seed 1", "Link to the picture of seed 1", "yellow", "crown"} <= seen
    page.get_by_role("button", name="crown", exact=True).focus()
    assert overlay(page).is_visible()
    keys.press("Enter")  # pins it
    keys.press("Tab")
    assert page.get_by_role("button", name="crown", exact=True).get_attribute("aria-pressed")


def test_unknown_words_are_struck_through_and_known_ones_offered(page):
    sentence = page.get_by_role("textbox", name="Sentence")
    sentence.fill("a zeppelin yel")
    assert page.locator("#read s").all_inner_texts() == ["zeppelin", "yel"]
    offers = page.get_by_role("group", name="Known words").get_by_role("button")
    assert offers.first.inner_text() == "yellow"
    offers.first.click()
    assert sentence.input_value() == "a zeppelin yellow "
    assert page.locator("#read s").all_inner_texts() == ["zeppelin"]
    long = " ".join(["bird"] * 30)
    sentence.fill(long)
    assert page.locator("#read s").count() == 5


@pytest.mark.parametrize(
    ("sentence", "seed", "field", "message"),
    [
        ("", 1, "Sentence", "Type a sentence first, of words such as: a, bird, and, "),
        ("zeppelin!", 1, "Sentence", "The model knows none of these words: zeppelin. It knows: a,"),
        ("a bird", "", "Seed", "The seed must be a whole number from -9223372036854775808 to "),
        ("a bird", 2**63 - 1, "Seed", "The seed must be a whole number from "),
    ],
    ids=["empty", "unknown", "no seed", "beyond 64 bits"],
)
def test_mistake_says_what_to_do(page, sentence, seed, field, message):
    page.get_by_role("button", name="Draw").and_(page.locator(":enabled")).wait_for()
    fill(page, sentence, seed)
    page.get_by_role("button", name="Draw").click()
    alert = page.get_by_role("alert")
    alert.get_by_text(message).wait_for()
    assert page.get_by_label(field, exact=True).get_attribute("aria-invalid") == "true"
    draw(page, "a red bird", 3, 1)
    assert alert.inner_text() == ""


def test_text_of_a_sentence_is_never_html(page):
    page.get_by_role("textbox", name="Sentence").fill("<img src=x onerror=alert(1)> bird")
    assert page.locator("#read s").all_inner_texts()[:2] == ["img", "src"]
    draw(page, "<b>red</b> bird <img src=x>", 1, 1)
    assert page.locator("main b").count() == 0
    assert page.get_by_role("img").count() == 1


def test_link_brings_back_sentence_seed_and_pictures(page, open_page, studio_address):
    first = [pixels(picture) for picture in draw(page).all()]
    address = page.url
    assert address.startswith(studio_address) and "#sentence=a+small+yellow" in address
    page.reload()
    drawn(page)
    again = page.get_by_role("img", name=SENTENCE, exact=True)
    assert [within(pixels(p), q) for p, q in zip(again.all(), first, strict=True)] == [0] * COUNT
    single = page.get_by_role("link", name="Link to the picture of seed 2").get_attribute("href")
    other = open_page(studio_address + single)
    drawn(other)
    assert other.get_by_role("spinbutton", name="Seed").input_value() == "2"
    assert within(pixels(other.get_by_role("img", name=SENTENCE)), first[1]) == 0


def test_link_of_another_model_is_told(open_page, studio_address):
    page = open_page(f"{studio_address}#sentence=a+red+bird&seed=1&model=0123456789abcdef")
    message = "The link was made with another model (0123456789abcdef)"
    page.get_by_role("alert").get_by_text(message).wait_for()
    assert page.get_by_role("img", name="a red bird").count() == 1


def test_saved_png_is_the_picture(page, drawing):
    draw(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save PNG of seed 2").click()
    assert download.value.suggested_filename.endswith("in_the_snow_seed_2.png")
    with Image.open(download.value.path()) as picture:
        assert picture.format == "PNG"
        found = np.asarray(picture.convert("RGB"))
    assert within(found, drawing.images[-1][1]) <= 1


def test_rolled_seed_draws_something_else(page):
    before = pixels(draw(page, count=1).first)
    page.get_by_role("button", name="Roll a seed").click()
    page.wait_for_function("!location.hash.includes('seed=1&')")
    drawn(page)
    assert int(page.get_by_role("spinbutton", name="Seed").input_value()) >= 0
    assert within(pixels(page.get_by_role("img", name=SENTENCE).first), before) > 20


def test_changed_word_shows_before_after_and_difference(page, drawing):
    draw(page)
    page.get_by_role("combobox", name="Word").select_option(label="blue")
    page.get_by_role("combobox", name="becomes").select_option(label="pink")
    page.get_by_role("button", name="Compare").click()
    before = page.get_by_role("img", name=f"Before: {SENTENCE}")
    before.wait_for()
    changed = SENTENCE.replace("blue", "pink")
    after = page.get_by_role("img", name=f"After: {changed}")
    expected = TextToImage.from_preset("toy_birds").generate(changed, SEED)[0]
    assert within(pixels(before), drawing.images[-1][0]) <= 1
    assert within(pixels(after), expected) <= 1
    levels = np.abs(expected.astype(float) - drawing.images[-1][0]).mean(axis=-1)
    told = page.locator("#compared figcaption").last.inner_text()
    assert f"Difference of seed 1: {levels.mean():.1f}"[:-2] in told
    bright = pixels(page.get_by_role("img", name="Difference")).sum(axis=-1)
    assert bright[levels > 0.9 * levels.max()].min() > bright[levels < 2].max()


# --- how it looks, and to whom ------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, studio_address, scheme):
    axe = folder.HERE / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        lack("axe-core isn't there: make studio.")
    page = open_page(studio_address, color_scheme=scheme, bypass_csp=True)
    page.get_by_role("button", name="Draw").and_(page.locator(":enabled")).wait_for()
    page.evaluate(axe.read_text(encoding="utf-8"))

    def violations():
        found = page.evaluate("axe.run().then(result => result.violations)")
        return [(v["id"], [node["html"] for node in v["nodes"]]) for v in found]

    assert violations() == []
    fill(page, "zeppelin")
    page.get_by_role("button", name="Draw").click()
    assert violations() == []
    draw(page)
    page.get_by_role("button", name="yellow", exact=True).click()
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("img", name="Difference").wait_for()
    assert violations() == []


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


def test_studio_json_names_what_is_loaded(studio_folder):
    files = json.loads((studio_folder / "studio.json").read_text(encoding="utf-8"))["files"]
    assert sum(about["bytes"] for about in files.values()) < 15 * 2**20
