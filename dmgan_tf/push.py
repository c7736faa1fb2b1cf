"""Uploads a model with its card to the Hugging Face Hub: `dmgan push MODEL hf://user/model`.

The weights go as safetensors, and a README.md (licence, data, scores with their protocol, grid, how
to use it) goes with them. The scores are those of a preset's card, or of the report that `dmgan
evaluate` wrote; without scores, or with one whose protocol is missing, nothing is uploaded. What is
needed of the hub (`hf auth login` or HF_TOKEN) is checked before that.

With --out nothing is uploaded: the files are written into a folder, to look at or to keep.
"""

import argparse
import re
import shutil
import tempfile
from pathlib import Path

import yaml

from dmgan_tf.command_line import argument_parser, import_tensorflow, run
from dmgan_tf.errors import UserError
from dmgan_tf.inference import hub, presets
from dmgan_tf.remote.store import local_path
from dmgan_tf.whole_file import read_json
from dmgan_tf.whole_folder import whole_folder

# Paths in a config; only their last part is uploaded, since the folders are private.
_PATHS = (
    *(("data", "directory"), ("image_encoder", "weights")),
    *(("damsm", "directory"), ("training", "initial_model")),
)
_LICENCE = re.compile("[a-z0-9][a-z0-9.-]*")  # of the hub's identifiers, such as mit or cc-by-4.0


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argument_parser(__doc__)
    parser.add_argument("model", type=presets.locate, help="folder of a run or model, or a preset")
    parser.add_argument(
        "target",
        metavar="hf://user/model",
        nargs="?",
        help="repository to upload to; with --out the name on the card (default: that of OUT)",
    )
    parser.add_argument(
        "--out", type=local_path, help="write what would be uploaded into this folder, a new one"
    )
    parser.add_argument("--title", help="what the model is, in one line (default: a preset's)")
    parser.add_argument("--data", help="what it was trained on (default: a preset's)")
    parser.add_argument(
        "--licence", help="of weights and pictures, such as mit or cc-by-4.0 (default: a preset's)"
    )
    parser.add_argument("--limitations", help="what it can't do (default: a preset's)")
    parser.add_argument(
        "--evaluation", type=Path, help="report of `dmgan evaluate` (default: the model's)"
    )
    parser.add_argument("--without-scores", action="store_true", help="upload without any score")
    parser.add_argument("--create", action="store_true", help="make a repository if there is none")
    parser.add_argument("--private", action="store_true", help="with --create: for you alone")
    arguments = parser.parse_args()
    if arguments.evaluation and arguments.without_scores:
        parser.error("--evaluation names scores, and --without-scores leaves them out.")
    if arguments.private and not arguments.create:
        parser.error("--private needs --create: a repository that is there stays as it is.")
    if not arguments.target and not arguments.out:
        parser.error("Name a repository to upload to, hf://user/model, or a folder with --out.")
    if arguments.out and arguments.create:
        parser.error("--create makes a repository, and with --out nothing is uploaded.")
    return arguments


def main() -> int:
    """Checks, writes the card, uploads or keeps."""
    arguments = parse_arguments()
    target, out = arguments.target or arguments.out.name, arguments.out
    name, revision = hub.parse(target) if arguments.target else (target, None)
    if not out:
        hub.import_hub()
    is_preset = presets.preset_name(arguments.model)
    card = presets.load_card(arguments.model) if is_preset else None
    texts = {key: getattr(arguments, key) or getattr(card, key, None) for key in _TEXTS}
    if missing := [f"--{key}" for key in ("licence", "data") if not texts[key]]:
        raise UserError(f"The model card needs {' and '.join(missing)}.")
    import_tensorflow()  # takes seconds: not before the arguments
    from dmgan_tf.inference.model_directory import resolve

    model = resolve(arguments.model)
    report, place = _report(arguments, card, model)

    def write(folder):
        _copy(model, folder, place / presets.GRID)
        text = model_card(folder, target, texts, report)
        (folder / "README.md").write_text(text, encoding="utf-8")

    if out:
        with whole_folder(out) as folder:
            write(folder)
        print(f"Written: {out}")
        return 0
    api = _reached(arguments, name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder)
        with hub.told(target):
            commit = api.upload_folder(
                repo_id=name,
                folder_path=folder,
                revision=revision,
                commit_message="Upload by dmgan push",
                delete_patterns=hub.WEIGHTS,  # of a model that was there before
            )
    print(f"Uploaded: hf://{name}@{commit.oid}")
    return 0


_TEXTS = ("title", "data", "licence", "limitations")


def _report(arguments, card, model):
    """The scores, or None, and the folder of their grid. Raises: UserError."""
    from dmgan_tf.evaluation.report import check_protocols
    from dmgan_tf.inference.model_directory import fingerprint

    places = [arguments.model, model, model.parent] if model.name == "model" else [model]
    path = arguments.evaluation or next(
        (p for place in places if (p := place / "evaluation.json").is_file()), None
    )
    place = path.parent if path else model
    if arguments.without_scores:
        return None, place
    report = read_json(path) if path else dict(card.scores) if card else {}
    if not report:
        raise UserError(
            f"{arguments.model}: has no scores. Score it with `dmgan evaluate`, name the report "
            "with --evaluation, or say --without-scores."
        )
    check_protocols(report, path or model)
    if report.get("model") != (found := fingerprint(model)):
        raise UserError(
            f"{path or model}: scores the model {report.get('model')}, this one is {found}. "
            "Score it anew with `dmgan evaluate`."
        )
    return report, place


def _reached(arguments, name):
    """The hub, where there are a token and the repository. Raises: UserError."""
    library = hub.import_hub()
    if not library.get_token():
        raise UserError("There is no token to upload with: `hf auth login`, or set HF_TOKEN.")
    api = library.HfApi()
    with hub.told(arguments.target):
        if arguments.create:
            api.create_repo(name, private=arguments.private or None, exist_ok=True)
        try:
            api.model_info(name)
        except library.errors.RepositoryNotFoundError as error:
            raise UserError(
                f"{arguments.target}: there is no such repository that this token sees. "
                "--create makes it."
            ) from error
    return api


def _copy(model, folder, grid):
    from dmgan_tf.inference.weight_files import SAFETENSORS, weight_files, write_safetensors

    for name, path in weight_files(model).items():
        write_safetensors(path, folder / f"{name}{SAFETENSORS}")
    for path in (model / "metadata.json", model / "vocabulary.json", grid):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    config = yaml.safe_load((model / "config.yaml").read_text(encoding="utf-8"))
    for section, key in _PATHS:
        if named := config.get(section, {}).get(key):
            config[section][key] = Path(named).name
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def model_card(folder: Path, target: str, texts: dict, report: dict | None) -> str:
    """README.md for the hub: a head of YAML for programs, the rest for people.

    Args: folder: the model as it is uploaded. texts: title, data, licence, limitations, or None.
        report: the scores, checked, or None.
    """
    from dmgan_tf.evaluation.report import as_markdown
    from dmgan_tf.inference.model_directory import fingerprint, load_metadata

    licence = texts["licence"].lower()
    known = {"license": licence}
    if not _LICENCE.fullmatch(licence):
        known = {"license": "other", "license_name": texts["licence"]}
    draws = "generator" in load_metadata(folder)["networks"]
    head = known | {
        "library_name": "dmgan_tf",
        "pipeline_tag": "text-to-image" if draws else None,
        "tags": ["dm-gan", "text-to-image", "tensorflow", "keras"],
        "fingerprint": fingerprint(folder),
    }
    head = {key: value for key, value in head.items() if value is not None}
    lines = ["---", yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip(), "---", ""]
    lines += [f"# {texts['title'] or target.rpartition('/')[2].partition('@')[0]}", ""]
    if (folder / presets.GRID).is_file():
        lines += [f"![Pictures that the model drew]({presets.GRID})", ""]
    lines += ["Trained by [DM-GAN](https://arxiv.org/abs/1904.01310) for TensorFlow and Keras.", ""]
    lines += [f"**Data.** {texts['data']}", "", f"**Licence.** {texts['licence']}", ""]
    if texts["limitations"]:
        lines += [f"**Limitations.** {texts['limitations']}", ""]
    lines += ["## Scores", "", as_markdown(report) if report else "None were measured.\n"]
    use = f'dmgan generate --model {target} --caption "…" --out picture.png'
    if not draws:
        use = f"dmgan evaluate --model RUN --judge {target}"
    lines += ["## How to use it", "", "```bash", "pip install 'dmgan_tf[hub]'", use, "```", ""]
    if draws:
        code = f'TextToImage.from_preset("{target}").generate("…", seed=1)'
        lines += [
            "```python",
            "from dmgan_tf import TextToImage",
            "",
            f"images = {code}",
            "```",
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
