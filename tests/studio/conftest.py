"""The studio of a preset behind its own server, and a page of it."""

import pytest
from browser import lack, visits
from page_actions import COUNT, SEED, SENTENCE
from served_studio import served

from dmgan_tf.inference import presets
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.studio import folder


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


@pytest.fixture(scope="module")
def page(chromium, studio_address):
    """One page for all tests that begin with drawing: to load the runtime takes a second."""
    with visits(chromium) as visit:
        page = visit(studio_address)
        page.get_by_role("status").get_by_text("Ready.").wait_for()
        yield page


@pytest.fixture(scope="session")
def drawing():
    """What Keras draws."""
    artist = TextToImage.from_preset("toy_birds")
    return artist.draw([SENTENCE] * COUNT, range(SEED, SEED + COUNT))
