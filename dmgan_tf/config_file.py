"""YAML to a checked Config: what isn't known is refused, naming file and dotted key."""

import contextlib
import dataclasses
import math
import re
import types
import typing
from pathlib import Path

import yaml

from dmgan_tf.config import Config
from dmgan_tf.errors import UserError, nearest

T = typing.TypeVar("T")


def _require(condition, message):
    if not condition:
        raise UserError(message)


def find_config(name: str | Path) -> Path:
    """The file at the path given, or of that name in `configs`, which a wheel carries."""
    package = Path(__file__).parent
    in_checkout = (package.parent / "setup.py").is_file()
    configs = (package.parent if in_checkout else package) / "configs"
    candidates = (Path(name), configs / name)
    for path in candidates:
        if path.is_file():
            return path
    known = sorted(path.stem for path in configs.glob("*.yaml"))
    meant = nearest(Path(name).stem, known)
    hint = f"Did you mean {meant}.yaml?" if meant else f"It has {', '.join(known)}."
    raise UserError(f"{Path(name).absolute()}: there is no such config, nor in {configs}. {hint}")


def load_config(path: str | Path, overrides: typing.Sequence[str] = ()) -> Config:
    """Reads a YAML file and `section.key=value` overrides into a checked Config.

    Raises: UserError: for unreadable YAML, an unknown key (with the nearest match), a wrong type
        or a value out of range; the message names the file, the dotted key and the override.
    """
    tree = _read(path)
    _require(isinstance(tree, dict), f"{path}: must hold sections such as `data:`.")
    for override in overrides:
        _override(tree, override)
    try:
        return _build(Config, tree, str(path), "")
    except UserError as error:
        named = re.findall(r"\w+", str(error))
        meant = [f"--set {o}" for o in overrides if o.partition("=")[0].split(".")[-1] in named]
        raise UserError(f"{error} See {', '.join(meant)}." if meant else str(error)) from None


def load_dataclass(cls: type[T], path: str | Path) -> T:
    """Reads a YAML file into a dataclass of plain values, checked in the same way.

    Raises: UserError: as `load_config`.
    """
    return _build(cls, _read(path), str(path), "")


def _read(path):
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def _override(tree, override):
    key, equals, text = override.partition("=")
    *sections, name = key.split(".")
    _require(equals and sections, f"--set takes section.key=value. Received: {override!r}.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: the value is not valid YAML.") from error
    _check_override(override, key, value)
    for section in sections:
        tree = tree.setdefault(section, {})
        _require(isinstance(tree, dict), f"--set {override}: {section!r} is no section.")
    tree[name] = value


def _check_override(override, key, value):
    """Tells what is wrong with an override of it, not of the file."""
    source, cls, prefix = f"--set {override}", Config, ""
    for part in key.split("."):
        hint = _hint(typing.get_type_hints(cls), part, source, prefix)
        prefix += f"{part}."
        if not dataclasses.is_dataclass(hint):
            if prefix == f"{key}.":
                _value(hint, value, source, key)
            return
        cls = hint


def _hint(hints, key, source, prefix):
    """The type of a key that is known."""
    if key not in hints:
        near = nearest(str(key), hints)
        hint = f"Did you mean `{prefix}{near}`?" if near else f"Known: {', '.join(hints)}."
        raise UserError(f"{source}: unknown key `{prefix}{key}`. {hint}")
    return hints[key]


def _build(cls, tree, source, prefix):
    where = f"{source}: {prefix.rstrip('.')}" if prefix else source
    _require(isinstance(tree, dict), f"{where}: must hold `key: value` lines. Received: {tree!r}.")
    hints = typing.get_type_hints(cls)
    known = {key: _hint(hints, key, source, prefix) for key in tree}
    values = {k: _value(known[k], v, source, prefix + k) for k, v in tree.items()}
    for f in dataclasses.fields(cls):
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        _require(f.name in values or not required, f"{source}: missing key `{prefix}{f.name}`.")
    try:
        return cls(**values)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _value(hint, value, source, key):
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, source, key + ".")
    if isinstance(hint, types.UnionType):  # `T | None`
        if value is None:
            return None
        hint = next(t for t in typing.get_args(hint) if t is not type(None))
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        _require(isinstance(value, list), _wrong_type(source, key, "a list", value))
        return tuple(_value(item, v, source, f"{key}[{i}]") for i, v in enumerate(value))
    if hint is float:
        return _float(value, source, key)
    hint = typing.get_origin(hint) or hint  # dict[…]
    if value is False and key.endswith("mixed_precision"):
        value = "off"  # which YAML 1.1 reads as false
    # bool is an int to Python, but `on` where a number is meant is a mistake.
    good = isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    names = {int: "a whole number", bool: "true or false", str: "text", dict: "`key: value` lines"}
    _require(good, _wrong_type(source, key, names.get(hint, hint.__name__), value))
    return value


def _float(value, source, key):
    if isinstance(value, str):  # YAML 1.1 reads 1e-4 as text
        with contextlib.suppress(ValueError):
            value = float(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    _require(number and math.isfinite(value), _wrong_type(source, key, "a number", value))
    return float(value)


def _wrong_type(source, key, wanted, value):
    return f"{source}: `{key}` must be {wanted}. Received: {value!r} ({type(value).__name__})."
