"""What the tests of the page do with it."""

import numpy as np

SENTENCE = "a small yellow bird with blue wings and a red crown in the snow"
SEED, COUNT = 1, 3
SIDES = (16, 32, 64)


def within(one, other):
    assert one.shape == other.shape
    return np.abs(one.astype(int) - other.astype(int)).max()


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
