"""The studio as a folder of static files: page, ONNX Runtime Web, and a model.

    index.html, *.js, studio.css   the page
    runtime/                       ONNX Runtime Web: WebAssembly, and the build with WebGPU
    model/                         an ONNX export: the graph of all stages, words, manifest
    studio.json                    the model's name and texts; bytes and SHA-256 of every file

TensorFlow is imported only for a model that isn't exported yet.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import shutil
from pathlib import Path

from dmgan_tf.edge import checked, read_manifest
from dmgan_tf.errors import UserError
from dmgan_tf.export.to_onnx import onnx_files
from dmgan_tf.inference import hub, kaggle, presets, remote_model
from dmgan_tf.studio.static_server import PAGE
from dmgan_tf.whole_folder import whole_folder

HERE = PAGE.parent
RUNTIME, EXPORTED = HERE / "runtime", HERE / "exported"
_EXPORTING = "tensorflow", "onnx", "onnxruntime", "tf2onnx"
STAGES, WORDS, MANIFEST = "stages_float32.onnx", "vocabulary.json", "manifest.json"

_LOGGER = logging.getLogger(__name__)


def write(model: Path, out: Path) -> None:
    """Writes the studio of a model, whole or not at all.

    Args: model: a preset, the folder of a run or of a model, or an ONNX export with its stages.
    Raises: UserError: when ONNX Runtime Web or the model is missing, or `out` is there already.
    """
    if not RUNTIME.is_dir():
        raise UserError(_lacking(model))
    with whole_folder(out) as partial:
        shutil.copytree(PAGE, partial, dirs_exist_ok=True)
        shutil.copytree(RUNTIME, partial / "runtime")
        (partial / "model").mkdir()
        _write_model(model, partial / "model")
        _describe(model, partial)


def _lacking(model):
    """What to get before a studio can be written, all of it at once."""
    told = [
        f"{RUNTIME}: is missing, so the page has no ONNX Runtime Web. "
        f"Get it with npm: npm ci --prefix {HERE}."
    ]
    lacking = [name for name in _EXPORTING if importlib.util.find_spec(name) is None]
    if lacking and not exported(model):
        told.append(f"Exporting needs more packages: pip install 'dmgan_tf[onnx]' ({lacking[0]}).")
    return " ".join(told)


def _write_model(model, target):
    """An export of the model, from what is exported already where that is so."""
    if source := exported(model):
        files = read_manifest(source)["files"]
        for name in (STAGES, WORDS):
            (target / name).write_bytes(checked(source / name, files))
        shutil.copyfile(source / MANIFEST, target / MANIFEST)
        return
    _LOGGER.info("%s is exported for browsers, which takes some seconds.", model)
    export(model, target)


def export(model: Path, target: Path) -> None:
    """Exports a model into a folder that is there.

    Raises: UserError: when packages are missing, or there is no such model.
    """
    onnx_files().write_stages(model, target)


def exported(model):
    """The folder of an export of the model, made before; None without one.

    Raises: UserError: when it is an export without its stages.
    """
    if (model / MANIFEST).is_file():
        if not (model / STAGES).is_file():
            raise UserError(f"{model}: holds no {STAGES}. Export it with --stages.")
        return model
    name = presets.preset_name(presets.locate(model))
    if not name or not (EXPORTED / name / MANIFEST).is_file():
        return None
    same = (
        read_manifest(EXPORTED / name).get("fingerprint")
        == presets.load_card(presets.ROOT / name).fingerprint
    )
    return EXPORTED / name if same else None


def _describe(model, folder):
    manifest = read_manifest(folder / "model")
    content = {
        "format": 1,
        "name": hub.repository(model)
        or kaggle.repository(model)
        or remote_model.name_of(model)
        or model.resolve().name,
        "fingerprint": manifest.get("fingerprint", ""),
        **_texts(model),
        "files": {
            path.relative_to(folder).as_posix(): _described(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (folder / "studio.json").write_text(text, encoding="utf-8")


def _texts(model):
    """What a preset's card says."""
    name = presets.preset_name(presets.locate(model))
    if not name:
        return {}
    card = presets.load_card(presets.ROOT / name)
    return {key: getattr(card, key) for key in ("title", "limitations", "licence")}


def _described(path):
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
