"""The fields of the studio's page in Chromium: sentence, seed, and what is said of them."""

import pytest
from page_actions import draw, fill

from dmgan_tf.inference import presets

pytestmark = pytest.mark.slow


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
    ("typed", "taken"),
    [
        ("a zeppelin", "a {}"),
        ("a xylophone", "a {}"),
        ("a bird é", "a bird é {}"),
        ("a bird,", "a bird, {}"),
        ("a bird", "a bird {}"),
        ("a bird ", "a bird {}"),
        ("a bird, Yël", "a bird, {}"),
        ("red-ye", "red-{}"),
        ("", "{}"),
    ],
)
def test_an_offered_word_is_a_word_of_its_own(page, typed, taken):
    sentence = page.get_by_role("textbox", name="Sentence")
    sentence.fill(typed)
    first = page.get_by_role("group", name="Known words").get_by_role("button").first
    word = first.inner_text()
    first.click()
    assert sentence.input_value() == taken.format(word) + " "
    assert word in page.locator("#read span").all_inner_texts()


def test_only_what_is_left_out_is_read_aloud_and_only_when_it_changes(page):
    sentence = page.get_by_role("textbox", name="Sentence")
    sentence.fill("")
    page.evaluate("""() => {
        self.heard = [];
        const options = { childList: true, characterData: true, subtree: true };
        const heard = (changes) => self.heard.push(changes[0].target.textContent);
        for (const live of document.querySelectorAll("#form [aria-live]")) {
            new MutationObserver(heard).observe(live, options);
        }
    }""")
    sentence.press_sequentially("a yellow zeppelin and gnu")
    assert page.evaluate("heard") == ["Left out: zeppelin."]
    sentence.blur()
    assert page.evaluate("heard") == ["Left out: zeppelin.", "Left out: zeppelin, gnu."]
    described = sentence.get_attribute("aria-describedby").split()
    assert "left-out" in described and page.locator("#left-out").count() == 1


def test_arrow_keys_count_seeds_of_64_bits_exactly(page):
    seed = page.get_by_role("spinbutton", name="Seed")
    seed.fill("4611686018427387905")
    for key, expected in (("ArrowUp", "906"), ("ArrowDown", "905"), ("ArrowDown", "904")):
        seed.press(key)
        assert seed.input_value() == f"4611686018427387{expected}"


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


def test_title_names_the_model_and_the_end_of_loading_is_told(open_page, studio_address):
    page = open_page(studio_address)
    page.get_by_role("status").get_by_text("Ready.").wait_for()
    assert page.get_by_role("button", name="Draw").is_enabled()
    assert page.title() == f"{page.locator('#model').inner_text()} – Studio"
    assert presets.load_card(presets.ROOT / "toy_birds").title in page.title()
