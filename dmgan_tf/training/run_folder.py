"""A run's folder, held against the config that it was begun with.

config.yaml run.json train.log      what was run, with what
damsm/                              the same for the encoders, if they were pretrained here
checkpoints/step_00001200/          all that --resume needs; the last few
model/ best/                        model directories: the newest, and the best by evaluation
samples/ tensorboard/               pictures and scalars
"""

import json
import logging
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Set
from importlib.metadata import version
from pathlib import Path

import tensorflow as tf
import yaml

from dmgan_tf.chief import is_chief
from dmgan_tf.config import Config
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.remote.run import RemoteRun
from dmgan_tf.remote.store import StoreError, is_remote, url_of
from dmgan_tf.training.devices import device_names
from dmgan_tf.training.replicas import every_worker
from dmgan_tf.whole_file import check_writable, write_text

_LOGGER = logging.getLogger(__name__)
# Keys of `training` that change nothing in the weights.
_FREE = {
    "log_every_steps",
    "sample_every_steps",
    "evaluate_every_epochs",
    "checkpoint_every_steps",
    "keep_checkpoints",
    "step_timeout_seconds",
}


class RunFolder:
    """Begins a run's folder or, with `resume`, goes on in it; only the chief writes.

    One on a store, such as `s3://bucket/runs/cub`, is written into the cache, and uploaded by
    `publish`; see `remote_run`.

    A run that goes on may change what it logs and keeps (`_FREE`), and may become longer:
    `training.steps` may grow, and from there on the learning rate follows the longer schedule.
    Nothing is written before the `with` block: what fails earlier leaves no folder behind.

    Args: depends_on: sections of the config, and keys as `section.key`, that the run depends on;
        all others may change as well. None: it depends on all.
    Raises: UserError: when the folder can't be written to, holds the run of another config, or any
        while `resume` is False.
    """

    def __init__(
        self, config: Config, path: Path, resume: bool, depends_on: Set[str] | None = None
    ):
        self._remote = RemoteRun(path) if is_remote(path) else None
        self.path = self._remote.open() if self._remote else path
        self._named = url_of(path)
        path = self.path
        self._config = config
        self._log = None
        check_writable(path)
        config_path = path / "config.yaml"
        if config_path.exists():
            _check_same_config(config, config_path, self._named, depends_on)
            if is_chief() and not resume:  # other workers may find what the chief has just begun
                raise UserError(
                    f"{self._named} holds a run already. Use --resume to go on with it, "
                    "or another --run-dir."
                )
        elif is_chief() and resume:
            _LOGGER.info("%s: nothing to resume there, so a new run begins.", self._named)

    def __enter__(self):
        if is_chief():
            fresh = not (self.path / "config.yaml").exists()
            self._begin()
            try:
                if self._remote:  # a wrong name, or another run, is told now and not hours later
                    self._remote.publish()
            except UserError:
                if fresh:
                    shutil.rmtree(self.path, ignore_errors=True)
                raise
            self._log = logging.FileHandler(self.path / "train.log", encoding="utf-8")
            self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            logging.getLogger("dmgan_tf").addHandler(self._log)
        return self

    def _begin(self):
        config_path = self.path / "config.yaml"
        if config_path.exists():
            if config_path.read_text(encoding="utf-8") != self._config.to_yaml():
                self._note_change()
                write_text(config_path, self._config.to_yaml())
            return
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "run.json", json.dumps(_origin(self._config), indent=1))
        write_text(self.path / "config.yaml", self._config.to_yaml())

    def _note_change(self):
        """What the run goes on as, beside what it was begun as."""
        path = self.path / "run.json"
        try:
            origin = json.loads(path.read_text(encoding="utf-8"))
            changes = [*origin.get("changed", []), _origin(self._config)]
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise UserError(f"{path}: cannot be read as a run's origin: {error}.") from error
        write_text(path, json.dumps(origin | {"changed": changes}, indent=1))

    def __exit__(self, *_):
        if self._log:
            logging.getLogger("dmgan_tf").removeHandler(self._log)
            self._log.close()

    def publish(self, last: bool = False) -> None:
        """Uploads a run on a store as it is now; called by the chief.

        Args: last: there will be no other try, so one that fails is an error, not a warning.
        Raises: UserError: also when another run has written there.
        """
        if not self._remote:
            return
        try:
            self._remote.publish()
        except StoreError as error:
            if last:
                error.args = (
                    f"{error} The run is whole in {self.path}: start it again with --resume.",
                )
                raise
            _LOGGER.warning("%s The next checkpoint tries again.", error)


def settle(named: Path, strategy: tf.distribute.Strategy) -> None:
    """Has the chief upload what an earlier start had not; the other workers wait, then fetch it.

    Raises: UserError: when it can't be uploaded.
    """
    if is_remote(named):
        if is_chief():
            run = RemoteRun(named)
            if run.open().is_dir():
                run.publish()
        every_worker(strategy, True)


def _check_same_config(config, path, named, depends_on):
    """Refuses to go on with what would be another run; an older config has today's defaults."""
    old, new = (yaml.safe_load(c.to_yaml()) for c in (load_config(path), config))
    longer = new["training"]["steps"] >= old["training"]["steps"]
    differing = [
        f"{section}.{key} was {old[section][key]!r}, is {value!r}"
        for section, values in new.items()
        for key, value in values.items()
        if value != old[section][key]
        and (depends_on is None or section in depends_on or f"{section}.{key}" in depends_on)
        and not (section == "training" and (key in _FREE or (key == "steps" and longer)))
    ]
    if differing:
        raise UserError(
            f"{named} is the run of another config: {'; '.join(differing)}. Go on with the "
            "old values (training.steps may grow), or use another --run-dir."
        )


def _commit():
    """The checkout's commit; None in a wheel, or where there is no git."""
    root = Path(__file__).parents[2]
    if not (root / "setup.py").is_file():
        return None  # a git folder further up would be somebody else's
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None


def _origin(config):
    return {
        "command": sys.argv,
        "seed": config.training.seed,
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
        "devices": device_names(),
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
