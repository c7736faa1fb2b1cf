"""A run's folder, held against the config that it was begun with.

config.yaml run.json train.log      what was run, with what
damsm/                              the same for the encoders, if they were pretrained here
checkpoints/step_00001200/          all that --resume needs; the last few
model/ best/                        model directories: the newest, and the best by evaluation
samples/ tensorboard/               pictures and scalars
"""

import json
import logging
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import yaml

from dmgan_tf.config import Config
from dmgan_tf.errors import UserError
from dmgan_tf.whole_file import write_text


def is_chief() -> bool:
    """Whether this process is the one that writes: the only one, the chief, or else worker 0."""
    try:
        described = json.loads(os.environ.get("TF_CONFIG") or "{}")
    except ValueError as error:
        raise UserError(f"TF_CONFIG is not valid JSON: {error}.") from error
    task = described.get("task", {})
    writer = "chief" if "chief" in described.get("cluster", {}) else "worker"
    return task.get("type", writer) == writer and task.get("index", 0) == 0


class RunFolder:
    """Begins a run's folder or, with `resume`, goes on in it; only the chief writes.

    Nothing is written before the `with` block: what fails earlier leaves no folder behind.

    Raises: UserError: when the folder holds the run of another config, or any while `resume` is
        False.
    """

    def __init__(self, config: Config, path: Path, resume: bool):
        self.path = path
        self._config = config
        self._log = None
        if path.exists() and not path.is_dir():
            raise UserError(f"--run-dir {path}: is a file, not a folder.")
        config_path = path / "config.yaml"
        if config_path.exists():
            _check_same_config(config, config_path)
            if is_chief() and not resume:  # other workers may find what the chief has just begun
                raise UserError(
                    f"{path} holds a run already. Use --resume to go on with it, "
                    "or another --run-dir."
                )

    def __enter__(self):
        if is_chief():
            self._begin()
            self._log = logging.FileHandler(self.path / "train.log", encoding="utf-8")
            self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            logging.getLogger("dmgan_tf").addHandler(self._log)
        return self

    def _begin(self):
        if (self.path / "config.yaml").exists():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "run.json", json.dumps(_origin(self._config), indent=1))
        write_text(self.path / "config.yaml", self._config.to_yaml())

    def __exit__(self, *_):
        if self._log:
            logging.getLogger("dmgan_tf").removeHandler(self._log)
            self._log.close()


def _check_same_config(config, path):
    new = yaml.safe_load(config.to_yaml())
    try:
        old = yaml.safe_load(path.read_text(encoding="utf-8"))
        differing = [
            f"{section}.{key} was {old.get(section, {}).get(key)!r}, is {value!r}"
            for section, values in new.items()
            for key, value in values.items()
            if old.get(section, {}).get(key) != value
        ]
    except (yaml.YAMLError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read as a run's config.") from error
    if differing:
        raise UserError(
            f"{path.parent} is the run of another config: {'; '.join(differing)}. "
            "Use another --run-dir."
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
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
