"""Draws captions with an exported model: a runtime, `numpy` and `pillow` are all it needs.

    dmgan edge --model runs/demo/onnx --caption "a red bird" --out bird.png
    dmgan edge --model runs/demo/litert --runtime litert --caption "a red bird" --out bird.png

The runtime is `onnxruntime` or `openvino`, which read what `dmgan export onnx` wrote, or `litert`
(the package `ai-edge-litert`), which reads what `dmgan export litert` wrote. The same caption and
seed give the same picture as `generate` and the server.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dmgan_tf.caption_options import add_captions, captions_of
from dmgan_tf.command_line import argument_parser, picture_path, run
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.inference import edge_runtimes
from dmgan_tf.inference.captioned_grid import captioned_grid
from dmgan_tf.inference.image_grid import save_picture, to_uint8
from dmgan_tf.inference.inputs import encode_caption, model_inputs, with_seeds
from dmgan_tf.remote.store import local_path
from dmgan_tf.whole_file import read_json

FORMAT = 1
ORT = "ort.json"  # describes the .ort files, whose bytes differ from export to export
_BATCH_SIZE = 4
_NUMBERS = ("max_words", "noise_size", "condition_size")  # of the manifest
_MOST_THREADS = 1024


class EdgeModel:
    """An exported text-to-image model.

    Args: directory: what `dmgan export onnx` or `litert` wrote. precision: float32, float16, int8,
        of those exported; bfloat16: the float32 file, computed so by OpenVINO. ort: bool, the
        `.ort` file for runtimes that read nothing else. threads: int, 0: one per core. runtime:
        onnxruntime, openvino or litert. providers: ONNX Runtime's execution providers, the best
        first; none: the CPU.
    Raises: UserError: when the runtime isn't installed, the directory lacks a file, or one isn't as
        it was written.
    """

    def __init__(
        self,
        directory: str | Path,
        precision: str = "float32",
        ort: bool = False,
        threads: int = 0,
        runtime: str = "onnxruntime",
        providers: Sequence[str] = (),
    ):
        if runtime not in edge_runtimes.RUNTIMES:
            raise UserError(
                f"`runtime` knows {', '.join(edge_runtimes.RUNTIMES)}. Received: {runtime}."
            )
        if ort and runtime != "onnxruntime":
            raise UserError(f".ort files are ONNX Runtime's. Received: {runtime}.")
        edge_runtimes.import_runtime(runtime)
        directory = Path(directory)
        form = "litert" if runtime == "litert" else "onnx"
        manifest = read_manifest(directory, form)
        files = manifest["files"]
        if ort and (directory / ORT).is_file():
            files = files | read_json(directory / ORT)
        bfloat16 = precision == "bfloat16"
        suffix = ".ort" if ort else edge_runtimes.SUFFIXES[runtime]
        name = f"dmgan_{'float32' if bfloat16 else precision}{suffix}"
        if name not in files:
            held = " ".join(f for f in files if Path(f).suffix == suffix)
            precisions = ", ".join(re.findall(r"dmgan_(\w+)\.", held)) or "none"
            hint = "" if held else f" {_how_to_export(directory, form)}"
            raise UserError(f"{directory}: holds no {name}. Its precisions: {precisions}.{hint}")
        content = checked(directory / name, files)
        vocabulary = directory / "vocabulary.json"
        checked(vocabulary, manifest["files"])
        self.vocabulary = Vocabulary.load(vocabulary)
        self.max_words = manifest["max_words"]
        self._sizes = manifest["noise_size"], manifest["condition_size"]
        self._draw = edge_runtimes.load(runtime, content, threads, bfloat16, providers)

    def generate(self, captions: str | Sequence[str], seed: int | Sequence[int] = 0) -> np.ndarray:
        """Pictures of the captions, uint8 [B, side, side, 3].

        Args: captions: one or many. seed: for all of them, or one each.
        Raises: UserError: when a caption is empty or none of its words is known.
        """
        captions, seeds = with_seeds(captions, seed)
        rows = [encode_caption(caption, self.vocabulary, self.max_words) for caption in captions]
        images = []
        for start in range(0, len(rows), _BATCH_SIZE):
            part = slice(start, start + _BATCH_SIZE)
            feed = model_inputs(rows[part], seeds[part], self.max_words, self._sizes)
            images.append(self._draw(feed))
        drawn = np.concatenate(images)
        return drawn if drawn.dtype == np.uint8 else to_uint8(drawn)


def read_manifest(directory: Path, form: str = "onnx") -> dict:
    """What an export says of itself.

    Args: form: of `dmgan export`, to tell where there is none.
    Raises: UserError: when it can't be read or was written in another format.
    """
    path = directory / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["format"]
        described = {key: manifest[key] for key in ("files", *_NUMBERS)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = f" {_how_to_export(directory, form)}" if isinstance(error, FileNotFoundError) else ""
        raise UserError(f"{path}: describes no exported model: {error}.{hint}") from error
    if found != FORMAT:
        raise UserError(f"{path}: format {found} is not {FORMAT}, the one this version reads.")
    if not isinstance(described.pop("files"), dict) or not all(
        isinstance(number, int) and number > 0 for number in described.values()
    ):
        raise UserError(f"{path}: is damaged. Copy or export it again.")
    return manifest


def _how_to_export(directory, form):
    preset = Path(__file__).with_name("presets") / directory
    exported = (directory / "manifest.json").is_file()
    is_model = not exported and (directory.is_dir() or preset.is_dir())
    model = directory if is_model else "MODEL"
    return f"Export one first: dmgan export {form} --model {model} --out FOLDER."


def checked(path: Path, files: dict) -> bytes:
    """The file's bytes.

    Args: files: `files` of the manifest.
    Raises: UserError: when they aren't those that were written.
    """
    described = files.get(path.name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    wanted = described.get("sha256") if isinstance(described, dict) else None
    if hashlib.sha256(content).hexdigest() != wanted:
        raise UserError(f"{path}: is damaged or was changed (SHA-256). Copy or export it again.")
    return content


def main() -> int:
    """Draws and saves."""
    parser = argument_parser(__doc__)
    parser.add_argument("--model", type=local_path, required=True, help="folder of the export")
    add_captions(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of every picture's noise")
    parser.add_argument(
        "--runtime",
        choices=edge_runtimes.RUNTIMES,
        default="onnxruntime",
        help="what draws; litert reads its own export, the others that of ONNX",
    )
    parser.add_argument(
        "--precision",
        default="float32",
        help="float32, float16 or int8, of those exported; openvino also draws the float32 file in "
        "bfloat16, where the processor can",
    )
    parser.add_argument(
        "--providers",
        type=lambda text: text.split(","),
        default=[],
        help="execution providers of onnxruntime, with commas, the best first (default: the CPU's)",
    )
    parser.add_argument("--ort", action="store_true", help="use the .ort file, not the .onnx file")
    parser.add_argument(
        "--threads", type=int, default=0, help="threads to draw with; 0: one per core"
    )
    parser.add_argument(
        "--out",
        type=picture_path,
        default="picture.png",
        help="file to write; several pictures become one grid with their captions",
    )
    arguments = parser.parse_args()
    if not -(2**63) <= arguments.seed < 2**63:
        parser.error(f"--seed must fit into 64 bits. Received: {arguments.seed}.")
    if not 0 <= arguments.threads <= _MOST_THREADS:
        parser.error(f"--threads must lie in 0 … {_MOST_THREADS}. Received: {arguments.threads}.")
    model = EdgeModel(
        arguments.model,
        arguments.precision,
        arguments.ort,
        arguments.threads,
        arguments.runtime,
        arguments.providers,
    )
    captions = captions_of(
        arguments, lambda c: encode_caption(c, model.vocabulary, model.max_words, quiet=True)
    )
    images = model.generate(captions, arguments.seed)
    save_picture(arguments.out, captioned_grid(images, captions) if len(images) > 1 else images[0])
    print(f"Picture: {arguments.out}")
    return 0


if __name__ == "__main__":
    run(main)
