"""Trains DM-GAN, its encoders first if it has none: `dmgan train --config toy_birds.yaml`."""

from dmgan_tf.command_line import run, run_config
from dmgan_tf.remote.store import is_remote, url_of


def start(config, directory, resume):
    """Trains; returns what to tell at the end."""
    from dmgan_tf import build, experiment  # not before the arguments are parsed

    experiment.train(config, directory, build.strategy(config), resume)
    draw = f'dmgan generate --model {url_of(directory)} --caption "…" --out picture.png'
    named = url_of(directory) if is_remote(directory) else directory / "model"
    return f"Trained: {named}\nDraw:    {draw}"


def lacking(config, directory, resume):
    """What would stop it, in sentences."""
    from dmgan_tf import experiment

    return experiment.lacking_for_training(config, directory, resume)


def main() -> int:
    """Trains, or with `--dry-run` only builds."""
    return run_config(__doc__ or "", start, lacking)


if __name__ == "__main__":
    run(main)
