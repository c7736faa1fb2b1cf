"""The authors' files to a model directory, and a model directory to their files."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from dmgan_tf import build
from dmgan_tf.config import Config
from dmgan_tf.config_file import find_config, load_config
from dmgan_tf.errors import UserError
from dmgan_tf.inference.model_directory import load_metadata, load_network, resolve, save_model
from dmgan_tf.interop.authors_layout import load_authors, to_authors
from dmgan_tf.interop.captions_pickle import read_vocabulary
from dmgan_tf.interop.dimensions import Dimensions, State, dimensions
from dmgan_tf.interop.torch_file import read_state_dict, write_state_dict
from dmgan_tf.models.image_encoder import InceptionV3Encoder

_LOGGER = logging.getLogger(__name__)
_ORIGIN = "converted_from"
_COCO_RESIDUAL_BLOCKS = 3  # birds have 2
_COCO_LEAST_WORDS = 10_000  # birds have 5,450, COCO 27,297
_EXPORTED = {"generator": "netG", "text_encoder": "text_encoder", "image_encoder": "image_encoder"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorsFiles:
    """What there is of a model of the authors; any part may be missing.

    Attributes: generator, text_encoder, image_encoder: `.pth` files. captions: `captions.pickle`.
        discriminators: the folder of netD0.pth, netD1.pth, …
    """

    generator: Path | None = None
    text_encoder: Path | None = None
    image_encoder: Path | None = None
    captions: Path | None = None
    discriminators: Path | None = None

    def networks(self) -> Iterator[tuple[str, Path]]:
        """Kind and file of every network."""
        for kind in _EXPORTED:
            if path := getattr(self, kind):
                yield kind, path
        if self.discriminators:
            if not self.discriminators.is_dir():
                raise UserError(f"{self.discriminators}: there is no such folder.")
            paths = sorted(self.discriminators.glob("netD*.pth"))
            if not paths:
                raise UserError(f"{self.discriminators}: holds no netD0.pth, netD1.pth, …")
            yield from (("discriminator", path) for path in paths)


@dataclass(frozen=True, slots=True)
class _Part:
    """One network of the authors."""

    kind: str
    path: Path
    state: State
    dimensions: Dimensions


def convert(files: AuthorsFiles, directory: Path, config_name: str | None = None) -> Config:
    """Writes a model directory of the authors' networks and vocabulary.

    Args: config_name: the experiment that the dimensions found are put into. None: `coco.yaml`
        where the generator has three residual blocks (where there is no generator: 10,000 words
        or more), else `cub.yaml`.
    Returns: the config that was written.
    Raises: UserError: when a file isn't what it is given as, two don't belong together, or the
        directory holds something that isn't an earlier conversion.
    """
    _check_target(directory)
    parts = []
    for kind, path in files.networks():
        state = read_state_dict(path)
        parts.append(_Part(kind, path, state, dimensions(kind, state, str(path))))
    vocabulary = read_vocabulary(files.captions) if files.captions else None
    if vocabulary:
        _check_vocabulary(parts, len(vocabulary), files.captions)
    else:
        _LOGGER.warning("Without --captions the model knows no words: it can't draw or be trained.")
    config = _config(parts, config_name, vocabulary and len(vocabulary))
    networks = {network.name: network for network in _networks(config, parts)}
    try:
        save_model(
            directory,
            networks,
            vocabulary,
            config.to_yaml(),
            max_words=config.data.max_words_evaluation,
            feature_size=config.text_encoder.feature_size,
            **{_ORIGIN: [part.path.name for part in parts]},
        )
    except OSError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{directory}: cannot be written: {reason}.") from error
    return config


def _check_target(directory):
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    metadata = directory / "metadata.json"
    if not metadata.is_file() or _ORIGIN not in load_metadata(directory):
        raise UserError(f"--out {directory}: is there, and is no converted model. Name another.")


def _check_vocabulary(parts, words, path):
    for part in parts:
        rows = part.dimensions.values.get("vocabulary_size", words)
        if rows != words:
            raise UserError(
                f"{path}: holds {words} words, but {part.path} has embeddings for {rows}. "
                "Give the captions.pickle that the text encoder was trained with."
            )


def _config(parts, name, words):
    """The experiment of that name with the dimensions of the parts."""
    config = load_config(find_config(name or _experiment(parts, words)))
    text = config.text_encoder
    config = replace(
        config,
        text_encoder=replace(
            text,
            feature_size=_feature_size(parts),
            vocabulary_size=words or text.vocabulary_size,
        ),
        image_encoder=replace(config.image_encoder, kind="inception_v3"),
        # An Inception v3 has no maps that discriminators may judge and losses compare.
        discriminator=replace(config.discriminator, feature_maps=()),
        training=replace(config.training, perceptual_weight=0.0),
    )
    for part in parts:
        try:
            section = replace(getattr(config, part.kind), **part.dimensions.values)
            config = replace(config, **{part.kind: section})
        except UserError as error:
            raise UserError(f"{part.path}: {error}") from error
    return _with_sides(config, parts)


def _experiment(parts, words):
    found = {key: value for part in parts for key, value in part.dimensions.values.items()}
    if "residual_blocks" in found:
        is_coco = found["residual_blocks"] == _COCO_RESIDUAL_BLOCKS
    else:
        is_coco = found.get("vocabulary_size", words or 0) >= _COCO_LEAST_WORDS
    return "coco.yaml" if is_coco else "cub.yaml"


def _feature_size(parts):
    sizes = {part.path: part.dimensions.feature_size for part in parts}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{path} {size}" for path, size in sizes.items())
        raise UserError(f"The files don't belong together; sizes of their word features: {listed}.")
    return next(iter(sizes.values()))


def _with_sides(config, parts):
    sides = sorted(part.dimensions.side for part in parts if part.dimensions.side)
    if not sides:
        return config
    if not any(part.kind == "generator" for part in parts):
        generator = replace(config.generator, first_side=sides[0], stages=len(sides))
        config = replace(config, generator=generator)
    if tuple(sides) != config.generator.sides:
        raise UserError(
            f"The discriminators judge pictures of {sides} pixels, the generator draws "
            f"{list(config.generator.sides)}."
        )
    return config


def _networks(config: Config, parts: list[_Part]) -> Iterator[keras.Model]:
    """The networks, built and loaded."""
    kinds = {part.kind for part in parts}
    judges = build.discriminators(config) if "discriminator" in kinds else []
    for part in parts:
        if part.kind == "generator":
            network = build.generator(config)
        elif part.kind == "text_encoder":
            network = build.text_encoder(config, config.text_encoder.vocabulary_size)
        elif part.kind == "image_encoder":
            network = build.image_encoder(config)
        else:
            network = next(judge for judge in judges if judge.side == part.dimensions.side)
        load_authors(network, part.state, str(part.path))
        yield network


def export(model: Path, directory: Path) -> list[Path]:
    """Writes the networks of a model directory under the authors' names; returns the files.

    netG.pth, text_encoder.pth, image_encoder.pth, netD0.pth (the smallest pictures) and so on, as
    `torch.load(weights_only=True)` takes them. An image encoder that is no Inception v3 is left
    out with a warning.

    Raises: UserError: when the model can't be loaded, the authors have no such generator, or a file
        is there already; nothing is written then.
    """
    model = resolve(model)
    names = load_metadata(model).get("networks")
    if not names:
        raise UserError(f"{model}: holds no networks.")
    stems = _EXPORTED | _discriminator_stems(names)
    states = {}
    for name in names:
        if name not in stems:
            raise UserError(f"{model}: the authors have no network {name!r}.")
        network = load_network(model, name)
        if name == "image_encoder" and not isinstance(network, InceptionV3Encoder):
            _LOGGER.warning("Left out the image_encoder: the authors' is an Inception v3.")
            continue
        path = directory / f"{stems[name]}.pth"
        if path.exists():
            raise UserError(f"{path} is there already: give another folder, or remove it.")
        states[path] = to_authors(network)
    for path, state in states.items():
        write_state_dict(path, state)
    return list(states)


def _discriminator_stems(names):
    """Network → file without its ending, by the size of the pictures."""
    sides = sorted(int(m[1]) for name in names if (m := re.fullmatch(r"discriminator_(\d+)", name)))
    return {f"discriminator_{side}": f"netD{i}" for i, side in enumerate(sides)}
