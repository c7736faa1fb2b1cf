"""Presets: trained models that travel inside the package and are found by their names.

    NAME/card.yaml             what it is, where it comes from, what it scores
    NAME/grid.png              pictures of it, where it draws
    NAME/metadata.json …       the rest of a model directory; see `model_directory`

`export/preset.py` packs them. Nothing here imports TensorFlow: a wrong name is told at once.
"""

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

from dmgan_tf.config_file import load_dataclass
from dmgan_tf.errors import UserError, nearest
from dmgan_tf.inference import hub, kaggle, remote_model
from dmgan_tf.remote.store import is_remote
from dmgan_tf.whole_folder import previous

ROOT = Path(__file__).parents[1] / "presets"
CARD, GRID = "card.yaml", "grid.png"

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a preset's card.yaml says, for people and for programs.

    Attributes:
        title: one line. data: what it was trained on. command: that trained it. cost, machine, date
        (ISO), commit (None: not known): of the training. licence: of weights and pictures.
        limitations: what it does not do. fingerprint: of its weights and words. settings: see
        `settings_hash`. judge: the preset that judges it, None: itself. evaluate: options of
        `dmgan_tf.evaluate` that give the scores again; empty without scores. grid: the captions of
        grid.png, drawn with seeds 0, 1, …. scores: the report that `dmgan_tf.evaluate` wrote.
    """

    title: str
    data: str
    command: str
    cost: str
    machine: str
    date: str
    commit: str | None
    licence: str
    limitations: str
    fingerprint: str
    settings: str
    judge: str | None = None
    evaluate: str = ""
    grid: tuple[str, ...] = ()
    scores: dict[str, object] = field(default_factory=dict)


def names() -> list[str]:
    """The presets that there are."""
    if not ROOT.is_dir():
        return []
    return sorted(p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith("."))


def load_card(folder: Path) -> Card:
    """Raises: UserError: when it is missing, or has other keys or types than a card."""
    try:
        return load_dataclass(Card, folder / CARD)
    except UserError as error:
        raise damaged(folder, error) from error


def settings_hash(folder: Path) -> str:
    """SHA-256 over metadata.json and config.yaml, 16 hexadecimal digits.

    The same weights draw other pictures by other settings.

    Raises: UserError: when one is missing.
    """
    digest = hashlib.sha256()
    for name in ("metadata.json", "config.yaml"):
        try:
            digest.update((folder / name).read_text(encoding="utf-8").encode())
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{folder / name}: cannot be read: {error}.") from error
    return digest.hexdigest()[:16]


def damaged(folder: Path, reason: object) -> UserError:
    """What to raise when a preset, or a copy of one, is not as it was packed."""
    if preset_name(folder):
        return UserError(f"The preset {folder.name!r} is damaged: {reason} Install dmgan_tf again.")
    return UserError(
        f"{folder}: is no whole copy of a preset: {reason} Copy it again, or rename its {CARD} to "
        "take it as it is."
    )


def find(name: str) -> Path:
    """The folder of a preset.

    Raises: UserError: when there is none of that name, with the nearest one.
    """
    known = names()
    if name in known:
        return ROOT / name
    meant = nearest(name, known)
    hint = f"Did you mean {meant!r}? " if meant else ""
    raise UserError(
        f"{name}: there is no such folder and no preset of that name. {hint}"
        f"Presets: {', '.join(known) or 'none'}. The folder of a run or of a model will do as well."
    )


def locate(named: str | Path) -> Path:
    """The folder that a model's name means: of that name, or the preset, or from a hub or a store.

    A folder wins, as with `--config`: a preset of a later version must not take the place of what
    a command used before. It is warned of, so that no folder hides a preset in silence.

    Command lines take it as the type of an argument.

    Raises: UserError: for a plain name that is neither, and for `hf://…`, `kaggle://…` or `s3://…`
        that can't be had; other paths are returned as they are.
    """
    if hub.is_hub_name(named):
        return hub.download(named)
    if kaggle.is_kaggle_name(named):
        return kaggle.download(named)
    if is_remote(named):
        return remote_model.download(named)
    named = Path(named)
    if len(named.parts) != 1 or named.name in ("", ".."):
        return named
    if not (named.is_dir() or previous(named).is_dir()):
        return find(named.name)
    if named.name in names():
        _LOGGER.warning("%s: the folder here is taken, not the preset of that name.", named)
        return named.absolute()  # no plain name any more: looked up, and warned of, once
    return named


def preset_name(folder: Path) -> str | None:
    """The name of the preset whose folder this is; None for other folders."""
    folder = folder.resolve()
    return folder.name if folder.parent == ROOT.resolve() else None


def preset_judge(folder: Path) -> Path | None:
    """The folder of the judge that a preset's card names; None without one, or for other folders.

    Raises: UserError: when the card is damaged.
    """
    judge = load_card(folder).judge if preset_name(folder) else None
    if judge and judge not in names():
        raise damaged(folder, f"its judge {judge!r} is no preset.")
    return ROOT / judge if judge else None
