"""A real browser, Debian's Chromium, driven by Playwright."""

import contextlib
import os
import shutil

import numpy as np
import pytest
from command_lines import ROOT

# As root Chromium has no sandbox; the rest keeps it from looking for hosts by itself.
_OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_MOST_SECONDS = 120

# The pixels of an image or canvas, RGB, as a list.
_PIXELS = """element => {
    const canvas = document.createElement("canvas");
    canvas.width = element.naturalWidth ?? element.width;
    canvas.height = element.naturalHeight ?? element.height;
    const context = canvas.getContext("2d");
    context.drawImage(element, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    return [canvas.width, ...data];
}"""


def pixels(locator):
    """RGB of a locator of an image or a canvas, int [side, side, 3]."""
    side, *values = locator.evaluate(_PIXELS)
    found = np.array(values).reshape(side, side, 4)
    assert (found[..., 3] == 255).all()
    return found[..., :3]


def violations(page):
    """What axe finds against the rules of accessibility: (rule, the elements)."""
    axe = ROOT / "dmgan_tf" / "studio" / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        lack("axe-core isn't there: make studio.")
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(result => result.violations)")
    return [(v["id"], [node["html"] for node in v["nodes"]]) for v in found]


def lack(reason):
    """Skips, but in CI, which has everything, fails."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def playwright():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lack("Playwright isn't installed: make setup.")
    with sync_playwright() as started:
        yield started


@contextlib.contextmanager
def browser(playwright, *options):
    """Chromium with more options."""
    path = shutil.which("chromium")
    if not path:
        lack("Chromium isn't installed: apt-get install chromium.")
    running = playwright.chromium.launch(executable_path=path, args=[*_OPTIONS, *options])
    yield running
    running.close()


@pytest.fixture(scope="session")
def chromium(playwright):
    with browser(playwright) as running:
        yield running


@contextlib.contextmanager
def visits(chromium):
    """Opens an address in a context of its own; at the end, nothing may have gone wrong there.

    Nothing is fetched from elsewhere, no policy is broken, no script has failed.
    """
    contexts, wrong = [], []

    def visit(address, expect_errors=False, **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        context.set_default_timeout(1000 * _MOST_SECONDS)
        contexts.append(context)
        page = context.new_page()
        if not expect_errors:
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        own = address.partition("#")[0], f"blob:{address.partition('#')[0]}"
        page.on("request", lambda r: None if r.url.startswith(own) else wrong.append(r.url))
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong, wrong


@pytest.fixture
def open_page(chromium):
    with visits(chromium) as visit:
        yield visit
