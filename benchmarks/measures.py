"""What `speed.py` measures, each in a process of its own: `python benchmarks/measures.py NAME …`.

Prints JSON: rows of {what, form, batch, milliseconds: [low, median, high], runs}, or of another
unit. Forms that are compared take turns, so that what else the machine does hits all alike. Weights
are those of `random_model`.
"""

import ctypes
import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from random_model import random_artist, random_trainer, save_untrained_model
from turns import axis, take_turns, waited_for

_WORDS = 12  # of a caption
_SECONDS = {1: 8.0, 4: 12.0, 16: 24.0}  # of a form, by batch


def generation(references: str, batch: str = "1", config: str = "cub.yaml") -> list[dict]:
    """A caption's way to uint8 pictures, batch by batch; all forms draw the same ones."""
    import numpy as np
    import onnxruntime

    from dmgan_tf.export import onnx_graph
    from dmgan_tf.inference.folded_generator import FoldedGenerator
    from dmgan_tf.inference.image_grid import to_uint8
    from dmgan_tf.training.devices import has_bfloat16

    count = int(batch)
    artist, generator = random_artist(config)
    captions = [" ".join(f"word{7 * i + j}" for j in range(1, _WORDS + 1)) for i in range(count)]
    seeds = list(range(count))
    feed = artist.inputs(artist.encode(captions), seeds)

    def in_onnx_runtime(artist):
        graph = onnx_graph.trace(artist)["dmgan"].SerializeToString()
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        return lambda: session.run(["image"], feed)[0]

    folded = _like(artist, FoldedGenerator(generator))
    portable = _like(artist, FoldedGenerator(generator, portable=True))
    forms = {
        "this": lambda: folded.generate(captions, seeds),
        "this, without XLA": lambda: portable.generate(captions, seeds),
        "this, ONNX Runtime": in_onnx_runtime(portable),
    }
    if "plain" in references:
        from plain import PlainGenerator

        plain = _like(artist, PlainGenerator(generator))
        forms["plain"] = lambda: plain.generate(captions, seeds)
        forms["plain, ONNX Runtime"] = in_onnx_runtime(plain)
    if "torch" in references:
        import torch_generator

        from dmgan_tf.interop.authors_layout import to_authors

        state = torch_generator.to_torch(to_authors(generator))
        residual_blocks = len(generator.refinement_stages[0].residual_blocks)
        sizes = len(generator.initial_stage.upsample_blocks), residual_blocks
        ids, lengths, noise, condition_noise = feed.values()

        def in_torch():
            words, sentence = artist.text_encoder(ids[:, :_WORDS], lengths)
            tensors = words.numpy(), sentence.numpy(), noise, condition_noise
            inputs = torch_generator.to_torch(dict(enumerate(tensors)))
            images = torch_generator.draw(state, *inputs.values(), *sizes)
            return to_uint8(images[-1].permute(0, 2, 3, 1).numpy())

        forms["torch"] = in_torch
    pictures = {name: form().astype(int) for name, form in forms.items()}
    for name, drawn in pictures.items():
        assert np.abs(drawn - pictures["this"]).max() <= 1, f"{name}: draws other pictures"
    if has_bfloat16():
        twin = type(generator).from_config(generator.get_config() | {"dtype": "mixed_bfloat16"})
        twin.build((None, None, artist.text_encoder.feature_size))
        twin.set_weights(generator.get_weights())
        rounded = _like(artist, FoldedGenerator(twin))
        forms["this, bfloat16"] = lambda: rounded.generate(captions, seeds)
    return take_turns("a picture from a caption", count, forms, _SECONDS.get(count, 10.0))


def training(
    references: str, batch: str = "4", config: str = "cub.yaml", *overrides: str
) -> list[dict]:
    """A training step, and where its time is spent; overrides: `section.key=value`."""
    import tensorflow as tf

    from dmgan_tf.config_file import find_config, load_config
    from dmgan_tf.training.devices import has_bfloat16

    threads = load_config(find_config(config), overrides).training.threads_per_operation
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    trainer, data = _trainer(config, int(batch), "this", *overrides)
    forms = {"this": _step(trainer, data)}
    if "plain" in references:
        forms["plain"] = _step(_trainer(config, int(batch), "plain", *overrides)[0], data)
    if has_bfloat16():
        forms["bfloat16"] = _step(_trainer(config, int(batch), "bfloat16", *overrides)[0], data)
    rows = take_turns("training step", int(batch), forms, 40.0)
    text = trainer.encode_text(data)
    noise = data["noise"], data["condition_noise"]

    def generate():
        return trainer.generator(*text[:2], text.completed_sentence, *noise, training=True)

    def generate_and_learn():
        with tf.GradientTape() as tape:
            loss = tf.add_n([tf.reduce_mean(image) for image in generate().images])
        return tape.gradient(loss, trainer.generator.trainable_variables)

    output = generate()
    drawn = [trainer._augmented(output.images[i], data, i, 1) for i in trainer._stages]
    real_maps = []
    if trainer.feature_discriminators:
        drawn += trainer._encode_image(output.images[-1], data)[1]
        real_maps = trainer._real_maps(data)
    real = list(trainer._real(data, real_maps))

    def judge(place):
        return lambda: trainer._discriminator_step(place, real[place], drawn[place], text)

    def match():
        with tf.GradientTape() as tape:
            tape.watch(output.images[-1])
            encoded = trainer.image_encoder(output.images[-1], training=False)
            loss = tf.add_n(trainer._damsm_losses(encoded, data, text))
        return tape.gradient(loss, output.images[-1])

    parts = {
        "text encoder (and image encoder, for a prior)": lambda: trainer.encode_text(data),
        "generator, forward": generate,
        "generator, forward and backward": generate_and_learn,
        **{n.name.replace("_", " "): judge(i) for i, n in enumerate(trainer.all_discriminators)},
        "image encoder and DAMSM, forward and backward": match,
    }
    for name, part in parts.items():
        graph = tf.function(part, autograph=False)
        rows += take_turns(name, int(batch), {"this": waited_for(graph)}, 8.0)
    return rows


def memory(form: str, batch: str = "4", config: str = "cub.yaml") -> list[dict]:
    """The largest resident set of a process that trains two steps, what of it was there before the
    first (TensorFlow, networks and optimizers), and how long the first takes, which traces and
    compiles. Linux alone."""
    trainer, data = _trainer(config, int(batch), form)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of building
    before = _resident_mebibytes("VmRSS")
    step = _step(trainer, data)
    begun = time.perf_counter()
    step()
    first = round(1e3 * (time.perf_counter() - begun), 1)
    step()
    values = {
        "peak memory, training": _resident_mebibytes("VmHWM"),
        "before the first step": before,
    }
    shared = {"form": form, "batch": int(batch)}
    return [
        {"what": "first training step", **shared, "milliseconds": [first] * 3, "runs": 1},
        *({"what": what, **shared, "mebibytes": value} for what, value in values.items()),
    ]


def start(config: str = "toy_birds.yaml") -> list[dict]:
    """`dmgan generate`, from the command to the written picture, at toy size."""
    with tempfile.TemporaryDirectory() as folder:
        save_untrained_model(Path(folder) / "model", config)
        command = [sys.executable, "-m", "dmgan_tf.generate", "--model", f"{folder}/model"]
        command += ["--caption", "a red bird", "--out", f"{folder}/picture.png"]

        def generate():
            subprocess.run(command, check=True, capture_output=True)

        return take_turns("start to first picture", 1, {"this": generate}, 25.0)


def evaluation(config: str = "toy_birds.yaml") -> list[dict]:
    """`dmgan evaluate` of 1,000 pictures, at toy size."""
    with tempfile.TemporaryDirectory() as folder:
        save_untrained_model(Path(folder) / "model", config)
        command = [sys.executable, "-m", "dmgan_tf.evaluate", "--model", f"{folder}/model"]
        command += ["--images", "1000", "--metrics", "fid,r_precision"]

        def evaluate(number):
            out = ["--out", f"{folder}/{number}.json", "--seed", str(number)]
            subprocess.run([*command, *out], check=True, capture_output=True)

        numbers = iter(range(1000))
        forms = {"this": lambda: evaluate(next(numbers))}
        return take_turns("evaluation of 1,000 pictures", 1000, forms, 30.0)


def scaling(config: str = "cub.yaml") -> list[dict]:
    """A picture's cost by batch, by stages (side), and by words."""
    from dmgan_tf.inference.folded_generator import FoldedGenerator

    def folded(*overrides):
        artist, generator = random_artist(config, *overrides)
        return _like(artist, FoldedGenerator(generator))

    artist, rows = folded(), []
    for count in (1, 2, 4, 8):
        captions = [f"word{i + 1}" for i in range(count)]
        forms = {"this": lambda c=captions: artist.generate(c, list(range(len(c))))}
        rows += axis("batch", count, take_turns("generation", count, forms, 5.0))
    for stages in (1, 2, 3):
        small = folded(f"generator.stages={stages}")
        side = small.generator.sides[-1]
        forms = {"this": lambda artist=small: artist.generate("word1 word2")}
        rows += axis("side", side, take_turns("generation", 1, forms, 5.0))
    for words in (5, 25, 50, 100):
        wide = _like(artist, artist.generator, words)
        caption = " ".join(f"word{i + 1}" for i in range(words))
        forms = {"this": lambda artist=wide, text=caption: artist.generate(text)}
        rows += axis("words", words, take_turns("generation", 1, forms, 5.0))
    return rows


def replicas(count: str, config: str = "toy_birds.yaml") -> list[dict]:
    """A training step of one global batch at toy size on that many CPU replicas of this machine."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * int(count)
    tf.config.set_logical_device_configuration(cpu, devices)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    from dmgan_tf import build

    strategy = build.local_strategy()
    with strategy.scope():
        trainer, data = _trainer(config, 8 // int(count))
    step = tf.function(trainer.train_step)
    forms = {"this": lambda: strategy.experimental_local_results(strategy.run(step, (data,)))}
    return axis("replicas", int(count), take_turns("training step, toy", 8, forms, 8.0))


def _resident_mebibytes(name):
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in status if line.startswith(name))


def _like(artist, generator, max_words=None):
    """The same texts with another generator."""
    from dmgan_tf.inference.text_to_image import TextToImage

    words = max_words or artist.max_words
    return TextToImage(generator, artist.text_encoder, artist.vocabulary, words)


def _trainer(config, batch, form="this", *overrides):
    if form == "bfloat16":
        overrides = *overrides, "training.mixed_precision=bfloat16"
    make = _plain_trainer if form == "plain" else None
    return random_trainer(config, batch, *overrides, make=make)


def _plain_trainer(settings, text_encoder, image_encoder):
    """As `build.dmgan_trainer`, of the plain form."""
    from plain import PlainGenerator, PlainTrainer

    from dmgan_tf import build
    from dmgan_tf.training.adam import Adam

    network = build.generator(settings)
    plain = PlainTrainer(
        PlainGenerator(network),
        PlainGenerator(network),
        build.discriminators(settings),
        text_encoder,
        image_encoder,
        damsm_weight=settings.training.damsm_weight,
        name="plain_trainer",
    )
    rate = settings.training.generator_learning_rate
    plain.compile(
        Adam(rate, 0.5, 0.999, epsilon=1e-8),
        [Adam(rate, 0.5, 0.999, epsilon=1e-8) for _ in plain.discriminators],
    )
    return plain


def _step(trainer, data):
    import tensorflow as tf

    return waited_for(tf.function(lambda: trainer.train_step(data), autograph=False))


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    print(json.dumps(globals()[name](*arguments)))
