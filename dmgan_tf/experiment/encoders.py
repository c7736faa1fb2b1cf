"""The DAMSM encoders of a run: pretrained here, or taken from a model that is named."""

import contextlib
from pathlib import Path

import keras

from dmgan_tf import build
from dmgan_tf.build_data import check_groups
from dmgan_tf.config import Config
from dmgan_tf.data.encoded_captions import encode_all
from dmgan_tf.errors import UserError
from dmgan_tf.experiment.run import Task, run
from dmgan_tf.experiment.watchers import progress, retrieval
from dmgan_tf.inference.model_directory import load_metadata, model_in, resolve, save_model
from dmgan_tf.models.image_encoder import CompactEncoder
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.remote.run import working_folder
from dmgan_tf.training.replicas import every_worker
from dmgan_tf.training.run_folder import RunFolder, settle

# What of the config pretraining depends on. Of the pictures it sees the largest alone, and encoders
# are float32 under every `training.mixed_precision`.
DEPENDS_ON = frozenset(
    {
        "data",
        "text_encoder",
        "image_encoder",
        "damsm",
        "generator.first_side",
        "generator.stages",
        "training.seed",
        "training.xla",
        "training.tf32",
        "training.threads_per_operation",
    }
)
_SHOWN = {"sentence": "damsm_sentence", "words": "damsm_word"}


def pretrain(config: Config, directory: str | Path, strategy, resume: bool = False) -> Path:
    """Trains the DAMSM encoders into a run's folder; returns their model directory.

    Beside it, `best/` holds those that told held-out captions best. A pretraining that goes on may
    change all but `DEPENDS_ON`.

    Raises: UserError, Interrupted.
    """
    directory, section = Path(directory), config.damsm
    settle(directory, strategy)
    build.check_batch_size("damsm.batch_size", section.batch_size, strategy.num_replicas_in_sync)
    folder = RunFolder(config, directory, resume, DEPENDS_ON)
    check_groups(config)
    pictures = build.pictures(config, "train")
    vocabulary = build.vocabulary(config, pictures)
    # A caption without known words is told before the folder is made.
    encode_all(pictures, vocabulary)
    steps_per_epoch = pictures.steps_per_epoch(section.batch_size)
    with strategy.scope():
        trainer = build.damsm_trainer(config, len(vocabulary), steps_per_epoch)
    networks = {"text_encoder": trainer.text_encoder, "image_encoder": trainer.image_encoder}
    task = Task(
        config=config,
        folder=folder,
        strategy=strategy,
        trainer=trainer,
        written=networks,
        pictures=pictures,
        vocabulary=vocabulary,
        options=build.pipeline_options(config, config.text_encoder.embedding_size),
        batch_size=section.batch_size,
        last_step=section.steps,
    )

    def save(step, found, name="model", **metadata):
        model = folder.path / name
        save_model(model, found, vocabulary, config.to_yaml(), step=step, **metadata)

    def save_best(step, scores):
        save(step, networks, "best", **scores)

    def watchers(writer, first_step):
        return [*progress(task, writer, first_step, _SHOWN), *retrieval(task, writer, save_best)]

    run(task, save, watchers)
    return folder.path / "model"


def encoders_of(config: Config, directory: Path, strategy, resume: bool) -> Path:
    """The model directory of a run's encoders, which are pretrained into the run if need be.

    Raises: UserError, Interrupted.
    """
    ready = ready_encoders(config, directory, resume)
    if not every_worker(strategy, ready is not None):
        pretrain(config, directory / "damsm", strategy, resume)
        every_worker(strategy, True)  # the others wait here until the chief has written
        ready = None
    return ready or working_folder(directory / "damsm") / "model"


def ready_encoders(config: Config, directory: Path, resume: bool) -> Path | None:
    """The model directory of a run's encoders; None where they are still to be pretrained.

    A run that goes on takes those that it began with, which stand in its own model.

    Raises: UserError: when the config names a directory that holds no model.
    """
    if resume:
        with contextlib.suppress(UserError):  # stopped before it had a model
            return model_in(working_folder(directory))
    key, named = _named(config)
    if named:
        model = resolve(Path(named))
        if "image_encoder" not in load_metadata(model)["networks"]:
            raise UserError(
                f"`{key}`: {named} holds no image encoder. "
                "Let `damsm.directory` name a model that has one."
            )
        return model
    model = working_folder(directory / "damsm") / "model"
    done = model.is_dir() and load_metadata(model).get("step") == config.damsm.steps
    return model if done else None


def _named(config):
    """What names the encoders of a run, and the model that it names; None: those in its folder."""
    keys = {
        "damsm.directory": config.damsm.directory,
        "training.initial_model": config.training.initial_model,
    }
    return next(((key, named) for key, named in keys.items() if named), ("--run-dir", None))


def check_encoders(
    config: Config, text: TextEncoder, image: keras.Model, directory: Path, run_folder: Path
) -> None:
    """Raises UserError when the encoders of a directory are others than the config asks for.

    A run that goes on keeps its image encoder, whatever its config says of that.
    """
    wanted, found = config.text_encoder.feature_size, text.feature_size
    if wanted != found:
        raise UserError(
            "`text_encoder.feature_size` must be that of the encoders that training takes. "
            f"Received: {wanted}, but {directory} has {found}."
        )
    try:
        build.check_feature_maps(config, image)
    except UserError as error:
        raise UserError(f"`{_named(config)[0]}`, {directory}: {error}") from error
    if directory.is_relative_to(working_folder(run_folder)):
        return
    section = config.image_encoder
    there, asked = type(image), build.IMAGE_ENCODERS[section.kind]
    if there is not asked:
        found = next(kind for kind, made in build.IMAGE_ENCODERS.items() if made is there)
        raise _other(config, "kind", section.kind, found, directory)
    for key in build.COMPACT_KEYS if there is CompactEncoder else ():
        if getattr(section, key) != getattr(image, key):
            raise _other(config, key, getattr(section, key), getattr(image, key), directory)


def _other(config, key, wanted, found, directory):
    return UserError(
        f"`image_encoder.{key}` is {wanted}, but the encoders of {directory} have {found}. "
        f"Set it to that, or name other encoders by `{_named(config)[0]}`."
    )
