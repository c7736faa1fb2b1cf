"""Model directories: config, vocabulary, weights and metadata, self-contained and checked.

    metadata.json              format, network configs, fingerprint, step, versions
    config.yaml                the experiment it came from, for people and for `train`
    vocabulary.json            words and their fingerprint
    NETWORK.weights.h5         generator (moving average), text_encoder, image_encoder; of a
                               converted model also discriminator_64, …; or NETWORK.safetensors
    README.md                  only of one from a hub: the model card, with a fingerprint

Every weight file carries the fingerprint of the vocabulary that it was trained with; a model that
was converted without its vocabulary has neither.
"""

import contextlib
import hashlib
import json
import shutil
from functools import partial
from importlib.metadata import version
from pathlib import Path

import h5py
import keras

from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.inference import hub, kaggle, presets
from dmgan_tf.inference.stored_sizes import fits, stored_sizes
from dmgan_tf.inference.weight_files import as_hdf5, weight_file, weight_files, weights_hash
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import (
    CompactEncoder,
    EfficientNetLite0Encoder,
    EfficientNetLite2Encoder,
    InceptionV3Encoder,
)
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.whole_file import check_space
from dmgan_tf.whole_folder import previous

FORMAT = 1
_FINGERPRINT = "vocabulary_fingerprint"
_HDF5_BYTES = 4096  # more than it needs around an array
# The only classes that a directory may name: nothing else that a file names is ever built.
_ENCODERS = CompactEncoder, EfficientNetLite0Encoder, EfficientNetLite2Encoder, InceptionV3Encoder
_CLASSES = {c.__name__: c for c in (Generator, Discriminator, TextEncoder, *_ENCODERS)}


def resolve(named: str | Path) -> Path:
    """The model directory that is named: a run's or a model's folder, preset, `hf://…`, `kaggle://…`.

    Raises: UserError: when there is none, or it is not what its card says.
    """
    folder = presets.locate(named)
    if presets.preset_name(folder) or (folder / presets.CARD).is_file():
        _check_preset(folder)
    model = model_in(folder)
    _check_model_card(model)
    return model


def _check_model_card(model):
    """Raises UserError when weights and words are not those that a model card was written for."""
    expected = hub.card_fingerprint(model)
    if expected and (found := fingerprint(model)) != expected:
        cached = hub.repository(model) or kaggle.repository(model)
        place = model.parents[1] if hub.repository(model) else model
        removed = f"Remove {place} and load" if cached else "Take"
        raise UserError(
            f"{cached or model}: weights and words have the fingerprint {found}, "
            f"in README.md it is {expected}. {removed} the model again from where it came from."
        )


def _check_preset(folder):
    """Raises UserError when a preset is not as it was packed."""
    card = presets.load_card(folder)
    try:
        held = load_metadata(folder).get("networks")
        for name in held if isinstance(held, dict) else ():
            if not weight_file(folder, name).is_file():
                raise UserError(f"{weight_file(folder, name)}: there is no such file.")
        if presets.settings_hash(folder) != card.settings:
            raise UserError(f"{folder}: metadata.json or config.yaml is not that of the card.")
        if (found := fingerprint(folder)) != card.fingerprint:
            raise UserError(
                f"{folder}: weights and words have the fingerprint {found}, "
                f"on the card it is {card.fingerprint}."
            )
    except UserError as error:
        raise presets.damaged(folder, error) from error


def model_in(directory: Path) -> Path:
    """A model directory from itself or from a run's folder, which holds one as `model/`.

    Raises: UserError: when neither is there.
    """
    for folder in (directory, directory / "model"):
        # A kill may have fallen between the two renames of `save_model`; reading changes nothing.
        for candidate in (folder, previous(folder)):
            if (candidate / "metadata.json").is_file():
                return candidate
    raise UserError(
        f"{directory}: holds no model (no metadata.json here or in model/). "
        "Give the folder of a run or of a model, or the name of a preset."
    )


def save_model(
    directory: str | Path,
    networks: dict[str, keras.Model],
    vocabulary: Vocabulary | None,
    config_yaml: str,
    **metadata,
) -> None:
    """Writes a model directory beside its place and renames it when whole.

    Args: networks: by name, of `generator`, `text_encoder`, `image_encoder`, `discriminator_…`.
        vocabulary: None where it isn't known. config_yaml: text of the experiment's config.
        metadata: plain values to keep, such as `step`; without a text encoder `feature_size` too.
    """
    directory = Path(directory)
    words = vocabulary.fingerprint if vocabulary else None
    partial = directory.with_name(directory.name + ".partial")
    old = previous(directory)
    shutil.rmtree(partial, ignore_errors=True)
    _finish_renaming(directory)
    try:
        partial.mkdir(parents=True)
        check_space(partial, _size(networks))
        for name, network in networks.items():
            path = partial / f"{name}.weights.h5"
            network.save_weights(path)
            if vocabulary:
                with h5py.File(path, "a") as file:
                    file.attrs[_FINGERPRINT] = words
        if vocabulary:
            vocabulary.save(partial / "vocabulary.json")
        (partial / "config.yaml").write_text(config_yaml, encoding="utf-8")
        content = {
            "format": FORMAT,
            **metadata,
            _FINGERPRINT: words,
            "versions": {name: version(name) for name in ("tensorflow", "keras")},
            "networks": {
                name: {"class": type(network).__name__, "config": _plain_config(network)}
                for name, network in networks.items()
            },
        }
        (partial / "metadata.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
        shutil.rmtree(old, ignore_errors=True)
        if directory.exists():
            directory.rename(old)
        partial.rename(directory)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        if old.exists() and not directory.exists():
            old.rename(directory)  # stopped between the two renames
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _size(networks):
    """Bytes that weights will have on disk: none is wider than float32."""
    return sum(4 * n.count_params() + _HDF5_BYTES * len(n.weights) for n in networks.values())


def _finish_renaming(directory):
    """Brings back the old directory where a kill fell between the two renames of `save_model`."""
    old = previous(directory)
    if old.is_dir() and not directory.exists():
        old.rename(directory)


def _plain_config(network):
    config = network.get_config()
    for unwanted in ("trainable", "dtype", "name"):
        config.pop(unwanted, None)
    return config


def load_vocabulary(directory: str | Path) -> Vocabulary:
    """Raises: UserError: when the vocabulary is missing or damaged."""
    path = Path(directory) / "vocabulary.json"
    try:
        return Vocabulary.load(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}.") from error
    except ValueError as error:
        raise UserError(str(error)) from error


def load_metadata(directory: str | Path) -> dict:
    """Raises: UserError: when it can't be read or was written in another format."""
    path = Path(directory) / "metadata.json"
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
        found = metadata["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: holds no model's metadata: {error!r}.") from error
    if found != FORMAT:
        raise UserError(f"{path}: format {found} is not {FORMAT}, the one this version reads.")
    return metadata


def fingerprint(directory: Path) -> str:
    """SHA-256 over weights and words of a model directory, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in weight_files(directory).values():
        digest.update(weights_hash(path).encode())
    if (directory / "vocabulary.json").is_file():
        digest.update(load_vocabulary(directory).fingerprint.encode())
    return digest.hexdigest()[:16]


def load_network(directory: str | Path, name: str, dtype: str = "float32") -> keras.Model:
    """Builds one network of a model directory and loads its weights.

    Raises: UserError: when the directory lacks it, or its weights are damaged, of another shape or
        of another vocabulary.
    """
    directory = Path(directory)
    metadata = load_metadata(directory)
    networks = metadata.get("networks")
    if not isinstance(networks, dict):
        raise UserError(f"{directory / 'metadata.json'}: is no model's. Name a run or a model.")
    if name not in networks:
        held = ", ".join(networks) or "none"
        raise UserError(f"{directory}: holds no {name}, but {held}. Name a model that has one.")
    has_vocabulary = metadata.get(_FINGERPRINT, "") is not None
    expected = load_vocabulary(directory).fingerprint if has_vocabulary else None
    path = weight_file(directory, name)
    with as_hdf5(path) as readable:
        return _load(path, readable, metadata, name, dtype, expected)


def _load(path, readable, metadata, name, dtype, expected):
    directory, networks = path.parent, metadata["networks"]
    with _loading(path, name), h5py.File(readable, "r") as file:
        found = file.attrs.get(_FINGERPRINT)
        stored = stored_sizes(file)
    if found != expected:
        raise UserError(
            f"{path}: was trained with another vocabulary ({found}) than "
            f"{directory / 'vocabulary.json'} ({expected}). "
            "Put the vocabulary that came with the weights beside them."
        )
    try:
        described = networks[name]
        make = partial(_make, described["class"], described["config"], metadata, dtype, name)
        if not fits(make, described["config"], stored):
            raise UserError(
                f"{path}: cannot be loaded as {name}: {directory / 'metadata.json'} describes a "
                f"larger one than the {stored.elements:,} values here. Take both files from where "
                "the model came from."
            )
        network = make()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(
            f"{directory}/metadata.json: describes no {name} that can be built: {error!r}. "
            "It is damaged, or of another version of dmgan_tf."
        ) from error
    with _loading(path, name):
        network.load_weights(readable)
    return network


@contextlib.contextmanager
def _loading(path, name):
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{path}: cannot be loaded as {name}: {reason}") from error


def _make(kind, config, metadata, dtype, name):
    network = _CLASSES[kind](**config, dtype=dtype, name=name)
    _build(network, metadata)
    return network


def _build(network, metadata):
    if isinstance(network, Generator):
        network.build((None, None, _feature_size(metadata)))
    elif isinstance(network, Discriminator):
        pictures = (None, network.side, network.side, network.channels)
        network.build(pictures, (None, _feature_size(metadata)))
    else:
        network.build()


def _feature_size(metadata):
    if "feature_size" in metadata:
        return metadata["feature_size"]
    return metadata["networks"]["text_encoder"]["config"]["feature_size"]
