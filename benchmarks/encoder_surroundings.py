"""Do DAMSM's encoders know surroundings? `python benchmarks/encoder_surroundings.py MODEL …`

Of real toy birds whose caption names surroundings, the caption is written six times, once for each
kind; the encoders should find the right one most similar to the picture. Chance is 1/6. What they
can't tell apart, they can't teach a generator.

Of captions that name none, the bird is drawn in each kind: do the encoders prefer one of them?
"""

import argparse
from dataclasses import replace

import numpy as np

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.inference.presets import locate

_IMAGES_PER_CLASS, _SEED, _SIDE = 4, 7, 64  # unseen species, drawn anew


def main():
    """Prints, for each model, the share found by sentences and by words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=locate, nargs="+", metavar="MODEL", help="with encoders")
    models = parser.parse_args().models
    import_tensorflow()
    pictures, rewritten, right = _material()
    print(f"{len(right)} pictures. Right kind found by the sentence, by the words:")
    for model in models:
        by_sentence, by_words = (
            (similarity.argmax(axis=1) == right).mean()
            for similarity in _similarities(model, pictures, rewritten)
        )
        print(f"{model}: {by_sentence:.3f}, {by_words:.3f}")
    silent, scenes, kinds = _silent_material()
    print(f"{len(silent)} captions that name none. Nearest kind by the sentence, by the words:")
    for model in models:
        by_kind = [_similarities(model, pictures, [silent]) for pictures in scenes]
        for similarities in zip(*by_kind, strict=True):
            nearest = [row.argmax() for row in np.concatenate(similarities, axis=1)]
            shares = np.bincount(nearest, minlength=len(kinds)) / len(silent)
            print(f"{model}:", *(f"{k} {s:.3f}" for k, s in zip(kinds, shares, strict=True)))


def _material():
    """Pictures, their captions for each kind [kinds][N], and the place of the right kind [N]."""
    from dmgan_tf.data.toy_birds import birds, draw_all
    from dmgan_tf.data.toy_birds.captions import SURROUNDINGS_WORDINGS

    kinds, chosen = list(SURROUNDINGS_WORDINGS), []
    for bird in birds("test", _IMAGES_PER_CLASS, _SEED):
        named = [caption for caption in bird.captions if caption.surroundings]
        chosen += [(bird, named[0].text)] if named else []
    rewritten = []
    for kind in kinds:
        texts = []
        for bird, text in chosen:
            own = SURROUNDINGS_WORDINGS[bird.surroundings]
            number = next(i for i, wording in enumerate(own) if wording in text)
            texts.append(text.replace(own[number], SURROUNDINGS_WORDINGS[kind][number]))
        rewritten.append(texts)
    images = draw_all([bird for bird, _ in chosen], _SIDE, processes=1)
    return images, rewritten, np.array([kinds.index(bird.surroundings) for bird, _ in chosen])


def _silent_material():
    """Captions that name no surroundings, pictures of them [kinds][N], and the kinds."""
    from dmgan_tf.data.toy_birds import birds, draw_all
    from dmgan_tf.data.toy_birds.captions import SURROUNDINGS_WORDINGS

    chosen = []
    for bird in birds("test", _IMAGES_PER_CLASS, _SEED):
        silent = [caption.text for caption in bird.captions if not caption.surroundings]
        chosen.append((bird, silent[0]))
    kinds = list(SURROUNDINGS_WORDINGS)
    scenes = [
        draw_all([replace(bird, surroundings=kind) for bird, _ in chosen], _SIDE, processes=1)
        for kind in kinds
    ]
    return [text for _, text in chosen], scenes, kinds


def _similarities(model, pictures, rewritten):
    """By sentence and by words: float [N, kinds] each."""
    import tensorflow as tf

    from dmgan_tf.config_file import load_config
    from dmgan_tf.inference.model_directory import load_network, load_vocabulary, resolve
    from dmgan_tf.losses.damsm import sentence_similarity, word_similarity

    folder = resolve(model)
    config = load_config(folder / "config.yaml")
    gamma_attention, gamma_words, _ = config.damsm.gammas
    vocabulary, text = load_vocabulary(folder), load_network(folder, "text_encoder")
    images = tf.constant(pictures / np.float32(127.5) - 1)
    regions, codes = load_network(folder, "image_encoder")(images, training=False)
    by_sentence, by_words = [], []
    for captions in rewritten:
        encoded = [vocabulary.encode(caption)[0] for caption in captions]
        ids, lengths = map(tf.constant, vocabulary.pad(encoded, config.data.max_words))
        words, sentences = text(ids, lengths)
        mask = tf.sequence_mask(lengths, ids.shape[1])
        by_sentence.append(np.diag(sentence_similarity(codes, sentences)))
        by_words.append([
            float(word_similarity(
                regions[i : i + 1], words[i : i + 1], mask[i : i + 1], gamma_attention, gamma_words
            )[0, 0])
            for i in range(len(captions))
        ])  # fmt: skip
    return np.stack(by_sentence, axis=1), np.array(by_words).T


if __name__ == "__main__":
    run(main)
