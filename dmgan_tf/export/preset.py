"""Packs the model of a run into a preset, which travels inside the package.

    dmgan export preset --model runs/demo --name toy_birds --judge toy_birds_judge \
        --evaluation runs/demo/report.json --title "Drawn birds, 64 px" --data "toy_birds: …" \
        --cost "15 minutes" --machine "2 cores of an AMD EPYC" --licence MIT --limitations "…"

The command of the training, its commit and its date come from the run's run.json; the scores from a
report of `dmgan_tf.evaluate`, which must be of this model and this judge. Pack the judge first.
docs/presets.md says what a preset holds.
"""

import argparse
import json
import re
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import yaml

from dmgan_tf.command_line import argument_parser, import_tensorflow, run
from dmgan_tf.errors import UserError
from dmgan_tf.inference import presets
from dmgan_tf.inference.presets import Card
from dmgan_tf.whole_file import read_json

_TEXTS = {
    "title": "what the model is, in one line",
    "data": "what it was trained on",
    "cost": "how long the training took",
    "machine": "the machine that trained it",
    "licence": "licence of the weights and of what they draw",
    "limitations": "what the model can't do",
}
_GRID_PICTURES = 16
_IMAGE_ENCODER = "image_encoder"


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--model", type=presets.locate, required=True, help="folder of a run, or of its model"
    )
    parser.add_argument("--name", required=True, help="name of the preset: a-z, 0-9 and _")
    parser.add_argument(
        "--evaluation", type=Path, help="report of `dmgan evaluate`, for a model that draws"
    )
    parser.add_argument("--judge", help="preset that was the report's --judge")
    parser.add_argument(
        "--without-image-encoder",
        action="store_true",
        help="leave it out: the preset draws, but is no judge and no `damsm.directory`",
    )
    for name, what in _TEXTS.items():
        parser.add_argument(f"--{name}", required=True, help=what)
    arguments = parser.parse_args()
    if not re.fullmatch("[a-z0-9_]+", arguments.name):
        parser.error(f"--name must be of a-z, 0-9 and _. Received: {arguments.name!r}.")
    if arguments.without_image_encoder and not arguments.judge:
        parser.error("--without-image-encoder: the preset can't judge itself then: give --judge.")
    return arguments


def main() -> int:
    """Packs, draws and checks."""
    arguments = parse_arguments()
    report = read_json(arguments.evaluation) if arguments.evaluation else {}
    import_tensorflow()  # takes seconds: not before the arguments
    from dmgan_tf.inference.image_grid import save_picture
    from dmgan_tf.inference.model_directory import load_metadata, resolve
    from dmgan_tf.whole_folder import whole_folder

    model, target = resolve(arguments.model), presets.ROOT / arguments.name
    networks = load_metadata(model)["networks"]
    draws = "generator" in networks
    if draws and not report:
        raise UserError(f"{model}: draws, so its card needs scores: give --evaluation.")
    if report:
        _check_report(arguments, report, model)
    if arguments.without_image_encoder and not (draws and _IMAGE_ENCODER in networks):
        raise UserError(
            f"--without-image-encoder: {model} holds {', '.join(networks)}. "
            "It must draw, and hold an image encoder to leave out."
        )
    with whole_folder(target) as folder:
        _copy(model, folder, (_IMAGE_ENCODER,) if arguments.without_image_encoder else ())
        _write_card(folder, arguments, report, _origin(model), _grid_captions(model, draws))
        if draws:
            save_picture(folder / presets.GRID, draw_grid(folder))
    size = sum(path.stat().st_size for path in target.iterdir())
    print(f"Preset: {target}, {size / 2**20:.2f} MiB")
    return 0


def _check_report(arguments, report, model):
    """The scores must be of this model and judge: else nobody could repeat them."""
    from dmgan_tf.evaluation.report import check_protocols
    from dmgan_tf.inference.model_directory import fingerprint, resolve

    check_protocols(report, arguments.evaluation)
    judge = resolve(presets.find(arguments.judge)) if arguments.judge else model
    for key, folder in (("model", model), ("judge", judge)):
        found, wanted = report.get(key), fingerprint(folder)
        if found != wanted and (key == "model" or found):
            raise UserError(
                f"{arguments.evaluation}: its {key} is {found}, that of {folder} is {wanted}. "
                "Score the model anew, or give the --judge that scored it."
            )


def _copy(model, folder, left_out):
    """The model directory alone, without some networks: reports and pictures may stand in it."""
    from dmgan_tf.inference.model_directory import load_metadata
    from dmgan_tf.inference.weight_files import weight_files

    metadata, weights = load_metadata(model), weight_files(model)
    kept = [path.name for name, path in weights.items() if name not in left_out]
    for name in ("config.yaml", "vocabulary.json", *kept):
        shutil.copyfile(model / name, folder / name)
    networks = {name: of for name, of in metadata["networks"].items() if name not in left_out}
    text = json.dumps(metadata | {"networks": networks}, indent=1)
    (folder / "metadata.json").write_text(text, encoding="utf-8")


def _origin(model):
    """What run.json of the model's run says."""
    for folder in (model, model.resolve().parent):
        if (folder / "run.json").is_file():
            return read_json(folder / "run.json")
    raise UserError(f"{model}: no run.json stands here or above: a preset comes from a run.")


def _command(origin):
    script, *options = origin["command"]
    command = script if script.startswith("dmgan ") else f"python -m dmgan_tf.{Path(script).stem}"
    return f"{command} {shlex.join(options)}"


def _grid_captions(model, draws):
    """Some of the test split, from first to last; none for a model that does not draw."""
    from dmgan_tf import build
    from dmgan_tf.config_file import load_config

    rows = build.captions(load_config(model / "config.yaml"), "test") if draws else ()
    count = min(_GRID_PICTURES, len(rows))
    return tuple(rows[i * len(rows) // count][0] for i in range(count))


def _write_card(folder, arguments, report, origin, grid):
    from dmgan_tf.inference.model_directory import fingerprint

    packed = fingerprint(folder)  # without an image encoder not that of the report's model
    card = Card(
        **{name: getattr(arguments, name) for name in _TEXTS},
        command="; then ".join(_command(run) for run in (origin, *origin.get("changed", []))),
        date=origin["begun"][:10],
        commit=origin["commit"],
        fingerprint=packed,
        settings=presets.settings_hash(folder),
        judge=arguments.judge,
        evaluate=shlex.join(_evaluate_options(report)) if report else "",
        grid=grid,
        scores=report | {"model": packed} if report else {},
    )
    text = yaml.safe_dump(asdict(card), sort_keys=False, allow_unicode=True, width=100)
    (folder / presets.CARD).write_text(text, encoding="utf-8")


def _evaluate_options(report):
    """The options of `dmgan_tf.evaluate` that a report was written with."""
    protocol = report["protocol"]
    through = [
        name.split("_", 1) for name in protocol if name.split("_")[0] in ("fid", "kid", "is")
    ]
    if any("SHA-256" in about.get("reference", "") for about in protocol.values()):
        raise UserError("--evaluation: was made with --reference, which a preset can't repeat.")
    subset_sizes = [about["subset_size"] for about in protocol.values() if "subset_size" in about]
    metrics = dict.fromkeys(metric for metric, _ in through)
    options = {
        "--metrics": ",".join([*metrics, *(["r_precision"] if "r_precision" in protocol else [])]),
        "--features": ",".join(dict.fromkeys(network for _, network in through)) or None,
        "--images": report["images"],
        "--seed": report["seed"],
        "--negatives": protocol.get("r_precision", {}).get("negatives"),
        "--subset-size": subset_sizes[0] if subset_sizes else None,
    }
    switches = {
        "--unseen": report["unseen_captions_only"],
        "--drop-last-of-fold": protocol.get("r_precision", {}).get("drop_last_of_fold"),
        "--blurred": any(name.endswith("_blurred") for name in report),
    }
    valued = [str(part) for pair in options.items() if pair[1] is not None for part in pair]
    return [*valued, *(switch for switch, on in switches.items() if on)]


def draw_grid(preset: str | Path) -> np.ndarray:
    """A preset's grid.png again: the captions of its card with seeds 0, 1, ….

    Args: preset: its name, or its folder.
    Returns: uint8 [height, width, 3].
    Raises: UserError: when there is no such preset, or it is damaged, or does not draw.
    """
    from dmgan_tf.inference.captioned_grid import captioned_grid
    from dmgan_tf.inference.model_directory import resolve
    from dmgan_tf.inference.text_to_image import TextToImage

    folder = resolve(preset)
    card = folder / presets.CARD
    captions = presets.load_card(folder).grid if card.is_file() else ()
    if not captions:
        raise UserError(f"{folder}: has no grid to draw: no {presets.CARD} there names captions.")
    images = TextToImage.from_preset(folder).generate(captions, list(range(len(captions))))
    return captioned_grid(images, captions)


if __name__ == "__main__":
    run(main)
