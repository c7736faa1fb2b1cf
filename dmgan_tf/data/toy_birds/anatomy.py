"""The outlines of a bird, facing right, as polygons in its own unit (about one bird length).

x points right, y points down, the origin is the middle of the body.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

_BODY_AXES = np.array([0.31, 0.235])
_HEAD_RADIUS = 0.195


@dataclass(frozen=True, slots=True)
class _Stance:
    lean: float  # degrees, > 0 = clockwise = head down
    head: tuple[float, float]
    head_turn: float
    tail_turn: float


_STANCES = {
    "upright": _Stance(-50, (0.185, -0.335), -6, -36),
    "level": _Stance(-16, (0.275, -0.235), 0, -6),
    "pecking": _Stance(20, (0.355, 0.055), 38, 24),
}
_BEAKS = {  # in head radii, from the centre of the head
    "short": [(0.82, -0.22), (1.42, 0.12), (0.82, 0.38)],
    "long": [(0.82, -0.2), (1.85, 0.16), (0.82, 0.36)],
    "hooked": [
        (0.82, -0.26), (1.2, -0.24), (1.48, -0.02), (1.5, 0.48), (1.25, 0.26), (0.82, 0.4),
    ],
}  # fmt: skip
_TAILS = {  # from its root at the rear of the body
    "short": [(0.12, -0.07), (-0.14, -0.085), (-0.17, 0.04), (0.1, 0.07)],
    "long": [(0.12, -0.065), (-0.3, -0.06), (-0.33, 0.0), (-0.29, 0.05), (0.1, 0.065)],
    "forked": [(0.12, -0.06), (-0.28, -0.13), (-0.15, 0.0), (-0.26, 0.12), (0.1, 0.065)],
}


@cache
def anatomy(pose: str, beak: str, tail: str) -> dict[str, np.ndarray]:
    """Return polygons float [points, 2]: silhouette parts, patches, beak, eye, legs and feathers.

    "body", "neck" and "head" share the colour of the body; "belly", "wing" and "crown" lie on top.
    """
    stance = _STANCES[pose]
    head = np.array(stance.head)
    chest = _turn(np.array([[0.12, -0.02]]), stance.lean)[0]
    root = _turn(np.array([[-0.27, -0.03]]), stance.lean)[0]

    def on_body(points: np.ndarray) -> np.ndarray:
        return _turn(points, stance.lean)

    def on_head(points: np.ndarray) -> np.ndarray:
        return _turn(points * _HEAD_RADIUS, stance.head_turn) + head

    shapes = {
        "tail": _turn(np.array(_TAILS[tail]), stance.tail_turn) + root,
        "body": on_body(_arc(0, 360) * _BODY_AXES),
        "neck": _capsule(head, _HEAD_RADIUS * 0.95, chest, 0.2),
        "head": on_head(_arc(0, 360)),
        "belly": on_body(_arc(-16, 152) * _BODY_AXES),
        "wing": on_body(_wing()),
        "crown": on_head(_crown()),
        "beak": on_head(np.array(_BEAKS[beak])),
        "eye": on_head(np.array([[0.42, 0.12]])),
    }
    for i, x in enumerate((0.3, 0.62)):
        feather = np.array([(-0.02 - 0.2 * x, -0.11 + 0.19 * x), (-0.3, 0.0 + 0.03 * i)])
        shapes[f"feather_{i}"] = on_body(feather)
    floor = shapes["body"][:, 1].max() + 0.13
    for side, x in (("left", -0.05), ("right", 0.07)):
        foot = np.array([(x, floor - 0.22), (x + 0.02, floor), (x + 0.08, floor)])
        shapes[f"{side}_leg"] = foot
    return _centred(shapes)


def _centred(shapes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Move the middle of the bird without tail and beak (so that they move no other part)."""
    firm = np.concatenate([shapes[name] for name in ("body", "crown", "left_leg")])
    middle = (firm.min(0) + firm.max(0)) / 2 - (0.04, 0.0)
    return {name: points - middle for name, points in shapes.items()}


def _turn(points: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[c, s], [-s, c]])


def _arc(start: float, stop: float, points: int = 40) -> np.ndarray:
    angle = np.radians(np.linspace(start, stop, points))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _capsule(a: np.ndarray, radius_a: float, b: np.ndarray, radius_b: float) -> np.ndarray:
    """Return the outline of two discs and the tapered band between them."""
    facing = np.degrees(np.arctan2(*(a - b)[::-1]))
    half = np.degrees(np.arccos((radius_b - radius_a) / np.linalg.norm(a - b)))
    near = a + radius_a * _arc(facing - half, facing + half)
    far = b + radius_b * _arc(facing + half, facing + 360 - half)
    return np.concatenate([near, far])


def _wing() -> np.ndarray:
    """Return a drop: round at the shoulder, pointed towards the tail."""
    along = np.linspace(0, 1, 20)
    half_width = 0.125 * np.sqrt(along) * (1 - along**2.2) * 2.05
    x = 0.13 - 0.5 * along
    middle = -0.02 + 0.025 * along
    upper = np.stack([x, middle - 0.75 * half_width], axis=1)
    lower = np.stack([x, middle + half_width], axis=1)
    return np.concatenate([upper, lower[::-1]])


def _crown() -> np.ndarray:
    """Return a generous cap with a small crest towards the nape, in head radii."""
    degrees = np.linspace(165, 342, 40)  # from the nape over the top to the brow
    crest = 0.14 * np.exp(-(((degrees - 222) / 30) ** 2))
    rim = _arc(165, 342) * (1.04 + crest)[:, None]
    along = np.linspace(0, 1, 10)[1:-1, None]
    brow = rim[-1] + along * (rim[0] - rim[-1]) - np.sin(np.pi * along) * (0.03, 0.1)
    return np.concatenate([rim, brow])
