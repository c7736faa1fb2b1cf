"""Tiny networks with weights away from where they start, and their model directory."""

import importlib
import shutil

import keras
import numpy as np
import pytest
from hub_server import TOKEN, HubServer

from dmgan_tf.data.vocabulary import END, Vocabulary
from dmgan_tf.inference.model_directory import save_model
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import CompactEncoder
from dmgan_tf.models.text_encoder import TextEncoder

CONFIG = "data: {source: toy_birds}\n"


@pytest.fixture(scope="session")
def vocabulary():
    return Vocabulary([END, "a", "bird", "red", "with", "the", "wings"])


@pytest.fixture(scope="session")
def networks(vocabulary):
    """Generator with two refinements, text and image encoder."""
    keras.utils.set_random_seed(0)
    text = TextEncoder(len(vocabulary), embedding_size=4, feature_size=6)
    text.build()
    image = CompactEncoder(6, (2, 3, 4, 5, 6), 16, name="image_encoder")
    image.build()
    generator = Generator(
        feature_channels=4,
        memory_channels=5,
        condition_size=3,
        noise_size=4,
        first_side=8,
        stages=3,
        residual_blocks=1,
    )
    generator.build((None, None, 6))
    rng = np.random.default_rng(0)
    for network in (text, image, generator):
        for weight in network.weights:
            if weight.dtype == "float32":
                weight.assign(weight + rng.uniform(-0.3, 0.3, weight.shape))
    return {"generator": generator, "text_encoder": text, "image_encoder": image}


@pytest.fixture(scope="session")
def saved(tmp_path_factory, networks, vocabulary):
    path = tmp_path_factory.mktemp("run") / "model"
    save_model(path, networks, vocabulary, CONFIG, step=7, score=1.5, max_words=12)
    return path


@pytest.fixture
def directory(tmp_path, saved):
    """A model directory to spoil."""
    return shutil.copytree(saved, tmp_path / "model")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A hub without repositories, and a cache and a token for it."""
    pytest.importorskip("huggingface_hub")
    started = HubServer()
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", started.url)
    template = started.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield started
    started.close()
