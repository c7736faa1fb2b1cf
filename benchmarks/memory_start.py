"""What the memory does before training: `python benchmarks/memory_start.py --encoders toy_birds`.

For each row of Table 3 and each gain on the memory's kernels: the deviation of the attention's
logits over the words, the attention's entropy as a share of a uniform one's, and the deviation over
the pixels of what they read; refinement 1, 32 unseen captions of toy_birds, mean of four seeds.
Then the same at gain 1 with other activations: what silences the memory.
"""

import argparse
from functools import partial
from operator import attrgetter
from pathlib import Path

from dmgan_tf.command_line import add_overrides, import_tensorflow, run
from dmgan_tf.config_file import find_config, load_config

_CAPTIONS, _SEEDS = 32, 4
_PHI = ("reader.memory_to_key", "reader.memory_to_value")
_WRITER = ("writer.word_to_memory",)
# (row of Table 3, what is changed, layers of its memory, their activation)
_CHANGED = (
    ("attention", "ReLU behind its projection", ("reader.word_projection",), "relu"),
    ("baseline", "ReLU behind its projection", ("reader.word_projection",), "relu"),
    ("baseline", "M_w linear", _WRITER, "linear"),
    ("memory", "φ_K and φ_V linear", _PHI, "linear"),
    ("memory", "M_w linear", _WRITER, "linear"),
    ("memory", "all linear", _PHI + _WRITER, "linear"),
    ("response_gate", "all linear", (*_PHI, *_WRITER, "writer.image_to_memory"), "linear"),
)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoders", type=Path, required=True, help="run, model or preset")
    parser.add_argument("--config", default="toy_birds.yaml")
    parser.add_argument("--gains", type=float, nargs="+", default=[1, 1.5, 2, 2.5, 3])
    add_overrides(parser)
    arguments = parser.parse_args()
    import_tensorflow()
    from dmgan_tf.ablation_table import ROWS

    load = partial(_load, find_config(arguments.config), arguments.set)
    text = _text(arguments.encoders, load())
    print("| row | gain | deviation of logits | entropy | deviation of o over pixels |")
    print("|---|---|---|---|---|")
    for row, switches in ROWS.items():
        for gain in arguments.gains if switches["generator.memory"] else [1.0]:
            found = _measured(load(switches, gain), text)
            print(f"| {row} | {gain:g} | " + " | ".join(f"{value:.3f}" for value in found) + " |")
    print("\n| row | changed | deviation of logits | entropy | deviation of o over pixels |")
    print("|---|---|---|---|---|")
    for row, what, layers, activation in _CHANGED:
        found = _measured(load(ROWS[row]), text, layers, activation)
        print(f"| {row} | {what} | " + " | ".join(f"{value:.3f}" for value in found) + " |")


def _load(path, settings, row=None, gain=1.0):
    """The config with other settings, and as a row of Table 3."""
    values = (row or {}) | {"generator.memory_gain": gain}
    of_row = [f"{key}={str(value).lower()}" for key, value in values.items()]
    return load_config(path, [*settings, *of_row])


def _text(folder, config):
    """Word features, mask and sentence features of some unseen captions."""
    import tensorflow as tf

    from dmgan_tf import build
    from dmgan_tf.inference.model_directory import load_network, load_vocabulary, resolve

    folder = resolve(folder)
    captions = [row[0] for row in build.captions(config, "test")]
    captions = captions[:: len(captions) // _CAPTIONS][:_CAPTIONS]
    vocabulary = load_vocabulary(folder)
    encoded = [vocabulary.encode(caption)[0] for caption in captions]
    ids, lengths = vocabulary.pad(encoded, config.data.max_words)
    words, sentences = load_network(folder, "text_encoder")(tf.constant(ids), tf.constant(lengths))
    return words, tf.sequence_mask(lengths, ids.shape[1]), sentences


def _measured(config, text, layers=(), activation=None):
    import keras
    import numpy as np
    import tensorflow as tf

    from dmgan_tf import build

    found = []
    for seed in range(_SEEDS):
        keras.utils.set_random_seed(seed)
        generator = build.generator(config)
        for layer in layers:
            for stage in generator.refinement_stages:
                attrgetter(layer)(stage.dynamic_memory).activation = keras.activations.get(
                    activation
                )
        noise = tf.random.normal([_CAPTIONS, generator.noise_size])
        condition_noise = tf.random.normal([_CAPTIONS, generator.condition_size])
        output = generator(*text, noise, condition_noise, training=True)
        attention, mask = output.attention[0].numpy(), text[1].numpy()
        log = np.log(np.maximum(attention, 1e-30))
        found.append((
            np.mean([log[i][:, row].std(axis=1).mean() for i, row in enumerate(mask)]),
            np.mean(-(attention * log).sum(axis=2) / np.log(mask.sum(axis=1))[:, None]),
            output.memory_outputs[0].numpy().std(axis=(1, 2)).mean(),
        ))  # fmt: skip
    return np.mean(found, axis=0)


if __name__ == "__main__":
    run(main)
