"""A pair of reference files: its arrays, its weights, and our networks built to its sizes."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from parity.weights import state_dict

from dmgan_tf import build
from dmgan_tf.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    TextEncoderConfig,
    TrainingConfig,
)
from dmgan_tf.interop.authors_layout import load_authors
from dmgan_tf.training.dmgan_trainer import DMGANTrainer

_DISCRIMINATOR = "discriminator_"


class Pair:
    """`NAME.json` and `NAME.npz`, made as ../shared/parity/README.md says.

    Args: path: of both files, without their ending.
    Attributes: arrays: by key. sides: of the pictures, small to large. config: an experiment of
        the pair's sizes. steps: training steps in the file.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._description = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
        with np.load(f"{path}.npz") as file:
            self.arrays = {key: file[key] for key in file.files}
        names = [name for name in self._description["manifest"] if name.startswith(_DISCRIMINATOR)]
        self.sides = tuple(sorted(int(name.removeprefix(_DISCRIMINATOR)) for name in names))
        steps = (re.match(r"train/step(\d+)/", key) for key in self.arrays)
        self.steps = max((int(found[1]) for found in steps if found), default=0)
        self.config = self._config()

    def _config(self) -> Config:
        size, rates = self._description["dims"], self._description["optimizer"]
        manifest = self._description["manifest"]
        vocabulary_size, embedding_size = manifest["text_encoder"]["encoder.weight"]
        return Config(
            data=DataConfig(directory="none", max_words=size["words"]),
            text_encoder=TextEncoderConfig(
                vocabulary_size=vocabulary_size,
                embedding_size=embedding_size,
                feature_size=size["e"],
            ),
            generator=GeneratorConfig(
                feature_channels=size["gf"],
                memory_channels=manifest["generator"]["h_net2.M_w.0.bias"][0],
                condition_size=size["c"],
                noise_size=size["z"],
                first_side=self.sides[0],
                stages=len(self.sides),
                residual_blocks=size["r"],
            ),
            discriminator=DiscriminatorConfig(base_width=size["df"]),
            training=TrainingConfig(
                batch_size=size["B"],
                generator_learning_rate=rates["lr"],
                discriminator_learning_rate=rates["lr"],
                beta_1=rates["beta_1"],
                beta_2=rates["beta_2"],
                ema_decay=rates["ema"],
                damsm_weight=size["lam"],
            ),
        )

    def state(self, name: str) -> dict[str, np.ndarray]:
        """The authors' state dict of the network that the manifest calls `name`."""
        seed = self._description["seed"]
        if name.startswith(_DISCRIMINATOR):
            place = self.sides.index(int(name.removeprefix(_DISCRIMINATOR)))
            seed = self._description["discriminator_seeds"][place]
        return state_dict(self._description["manifest"][name], seed)

    def load(self, network: keras.Model, name: str) -> keras.Model:
        """Gives a network the weights of the pair."""
        load_authors(network, self.state(name), f"{self.path}, {name}")
        return network

    def text_encoder(self) -> keras.Model:
        """The text encoder with the pair's weights."""
        size = self.config.text_encoder.vocabulary_size
        return self.load(build.text_encoder(self.config, size), "text_encoder")

    def image_encoder(self) -> keras.Model:
        """The image encoder with the pair's weights."""
        return self.load(build.image_encoder(self.config), "image_encoder")

    def generator(self) -> keras.Model:
        """A generator with the pair's weights."""
        return self.load(build.generator(self.config), "generator")

    def trainer(self, text_encoder: keras.Model, image_encoder: keras.Model) -> DMGANTrainer:
        """What `dmgan_tf.train` trains, with the pair's weights and optimizers."""
        trainer = build.dmgan_trainer(self.config, text_encoder, image_encoder)
        for network in (trainer.generator, trainer.average_generator):
            self.load(network, "generator")
        for network in trainer.discriminators:
            self.load(network, f"{_DISCRIMINATOR}{network.side}")
        return trainer

    def images(self, side: int) -> tf.Tensor:
        """The real pictures, [B, side, side, 3]."""
        return tf.constant(self.arrays[f"in/real_{side}"].transpose(0, 2, 3, 1))

    def batch(self, prefix: str = "") -> dict:
        """A batch as the input pipeline gives it.

        Args: prefix: "" captions of equal length, "var_" of unequal.
        """
        arrays = self.arrays
        return {
            "images": tuple(self.images(side) for side in self.sides),
            "ids": tf.constant(arrays[f"in/{prefix}captions"], tf.int32),
            "lengths": tf.constant(arrays[f"in/{prefix}lengths"], tf.int32),
            "class_ids": tf.constant(arrays["in/class_ids"], tf.int32),
            "noise": tf.constant(arrays["in/z"]),
            "condition_noise": tf.constant(arrays["in/eps"]),
        }
