"""Trains the DAMSM encoders alone: `dmgan pretrain-damsm --config toy_birds.yaml`."""

from dmgan_tf.command_line import run, run_config


def start(config, directory, resume):
    """Trains; returns what to tell at the end."""
    from dmgan_tf import build, experiment  # not before the arguments are parsed

    model = experiment.pretrain(config, directory, build.strategy(config), resume)
    return f"Trained: {model}\nUse it:  --set damsm.directory={model}"


def lacking(config, directory, resume):
    """What would stop it, in sentences."""
    from dmgan_tf import experiment

    return experiment.lacking_for_pretraining(config, directory, resume)


def main() -> int:
    """Trains, or with `--dry-run` only builds."""
    return run_config(__doc__ or "", start, lacking, "damsm")  # where `train` will find them


if __name__ == "__main__":
    run(main)
