"""What the discriminators say of lines in drawn grass: `python benchmarks/fixed_pattern.py --help`.

The lines stand at the same places in every picture, so the mean of many pictures shows them. They
are removed from drawn pictures and added to real ones. Each discriminator of a toy_birds run
judges all four: mean logits, without a caption and with the picture's own. Drawn pictures are those
of training, by the generator and not by its moving average. None is shifted, and the term of
`discriminator.batch_deviation` is left out.

    python benchmarks/fixed_pattern.py --run runs/demo
"""

import argparse
from pathlib import Path

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError

_BATCHES = 160
_GROUND = 0.75  # sides of the picture; below it is ground, with legs and some tails
_WINDOW = 9  # pixels, longer than a period of the lines


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="with its checkpoints")
    arguments = parser.parse_args()
    import_tensorflow()
    import numpy as np

    trainer, drawn, real, sentences = _grass(arguments.run)
    pattern = _texture(drawn.mean(axis=0, keepdims=True)).mean(axis=1, keepdims=True)
    sizes = [
        np.sqrt(np.square(x).mean()) * 127.5 for x in (pattern, _texture(drawn), _texture(real))
    ]
    lines, texture, real_texture = (f"{size:.1f}" for size in sizes)
    print(f"{len(drawn)} pictures. Grey levels (root mean square): lines {lines}; ", end="")
    print(f"texture drawn {texture}, real {real_texture}.")
    print("| discriminator | drawn | without lines | real | with lines |\n|---|---|---|---|---|")
    pictures = [drawn, _add(drawn, -pattern), real, _add(real, pattern)]
    columns = [_logits(trainer, x, sentences) for x in pictures]
    for name in columns[0]:
        cells = [", ".join(f"{x:.2f}" for x in column[name]) for column in columns]
        print(f"| {name} | {' | '.join(cells)} |")


def _grass(folder):
    """A restored trainer; drawn and real pictures where both show grass; their sentences."""
    import numpy as np

    from dmgan_tf import build
    from dmgan_tf.data.pipeline import training_dataset
    from dmgan_tf.data.toy_birds.surroundings_judge import judge_surroundings
    from dmgan_tf.inference.image_grid import to_uint8
    from dmgan_tf.inference.model_directory import load_network, load_vocabulary, resolve
    from dmgan_tf.training.checkpoints import CheckpointFolder

    config, model = load_config(folder / "config.yaml"), resolve(folder)
    trainer = build.dmgan_trainer(
        config, load_network(model, "text_encoder"), load_network(model, "image_encoder")
    )
    if CheckpointFolder(folder / "checkpoints", trainer.checkpoint()).restore_newest() is None:
        raise UserError(f"{folder}: no checkpoints. Give the folder of a `dmgan train` run.")
    batches = training_dataset(
        build.pictures(config, "train"),
        load_vocabulary(model),
        build.pipeline_options(config),
        batch_size=config.training.batch_size,
    )
    kept = [], [], []
    for batch in batches.take(_BATCHES):
        text = trainer.encode_text(batch)
        pair = [trainer.draw(text, batch).images[-1].numpy(), batch["images"][-1].numpy()]
        kinds = [judge_surroundings(to_uint8(x)) for x in pair]
        grass = np.all(np.equal(kinds, "grass"), axis=0)
        for rows, x in zip(kept, [*pair, text.completed_sentence.numpy()], strict=True):
            rows.append(x[grass])
    return trainer, *map(np.concatenate, kept)


def _texture(images):
    """The ground without what changes slowly along rows: float [B, rows, side, 3]."""
    from scipy.ndimage import uniform_filter1d

    ground = images[:, int(_GROUND * images.shape[1]) :]
    return ground - uniform_filter1d(ground, _WINDOW, axis=2)


def _add(images, pattern):
    """Adds a pattern [1, 1, side, 3] to what is green of the ground."""
    images = images.copy()
    ground = images[:, int(_GROUND * images.shape[1]) :]
    red, green, blue = (ground[..., i : i + 1] for i in range(3))
    ground += pattern * ((green > red) & (green > blue + 0.2))
    return images


def _logits(trainer, images, sentences):
    """Per discriminator, the means of its two logits."""
    import tensorflow as tf

    from dmgan_tf.training.discriminator_step import label

    maps = trainer.image_encoder.feature_maps(tf.constant(images))
    judged = [(trainer.discriminators[-1], tf.constant(images))]
    chosen = [maps[number - 1] for number in trainer.feature_maps]
    judged += zip(trainer.feature_discriminators, chosen, strict=True)
    found = {}
    for network, seen in judged:
        logits = network(seen, sentences, groups=None)
        found[label(network)] = [float(tf.reduce_mean(x)) for x in logits]
    return found


if __name__ == "__main__":
    run(main)
