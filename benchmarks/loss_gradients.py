"""Each loss's gradient at the drawn picture: `python benchmarks/loss_gradients.py --help`.

At the start of training: the norm of the gradient with respect to the last drawn picture, without
the loss's weight, and the share of that norm that is left in means over 8×8 pixels. Where the share
is small, the gradient changes from pixel to pixel and draws no shapes.

    python benchmarks/loss_gradients.py --config emoji.yaml --encoders runs/emoji
"""

import argparse
from pathlib import Path

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.config_file import find_config, load_config

_BATCHES, _BLOCK = 8, 8


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="toy_birds.yaml")
    parser.add_argument("--encoders", type=Path, required=True, help="run, model or preset")
    arguments = parser.parse_args()
    import_tensorflow()
    import numpy as np

    found = _measured(load_config(find_config(arguments.config)), arguments.encoders)
    print("| loss | norm of its gradient | share left in means over 8×8 pixels |")
    print("|---|---|---|")
    for name, gradients in found.items():
        norms, smooth = (np.mean([_norm(g) for g in x]) for x in zip(*gradients, strict=True))
        print(f"| {name} | {norms:.2g} | {smooth / norms:.2f} |")


def _measured(config, folder):
    """Per loss, gradients of some batches: float [B, side, side, 3], and their block means."""
    import tensorflow as tf

    from dmgan_tf import build
    from dmgan_tf.data.pipeline import training_dataset
    from dmgan_tf.inference.model_directory import load_network, load_vocabulary, resolve

    folder = resolve(folder)
    trainer = build.dmgan_trainer(
        config, load_network(folder, "text_encoder"), load_network(folder, "image_encoder")
    )
    batches = training_dataset(
        build.pictures(config, "train"),
        load_vocabulary(folder),
        build.pipeline_options(config),
        batch_size=config.training.batch_size,
    )
    found = {}
    for batch in batches.take(_BATCHES):
        for name, gradient in _gradients(trainer, batch).items():
            means = tf.nn.avg_pool2d(gradient, _BLOCK, _BLOCK, "VALID")
            found.setdefault(name, []).append((gradient, means * _BLOCK))
    return found


def _gradients(trainer, batch):
    import tensorflow as tf

    from dmgan_tf.losses.adversarial import generator_loss
    from dmgan_tf.losses.real_picture import perceptual_distance, picture_distance
    from dmgan_tf.training.discriminator_step import label

    text = trainer.encode_text(batch)
    drawn = trainer.draw(text, batch).images
    picture = drawn[-1]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(picture)
        encoded, maps = trainer._encode_image(picture, batch)
        sentence, words = trainer._damsm_losses(encoded, batch, text)
        losses = {"DAMSM, sentences": sentence, "DAMSM, words": words}
        judged = [(trainer.discriminators[-1], picture)]
        judged += zip(trainer.feature_discriminators, maps, strict=True)
        for network, seen in judged:
            logits = network(seen, text.completed_sentence, training=False)
            losses[f"discriminator {label(network)}"] = tf.reduce_mean(generator_loss(*logits))
        losses["picture_distance"] = tf.reduce_mean(picture_distance(batch["images"], drawn))
        if maps:
            real = trainer._real_maps(batch)
            losses["perceptual_distance"] = tf.reduce_mean(perceptual_distance(real, maps))
    return {name: tape.gradient(loss, picture) for name, loss in losses.items()}


def _norm(x):
    return float((x.numpy() ** 2).sum() ** 0.5)


if __name__ == "__main__":
    run(main)
