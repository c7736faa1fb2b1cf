"""What a run needs and is not there, found before it begins: for `--dry-run`.

Everything is read, and checked, as the run itself would; nothing is trained or written.
"""

from collections.abc import Callable
from pathlib import Path

from dmgan_tf import build
from dmgan_tf.build_data import check_groups
from dmgan_tf.config import Config
from dmgan_tf.data.encoded_captions import encode_all
from dmgan_tf.errors import UserError
from dmgan_tf.experiment.encoders import DEPENDS_ON, check_encoders, ready_encoders
from dmgan_tf.experiment.gan import check_pictures, take_weights
from dmgan_tf.inference.model_directory import load_network, load_vocabulary
from dmgan_tf.remote.run import working_folder
from dmgan_tf.training.run_folder import RunFolder


def lacking_for_training(config: Config, directory: Path, resume: bool) -> list[str]:
    """What would stop `train`, in sentences; empty when nothing would."""
    return _complaints(
        lambda: RunFolder(config, directory, resume),
        lambda: _read_data(config),
        lambda: check_pictures(config, resume),
        lambda: _find_encoders(config, directory, resume),
        lambda: _encode_captions(config, ready_encoders(config, directory, resume)),
        lambda: _take_initial_weights(config, directory),
    )


def lacking_for_pretraining(config: Config, directory: Path, resume: bool) -> list[str]:
    """What would stop `pretrain-damsm`, in sentences; empty when nothing would."""
    return _complaints(
        lambda: RunFolder(config, directory, resume, DEPENDS_ON),
        lambda: _encode_captions(config),
        lambda: check_groups(config),
        lambda: build.initial_image_encoder(config),
    )


def _complaints(*checks: Callable[[], object]) -> list[str]:
    found = []
    for check in checks:
        try:
            check()
        except UserError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))  # two checks may want the same file


def _read_data(config):
    if config.data.source == "prepared":  # others are drawn, and lack nothing
        build.vocabulary(config, build.pictures(config, "train"))


def _encode_captions(config, encoders=None):
    if config.data.source == "prepared":
        pictures = build.pictures(config, "train")
        known = load_vocabulary(encoders) if encoders else build.vocabulary(config, pictures)
        encode_all(pictures, known, keep=False)


def _find_encoders(config, directory, resume):
    encoders = ready_encoders(config, directory, resume)
    if encoders is None:
        RunFolder(config, directory / "damsm", resume, DEPENDS_ON)
        check_groups(config)
        build.initial_image_encoder(config)
        return
    load_vocabulary(encoders)
    networks = [load_network(encoders, name) for name in ("text_encoder", "image_encoder")]
    check_encoders(config, *networks, encoders, directory)


def _take_initial_weights(config, directory):
    begun = (working_folder(directory) / "checkpoints").is_dir()  # then the run goes on from there
    named = config.training.initial_model
    if named and not begun:
        take_weights(named, [build.generator(config)], build.discriminators(config))
