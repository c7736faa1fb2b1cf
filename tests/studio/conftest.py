"""A real browser, Debian's Chromium, before a real server of the studio."""

import contextlib
import shutil

import pytest
from served_studio import lack, served

from dmgan_tf.inference import presets
from dmgan_tf.studio import folder

# As root Chromium has no sandbox; the rest keeps it from looking for hosts by itself.
_OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_MOST_SECONDS = 120


@pytest.fixture(scope="session")
def studio_folder(tmp_path_factory):
    """The studio of `toy_birds`, written by what `dmgan studio` calls."""
    if not folder.RUNTIME.is_dir():
        lack("ONNX Runtime Web isn't there: make studio.")
    out = tmp_path_factory.mktemp("studio") / "studio"
    folder.write(presets.ROOT / "toy_birds", out)
    return out


@pytest.fixture(scope="session")
def studio_address(studio_folder):
    with served(studio_folder) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    api = pytest.importorskip("playwright.sync_api", reason="Playwright isn't installed.")
    path = shutil.which("chromium")
    if not path:
        lack("Chromium isn't installed: apt-get install chromium.")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_OPTIONS))
        yield browser
        browser.close()


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
    assert not wrong


@pytest.fixture
def open_page(chromium):
    with visits(chromium) as visit:
        yield visit


@pytest.fixture(scope="module")
def page(chromium, studio_address):
    """One page for all tests that begin with drawing: to load the runtime takes a second."""
    with visits(chromium) as visit:
        yield visit(studio_address)
