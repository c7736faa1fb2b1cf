"""The studio's page in Chromium: pictures, memory, keyboard, links, changed words."""

import numpy as np
import pytest
from browser import pixels
from page_actions import COUNT, SEED, SENTENCE, SIDES, draw, drawn, fill, overlay, within
from PIL import Image

from dmgan_tf.inference.text_to_image import TextToImage

pytestmark = pytest.mark.slow


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


def test_pictures_take_the_arrow_keys_from_screen_readers(page):
    draw(page)
    frame = page.get_by_role("application", name="Picture of seed 2; arrow keys tell the words")
    assert frame.get_by_role("img", name=SENTENCE, exact=True).count() == 1


def test_pointing_at_another_picture_leaves_the_focus_and_what_is_kept(page, drawing):
    pictures = draw(page)
    page.get_by_role("button", name="crown", exact=True).click()
    word = page.get_by_role("button", name="yellow", exact=True)
    word.focus()
    pictures.nth(2).hover()
    page.locator("#pixel").get_by_text("Seed 3, ").wait_for()
    assert word.evaluate("button => button === document.activeElement")
    crown = page.get_by_role("button", name="crown", exact=True)
    assert crown.get_attribute("aria-pressed") == "true"
    gates = page.locator("#words meter").evaluate_all("all => all.map(meter => meter.value)")
    expected = np.stack(drawing.writing_gates)[:, 2, : len(drawing.words[2]), 0].T
    np.testing.assert_allclose(np.reshape(gates, expected.shape), expected, atol=1e-4)
    name = page.locator("#words meter").first.get_attribute("aria-label")
    assert name == f"Writing gate of {drawing.words[2][0]} at 16 px, seed 3"
    crown.click()


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
    crown = page.get_by_role("button", name="crown", exact=True)
    assert crown.get_attribute("aria-pressed") == "true"


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
    alert = page.get_by_role("alert")
    for _ in range(2):
        drawn(page)
        assert alert.inner_text().startswith(message)
        assert page.get_by_role("img", name="a red bird").count() == 1
        page.reload()  # it is still that link
    drawn(page)
    link = page.get_by_role("link", name="Link to the picture of seed 1").get_attribute("href")
    assert "0123456789abcdef" not in link  # the picture is this model's
    page.get_by_role("button", name="Draw").click()
    page.wait_for_function("!location.hash.includes('0123456789abcdef')")
    assert alert.inner_text() == ""


def test_link_of_another_model_with_words_unknown_here_is_told(open_page, studio_address):
    page = open_page(f"{studio_address}#sentence=zeppelin&seed=1&model=0123456789abcdef")
    alert = page.get_by_role("alert")
    alert.get_by_text("knows none of these words: zeppelin.").wait_for()
    message = "The link was made with another model (0123456789abcdef); this one is "
    assert alert.inner_text().startswith(message)


def test_link_that_is_followed_again_brings_its_sentence_back(page):
    draw(page, "a red bird", 7, 1)
    sentence = page.get_by_role("textbox", name="Sentence")
    for _ in range(2):
        sentence.fill("a blue bird")
        page.get_by_role("link", name="Link to the picture of seed 7").click()
        drawn(page)
        assert sentence.input_value() == "a red bird"


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
    status = page.get_by_role("status").get_by_text("Compared: ").inner_text()
    assert f"{levels.mean():.1f}"[:-2] in status
    with page.expect_download() as download:
        page.get_by_role("button", name="Save PNG of seed 1, after").click()
    with Image.open(download.value.path()) as picture:
        assert within(np.asarray(picture.convert("RGB")), expected) <= 1
    page.get_by_role("link", name="Link to the picture of seed 1, after").click()
    page.get_by_role("img", name=changed, exact=True).wait_for()
    assert page.get_by_role("spinbutton", name="Seed").input_value() == str(SEED)
    page.get_by_role("status").get_by_text("compare again").wait_for()


def test_a_word_can_be_changed_while_more_pictures_are_drawn(page):
    draw(page, count=1)
    fill(page, "a red bird", 1, 8)
    page.get_by_role("button", name="Draw").click()
    page.get_by_role("img", name="a red bird", exact=True).first.wait_for()
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("status").get_by_text("Compared: ").wait_for()
    assert page.locator("#compared img").count() == 3
    page.get_by_role("status").get_by_text("Drawn: 8 pictures.").wait_for()
    assert page.locator("#compared img").count() == 3


def test_comparing_takes_away_what_was_wrong_before(page):
    draw(page, count=1)
    page.get_by_role("textbox", name="Sentence").fill("zeppelin")
    page.get_by_role("button", name="Draw").click()
    alert = page.get_by_role("alert")
    alert.get_by_text("zeppelin").wait_for()
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("status").get_by_text("Compared: ").wait_for()
    assert alert.inner_text() == ""
