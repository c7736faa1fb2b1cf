"""Who looks at the pictures: networks, on all replicas, and the judges of toy_birds."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from dmgan_tf.config_file import load_config
from dmgan_tf.data.toy_birds import (
    COLORS,
    NO_SURROUNDINGS,
    PARTS,
    SURROUNDINGS,
    background_spectra,
    judge_colors,
    judge_surroundings,
)
from dmgan_tf.errors import UserError
from dmgan_tf.feature_networks import FeatureNetwork
from dmgan_tf.inference.model_directory import load_metadata, load_network
from dmgan_tf.inference.weight_files import weight_file, weights_hash
from dmgan_tf.training.replicas import map_batch

DAMSM = "damsm"
BIRDS = "birds"
BACKGROUND = "background"
SPECTRA = f"{BACKGROUND}.spectra"


class DamsmNetwork:
    """The image encoder of a judge, as a feature network without logits.

    Its codes are what R-precision compares; distances of them compare with nothing published.
    """

    name = DAMSM
    class_count = None
    published = False

    def __init__(self, judge: Path):
        if "image_encoder" not in load_metadata(judge)["networks"]:
            raise UserError(
                f"{judge}: holds no image encoder, so it can't judge. Name another with --judge."
            )
        encoder = load_network(judge, "image_encoder")
        self.weights_sha256 = weights_hash(weight_file(judge, "image_encoder"))
        self.feature_size = encoder.feature_size
        kind = load_config(judge / "config.yaml").image_encoder.kind
        self.encoder_kind = None if kind == "compact" else kind  # which begins with no weights
        self.protocol = (
            f"image codes of {type(encoder).__name__}; uint8 pictures at their own side, to [−1, 1]"
        )
        self._encoder = encoder

    def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, None]:
        """uint8 [B, side, side, 3] → codes float32 [B, C]."""
        scaled = tf.cast(images, tf.float32) / 127.5 - 1.0
        return self._encoder(scaled, training=False)[1], None


class NetworkObserver:
    """Features of a network, and its logits where it has classes, as NAME and NAME.logits."""

    def __init__(
        self,
        network: FeatureNetwork | DamsmNetwork,
        strategy: tf.distribute.Strategy,
        batch_size: int,
    ):
        self.name = network.name
        self.identity = f"{network.name} {network.weights_sha256}"
        self._network, self._strategy, self._batch_size = network, strategy, batch_size
        self._look = tf.function(self._outputs)

    def _outputs(self, images):
        features, logits = self._network(images)
        return {"": features} | ({} if logits is None else {".logits": logits})

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        parts = []
        for start in range(0, len(images), self._batch_size):
            share = images[start : start + self._batch_size]
            parts.append(map_batch(self._strategy, self._look, [share], self._batch_size))
        return {
            self._network.name + suffix: np.concatenate([part[suffix] for part in parts])
            for suffix in parts[0]
        }


class BirdsObserver:
    """The colour of each part, as its place among COLORS, and at last how well a bird fits."""

    name = identity = BIRDS

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        judgement = judge_colors(images)
        names = list(COLORS)
        columns = [[names.index(color) for color in judgement.colors[part]] for part in PARTS]
        return {BIRDS: np.stack([*columns, judgement.fit], axis=1).astype(np.float32)}

    @staticmethod
    def colors(seen: np.ndarray) -> dict[str, list[str]]:
        """The names of the colours again: one a picture, by part."""
        names = list(COLORS)
        return {part: [names[int(i)] for i in seen[:, k]] for k, part in enumerate(PARTS)}


class BackgroundObserver:
    """The kind of the surroundings, as its place in KINDS, and the spectra of the background."""

    name = BACKGROUND
    identity = f"{BACKGROUND} 2"
    KINDS = (*SURROUNDINGS, NO_SURROUNDINGS)

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        kinds = [self.KINDS.index(kind) for kind in judge_surroundings(images)]
        return {
            BACKGROUND: np.array(kinds, np.float32),
            SPECTRA: background_spectra(images),
        }

    @classmethod
    def kinds(cls, seen: np.ndarray) -> list[str]:
        """The names of the kinds again."""
        return [cls.KINDS[int(i)] for i in seen]
