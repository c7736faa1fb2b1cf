"""What is scored: the pictures, and what is known about them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from dmgan_tf import build
from dmgan_tf.config import Config, DataConfig
from dmgan_tf.config_file import load_config
from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.data.toy_birds import Caption, birds
from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.captions import places
from dmgan_tf.evaluation.folder import Folder
from dmgan_tf.evaluation.pictures import METADATA, Drawn, Kept, Pictures
from dmgan_tf.evaluation.request import Request
from dmgan_tf.inference.model_directory import fingerprint, resolve
from dmgan_tf.inference.text_to_image import TextToImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """N pictures to be scored.

    Attributes: pictures. captions, class_ids: of each, where they are known. test_rows: int [N],
        which picture of the test split has the caption. toy_captions: on toy_birds, the captions
        with what they name.
    """

    pictures: Pictures
    captions: Sequence[str] | None = None
    class_ids: np.ndarray | None = None
    test_rows: np.ndarray | None = None
    toy_captions: Sequence[Caption] | None = None

    def check_for_r_precision(self, negatives: str) -> None:
        """Raises UserError when captions are missing, or classes, or there is only one."""
        if self.captions is None:
            raise UserError(
                f"--images-dir: R-precision needs the captions: a {METADATA} with `file_name` and "
                "`text` (and `class_id`) of each picture."
            )
        if self.class_ids is None and negatives == "other_classes":
            raise UserError(
                f"--images-dir: its {METADATA} has no `class_id`. Use --negatives random."
            )
        ids = self.class_ids
        if negatives == "other_classes" and ids is not None and len(np.unique(ids)) < 2:
            raise UserError(
                "The wrong captions of R-precision are of other classes, but all pictures are of "
                "one class. Use --negatives random."
            )


def subject(
    request: Request,
    config: Config,
    test: PictureSet,
    strategy: tf.distribute.Strategy,
    batch_size: int,
) -> Subject:
    """The pictures of the request: those of a folder, or to be drawn by its model.

    Args: test: the test split. batch_size: pictures drawn at once at most.
    Raises: UserError: when there is neither, or one of them is damaged.
    """
    if request.images_dir:
        folder = Folder(request.images_dir, request.images)
        return Subject(pictures=folder, captions=folder.captions, class_ids=folder.class_ids)
    if not request.model:
        raise UserError("Give --model, or --images-dir with the pictures of another program.")
    seen = _seen(config, test.captions) if request.unseen else ()
    chosen = places(test.captions, request.images or len(test), request.seed, seen)
    captions = [test.captions[place.picture][place.caption] for place in chosen]
    rows = np.array([place.picture for place in chosen])
    model = resolve(request.model)
    with strategy.scope():
        artist = TextToImage.from_preset(model)
    batch_size = min(batch_size, artist.batch_size * strategy.num_replicas_in_sync)
    seeds = [place.seed for place in chosen]
    pictures: Pictures = Drawn(artist, strategy, captions, seeds, fingerprint(model), batch_size)
    class_ids = test.class_ids[rows]
    if request.keep_images:
        pictures = Kept(pictures, request.keep_images, captions, class_ids)
    toy_captions = None
    if config.data.source == "toy_birds":
        flock = birds("test", config.data.images_per_class, config.data.seed)
        toy_captions = [flock[p.picture].captions[p.caption] for p in chosen]
    return Subject(
        pictures=pictures,
        captions=captions,
        class_ids=class_ids,
        test_rows=rows,
        toy_captions=toy_captions,
    )


def _seen(config, captions):
    """Which of the captions the training split has as well; its others are not held in memory."""
    asked = {caption for row in captions for caption in row}
    return {c for row in build.captions(config, "train") for c in row if c in asked}


def config_of(folder: Path | None, data: Path | None) -> Config:
    """The config of a model, or of data alone; `data`: a prepared folder instead of its own."""
    if not folder and not data:
        raise UserError("Give --data, a prepared folder: there is no model to know it.")
    if not folder:
        return Config(data=DataConfig(directory=str(data)))
    config = load_config(folder / "config.yaml")
    if not data:
        return config
    return replace(config, data=replace(config.data, source="prepared", directory=str(data)))
