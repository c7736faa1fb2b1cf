"""How well a model draws captions it has never seen, each score beside that of real pictures.

R-precision and the Fréchet distance see through a *judge*: DAMSM encoders that the model was not
trained with. On toy_birds, where the truth is known, colours and shape are measured as well.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from dmgan_tf import build
from dmgan_tf.config import Config, load_config
from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.data.toy_birds import birds, color_share, judge_colors
from dmgan_tf.errors import UserError
from dmgan_tf.inference.captioned_grid import save_captioned_grid
from dmgan_tf.inference.model_directory import load_network, load_vocabulary, resolve
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.metrics.features import image_code_function, sentence_features
from dmgan_tf.metrics.frechet_distance import frechet_distance, statistics
from dmgan_tf.metrics.r_precision import r_precision

_GRID_PICTURES = 16
_FEWEST_IMAGES = 100  # R-precision's candidates
# Blobs of the right colours in the right places: what a distance to real pictures must punish.
_BLOB_SIGMA = 1 / 16  # of the side


def evaluate(model: Path, judge: Path, images: int, seed: int, grid: Path | None = None) -> dict:
    """Draws `images` unseen captions and scores them.

    Args: model, judge: folders of a run or of a model. grid: PNG file for the first pictures.
    Returns: plain values, each score also for real pictures (`…_real`), and the distance also for
        blurred real ones (`…_blobs`).
    Raises: UserError: when the data are missing, or too few or too many pictures asked for.
    """
    model, judge = resolve(model), resolve(judge)
    config = load_config(model / "config.yaml")
    pictures = build.pictures(config, "test")
    places = _unseen_captions(pictures, build.captions(config, "train"), seed)
    if len(places) < _FEWEST_IMAGES:
        raise UserError(
            f"{len(places)} pictures of the test split have a caption that the training split "
            f"lacks: R-precision needs {_FEWEST_IMAGES}."
        )
    if not _FEWEST_IMAGES <= images <= len(places):
        raise UserError(
            f"`images` must lie between {_FEWEST_IMAGES} and {len(places)}, the pictures of the "
            f"test split with an unseen caption. Received: {images}."
        )
    places = places[:images]
    chosen = np.array([i for i, _ in places])
    captions = [pictures.captions[i][j] for i, j in places]
    artist = TextToImage.from_preset(model)
    drawn = artist.draw(captions, list(range(seed, seed + images)), progress=True).images[-1]
    side = drawn.shape[1]
    real = read_pictures(pictures, chosen, side, config.data.load_side_ratio)
    own = _same_weights(load_network(model, "image_encoder"), load_network(judge, "image_encoder"))
    report = {"images": images, "split": "test", "seed": seed, "judge_is_own": own}
    report |= _judged(judge, config, drawn, real, captions, pictures.class_ids[chosen])
    if config.data.source == "toy_birds":
        report |= _toy_birds_scores(config, drawn, real, places)
    if grid:
        shown = slice(_GRID_PICTURES)
        save_captioned_grid(grid, drawn[shown], captions[shown])
        save_captioned_grid(grid.with_name(f"{grid.stem}_real.png"), real[shown], captions[shown])
    return report


def _unseen_captions(pictures, training_captions, seed):
    """(picture, caption) in random order: a caption each, none of which stands in the training."""
    seen = {caption for row in training_captions for caption in row}
    places = []
    for k, i in enumerate(np.random.default_rng(seed).permutation(len(pictures))):
        count = len(pictures.captions[i])
        rotated = ((k + j) % count for j in range(count))
        place = next((j for j in rotated if pictures.captions[i][j] not in seen), None)
        if place is not None:
            places.append((int(i), place))
    return places


def _same_weights(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=False)
    return all(np.array_equal(a, b) for a, b in pairs)


def _judged(judge, config: Config, drawn, real, captions: Sequence[str], class_ids) -> dict:
    vocabulary = load_vocabulary(judge)
    encoded = [vocabulary.encode(caption)[0] for caption in captions]
    if not all(encoded):
        raise UserError(f"{judge}: knows no word of {captions[encoded.index([])]!r}.")
    ids, lengths = vocabulary.pad(encoded, config.data.max_words_evaluation)
    sentences = sentence_features(load_network(judge, "text_encoder"), ids, lengths)
    codes = image_code_function(load_network(judge, "image_encoder"))
    half = len(real) // 2
    sigma = _BLOB_SIGMA * real.shape[1]
    blobs = gaussian_filter(real, (0, sigma, sigma, 0))
    drawn_codes, real_codes = codes(drawn), codes(real)
    precision, spread = r_precision(drawn_codes, sentences, class_ids)
    precision_real, spread_real = r_precision(real_codes, sentences, class_ids)
    reference = statistics(real_codes[:half])
    distances = {
        "": drawn_codes[half:],
        "_real": real_codes[half:],
        "_blobs": codes(blobs[half:]),
    }
    return {
        "r_precision": precision,
        "r_precision_std": spread,
        "r_precision_real": precision_real,
        "r_precision_real_std": spread_real,
    } | {
        f"frechet_distance{suffix}": frechet_distance(reference, statistics(features))
        for suffix, features in distances.items()
    }


def _toy_birds_scores(config, drawn, real, places) -> dict:
    flock = birds("test", config.data.images_per_class, config.data.seed)
    named = [flock[i].captions[j].named for i, j in places]
    return {
        "color_share": color_share(drawn, named),
        "color_share_real": color_share(real, named),
        "bird_fit": float(judge_colors(drawn).fit.mean()),
        "bird_fit_real": float(judge_colors(real).fit.mean()),
    }
