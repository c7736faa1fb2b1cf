"""Trains the DAMSM encoders alone: `dmgan pretrain-damsm --config toy_birds.yaml`."""

from dmgan_tf.command_line import run, run_config
from dmgan_tf.remote.store import is_remote, url_of


def start(config, directory, resume):
    """Trains; returns what to tell at the end."""
    from dmgan_tf import build, experiment  # not before the arguments are parsed

    experiment.pretrain(config, directory, build.strategy(config), resume)
    named = url_of(directory) if is_remote(directory) else directory / "model"
    return f"Trained: {named}\nUse it:  --set damsm.directory={named}"


def lacking(config, directory, resume):
    """What would stop it, in sentences."""
    from dmgan_tf import experiment

    return experiment.lacking_for_pretraining(config, directory, resume)


def main() -> int:
    """Trains, or with `--dry-run` only builds."""
    return run_config(__doc__ or "", start, lacking, "damsm")  # where `train` will find them


if __name__ == "__main__":
    run(main)
