"""The studio's page of `dmgan serve --studio`, in Chromium: it draws by the REST interface."""

import http.client
import json
import re
import shutil

import numpy as np
import pytest
from browser import pixels, violations
from command_lines import run
from running_server import serve

from dmgan_tf.export.saved_model import DESCRIPTION
from dmgan_tf.inference.text_to_image import TextToImage

pytestmark = pytest.mark.slow

SENTENCE, SEED = "a small red bird with a blue crown", 2**62 + 1  # no number of JavaScript


@pytest.fixture(scope="module")
def server(exported, tmp_path_factory):
    with serve(exported, tmp_path_factory.mktemp("log") / "log", "--studio") as running:
        yield running


def ask(server, path):
    connection = http.client.HTTPConnection(server.root.partition("//")[2], timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_pictures_and_memory_are_those_of_generate(server, open_page, tiny_run):
    page = open_page(f"{server.root}/")
    page.get_by_role("textbox", name="Sentence").fill(f"{SENTENCE} zeppelin")
    assert page.locator("#read s").all_inner_texts() == ["zeppelin"]
    page.get_by_role("textbox", name="Sentence").fill(SENTENCE)
    page.get_by_role("spinbutton", name="Seed").fill(str(SEED))
    page.get_by_role("combobox", name="Pictures").select_option("2")
    page.get_by_role("button", name="Draw").click()
    page.get_by_role("status").get_by_text("Drawn").wait_for()
    expected = TextToImage.from_preset(tiny_run).draw([SENTENCE] * 2, [SEED, SEED + 1])
    pictures = page.get_by_role("img", name=SENTENCE, exact=True)
    for row, image in enumerate(expected.images[-1]):
        assert np.abs(pixels(pictures.nth(row)) - image.astype(int)).max() <= 1
    words = page.get_by_role("list", name="Words").get_by_role("listitem").get_by_role("button")
    assert words.all_inner_texts() == list(expected.words[0])
    gates = page.locator("#words meter").evaluate_all("all => all.map(meter => meter.value)")
    wanted = np.stack(expected.writing_gates)[:, 0, : len(expected.words[0]), 0].T
    np.testing.assert_allclose(np.reshape(gates, wanted.shape), wanted, atol=1e-4)
    words.first.hover()
    assert page.locator(".overlay").first.is_visible()
    assert page.locator("#card").inner_text().startswith("Model dmgan, ")
    assert page.title() == "dmgan – Studio"
    side = int(np.sqrt(expected.attention[0].shape[1]))
    pictures.nth(1).scroll_into_view_if_needed()
    box = pictures.nth(1).bounding_box()
    page.mouse.move(box["x"] + 2.5 * box["width"] / side, box["y"] + 1.5 * box["height"] / side)
    told = page.locator("#pixel")
    check_pixel(told.inner_text(), expected, 1, 1, 2)
    page.mouse.move(0, 0)
    page.get_by_role("application", name=f"Picture of seed {SEED};").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    check_pixel(told.inner_text(), expected, 0, 1, 1)


def check_pixel(told, drawing, picture, row, column):
    """What the page tells of a pixel; its percents are rounded."""
    words = drawing.words[picture]
    side = int(np.sqrt(drawing.attention[0].shape[1]))
    shares = drawing.attention[0][picture, row * side + column, : len(words)]
    place = f"Seed {SEED + picture}, row {row + 1}, column {column + 1} of {side} reads "
    assert told.startswith(place)
    found = re.findall(r"(\w+) (\d+) %", told.removeprefix(place))
    assert [int(percent) for _, percent in found] == pytest.approx(
        [100 * share for share in sorted(shares)[:-4:-1]], abs=0.6
    )
    for word, percent in found:  # a word may stand there twice
        likely = [100 * share for share, name in zip(shares, words, strict=True) if name == word]
        assert min(abs(int(percent) - value) for value in likely) <= 0.6


def test_the_newest_comparison_is_answered_and_waiting_is_told(server, open_page):
    page = open_page(f"{server.root}/")
    page.get_by_role("textbox", name="Sentence").fill(SENTENCE)
    page.get_by_role("combobox", name="Pictures").select_option("1")
    page.get_by_role("button", name="Draw").click()
    status = page.get_by_role("status")
    status.get_by_text("Drawn").wait_for()
    held = []
    page.route("**/*:predict", lambda route: held.append(route))
    page.get_by_role("combobox", name="Word").select_option(label="red")
    for word in ("blue", "yellow"):
        page.get_by_role("combobox", name="becomes").select_option(label=word)
        page.get_by_role("button", name="Compare").click()
        status.get_by_text(f"Drawing “{SENTENCE.replace('red', word)}” …").wait_for()
    for _ in range(200):
        if len(held) == 2:
            break
        page.wait_for_timeout(50)
    newest = page.get_by_role("img", name=f"After: {SENTENCE.replace('red', 'yellow')}")
    for route in reversed(held):
        with page.expect_response("**/*:predict"):
            route.continue_()
        newest.wait_for()
    page.wait_for_timeout(500)  # the older answer would be shown by now
    assert newest.is_visible() and status.get_by_text("Compared: ").is_visible()
    page.unroute("**/*:predict")
    page.route("**/*:predict", lambda route: route.fulfill(status=200, body="<!doctype html>"))
    page.get_by_role("button", name="Compare").click()
    alert = page.get_by_role("alert")
    alert.get_by_text("The server gives no picture").wait_for()
    assert status.get_by_text("Drawing").count() == 0


def test_keyboard_mistakes_and_links(server, open_page):
    page = open_page(f"{server.root}/", bypass_csp=True)
    page.get_by_role("button", name="Draw").and_(page.locator(":enabled")).wait_for()
    keys, sentence = page.keyboard, page.get_by_role("textbox", name="Sentence")
    keys.press("Tab")
    keys.type("zeppelin")
    keys.press("Enter")
    page.get_by_role("alert").get_by_text("zeppelin").wait_for()
    assert sentence.get_attribute("aria-invalid") == "true"
    assert violations(page) == []
    keys.press("Control+A")
    keys.type(SENTENCE)
    keys.press("Enter")
    page.get_by_role("status").get_by_text("Drawn").wait_for()
    assert page.get_by_role("alert").inner_text() == "" and violations(page) == []
    picture = page.get_by_role("img", name=SENTENCE, exact=True).first
    first = pixels(picture)
    page.reload()
    page.get_by_role("status").get_by_text("Drawn").wait_for()
    assert sentence.input_value() == SENTENCE
    np.testing.assert_array_equal(pixels(picture), first)


def test_page_is_under_its_policy_and_the_rest_goes_on(server):
    status, headers, body = ask(server, "/")
    assert status == 200
    assert headers["Content-Security-Policy"].endswith("; frame-ancestors 'none'")
    assert b"<title>Studio</title>" in body
    status, headers, _ = ask(server, "/main.js")
    assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert ask(server, "/nothing")[0] == 404
    assert "model_version_status" in json.loads(ask(server, "/v1/models/dmgan")[2])


def test_a_server_that_ends_is_told(exported, tmp_path, open_page):
    with serve(exported, tmp_path / "log", "--studio") as server:
        page = open_page(f"{server.root}/", expect_errors=True)
        page.get_by_role("button", name="Draw").and_(page.locator(":enabled")).wait_for()
        server.stop()
        page.get_by_role("textbox", name="Sentence").fill(SENTENCE)
        page.get_by_role("button", name="Draw").click()
        page.get_by_role("alert").get_by_text("The server can't be reached.").wait_for()


def test_model_that_does_not_say_its_words_is_refused(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "dmgan")
    (copy / "7" / DESCRIPTION).unlink()
    options = "--model", f"dmgan={copy}", "--studio", "--port", 0, "--rest-port", 0
    process = run("serving.server", *options)
    assert process.returncode == 2
    line = process.stderr.splitlines()[-1]
    assert line.startswith(f"error: --studio: {copy / '7' / DESCRIPTION}: can't be read, so")


def test_page_and_tokens_exclude_each_other(exported, tmp_path):
    (tmp_path / "tokens").write_text("0123456789abcdef\n")
    options = "--studio", "--token-file", tmp_path / "tokens"
    process = run("serving.server", "--model", f"dmgan={exported}", *options)
    assert process.returncode == 2
    assert "--studio and --token-file exclude each other" in process.stderr
