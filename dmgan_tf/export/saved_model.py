"""Writes a model as a SavedModel that TF Serving loads.

    dmgan export saved-model --model runs/demo --out serving/models/dmgan --version 1

The version's folder is written beside its place and renamed when whole: a server that watches
OUT never sees half a model.
"""

import json
from pathlib import Path

from dmgan_tf.command_line import argument_parser, import_tensorflow, run
from dmgan_tf.errors import UserError
from dmgan_tf.inference.inputs import DTYPES
from dmgan_tf.inference.presets import locate
from dmgan_tf.remote.store import local_path

DESCRIPTION = Path("assets.extra", "studio.json")
_WARM_UP_BATCHES = (1, 4)


def main() -> int:
    """Exports."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--model",
        type=locate,
        required=True,
        help="folder of a run or of a model, a preset, hf://… or kaggle://…",
    )
    parser.add_argument(
        "--out",
        type=local_path,
        required=True,
        help="folder of the served model, which holds its versions",
    )
    parser.add_argument(
        "--version", type=int, default=1, help="number of the version, above 0; higher is newer"
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="float32",
        help="to compute in; bfloat16 for a server whose processor or GPU has it",
    )
    arguments = parser.parse_args()
    if arguments.version < 1:
        parser.error(f"--version must be above 0. Received: {arguments.version}.")
    target = arguments.out / str(arguments.version)
    if target.exists():
        raise UserError(f"{target} is there already: give the next --version, or remove it.")
    import_tensorflow()
    try:
        import tensorflow_serving  # noqa: F401 - for the warm-up requests, known before the work
    except ImportError as error:
        raise UserError(
            "Exporting needs tensorflow-serving-api: pip install 'dmgan_tf[serving]'."
        ) from error
    export(arguments.model, target, arguments.dtype)
    print(f"SavedModel: {target}")
    return 0


def export(model: Path, target: Path, dtype: str = "float32") -> None:
    """Writes the SavedModel of a model directory to `target`, whole or not at all.

    Args: dtype: of `TextToImage.from_preset`.
    """
    import tensorflow as tf

    from dmgan_tf.inference.model_directory import fingerprint, resolve
    from dmgan_tf.inference.signatures import Signatures
    from dmgan_tf.inference.text_to_image import TextToImage
    from dmgan_tf.whole_folder import whole_folder

    artist = TextToImage.from_preset(model, portable=True, dtype=dtype)
    with whole_folder(target) as partial:  # servers look for names of digits alone
        module = Signatures(artist)
        tf.saved_model.save(module, str(partial), signatures=module.functions())
        _write_warm_up(partial, artist.vocabulary.words[1], target.parent.name)
        _write_description(partial, artist, fingerprint(resolve(model)))


def _write_description(directory: Path, artist, fingerprint: str) -> None:
    """What the studio's page of `dmgan serve --studio` must know; servers pass over it."""
    content = {
        "fingerprint": fingerprint,
        "model": {
            "words": artist.vocabulary.words,
            "max_words": artist.max_words,
            "sides": artist.generator.sides,
        },
    }
    path = directory / DESCRIPTION
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _write_warm_up(directory: Path, word: str, name: str) -> None:
    """Requests that TF Serving makes by itself before it calls a version available."""
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    path = directory / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in _WARM_UP_BATCHES:
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = name
            request.model_spec.signature_name = "serving_default"
            request.inputs["caption"].CopyFrom(tf.make_tensor_proto([word] * batch))
            request.inputs["seed"].CopyFrom(tf.make_tensor_proto(list(range(batch)), tf.int64))
            writer.write(log.SerializeToString())


if __name__ == "__main__":
    run(main)
