"""Where the birds stand: six pale, softly textured scenes that never compete with the plumage."""

import numpy as np

from dmgan_tf.data.toy_birds.pencil import Color, Pencil

GRADIENTS: dict[str, tuple[Color, Color]] = {
    "sky": ((142, 190, 232), (222, 236, 246)),
    "grass": ((206, 226, 228), (222, 232, 210)),
    "water": ((214, 226, 226), (190, 214, 218)),
    "snow": ((178, 194, 214), (204, 214, 226)),
    "branch": ((196, 214, 176), (222, 228, 190)),
    "sand": ((244, 214, 186), (240, 226, 206)),
}


def paint(pencil: Pencil, name: str, feet: np.ndarray, rng: np.random.Generator) -> None:
    """Paint the scene `name` behind a bird whose feet stand at `feet`, float [2]."""
    _PAINTERS[name](pencil, feet, rng)


def _ground(horizon: float, rng: np.random.Generator, roughness: float) -> np.ndarray:
    """Return everything below a wavy horizon as a polygon."""
    x = np.linspace(0, 1, 30)
    phase, waves = rng.uniform(0, 6.3), rng.uniform(1, 2)
    y = horizon + roughness * np.sin(6.3 * waves * x + phase)
    return np.concatenate([np.stack([x, y], axis=1), [(1, 1), (0, 1)]])


def _cloud(pencil: Pencil, center: np.ndarray, size: float) -> None:
    for dx, dy, radius in ((-1, 0.2, 0.55), (-0.2, -0.15, 0.75), (0.7, 0.1, 0.6), (1.4, 0.3, 0.4)):
        pencil.dots([center + size * np.array([dx, dy])], size * radius, (240, 246, 250))


def _sky(pencil: Pencil, feet: np.ndarray, rng: np.random.Generator) -> None:
    for x in (rng.uniform(0.05, 0.3), rng.uniform(0.65, 0.95)):
        _cloud(pencil, np.array([x, rng.uniform(0.08, 0.5)]), rng.uniform(0.07, 0.1))
    along = np.linspace(0, 1, 20)
    height = feet[1] + 0.006 - 0.05 * (along - feet[0]) ** 2
    pencil.stroke(np.stack([along, height], axis=1), (96, 100, 112), 0.014)


def _grass(pencil: Pencil, feet: np.ndarray, rng: np.random.Generator) -> None:
    pencil.fill(_ground(feet[1] - 0.14, rng, 0.012), (178, 206, 138))
    for color in ((152, 188, 108), (196, 220, 150)):
        for x, y in zip(rng.uniform(0, 1, 26), rng.uniform(feet[1] - 0.08, 1.04, 26), strict=True):
            tip = (x + rng.uniform(-0.025, 0.025), y - rng.uniform(0.05, 0.09))
            pencil.stroke(np.array([(x, y), tip]), color, 0.011)


def _water(pencil: Pencil, feet: np.ndarray, rng: np.random.Generator) -> None:
    pencil.fill(_ground(feet[1] - 0.2, rng, 0.0), (128, 184, 196))
    for color in ((160, 206, 212), (110, 168, 184)):
        for x, y in zip(rng.uniform(-0.1, 1, 9), rng.uniform(feet[1] - 0.17, 1, 9), strict=True):
            ripple = np.linspace(0, 1, 8)
            line = np.stack([x + 0.16 * ripple, y + 0.008 * np.sin(6.3 * ripple)], axis=1)
            pencil.stroke(line, color, 0.011)
    angle = np.linspace(0, np.pi, 20)
    stone = np.stack([np.cos(angle) * 0.19, -0.075 * np.sin(angle) ** 0.6], axis=1)
    pencil.fill(stone + feet + (0, 0.065), (150, 148, 146))
    pencil.fill(stone * (0.75, 0.5) + feet + (-0.02, 0.03), (172, 170, 166))


def _snow(pencil: Pencil, feet: np.ndarray, rng: np.random.Generator) -> None:
    pencil.fill(_ground(feet[1] - 0.16, rng, 0.03), (214, 222, 234))
    pencil.fill(_ground(feet[1] - 0.05, rng, 0.015), (226, 232, 242))
    pencil.dots(rng.uniform(0, 1, (26, 2)), 0.011, (240, 244, 250))


def _branch(pencil: Pencil, feet: np.ndarray, rng: np.random.Generator) -> None:
    pencil.dots(rng.uniform(0, 1, (7, 2)), rng.uniform(0.06, 0.1), (208, 222, 184))
    slope = rng.uniform(-0.08, 0.08)
    x = np.array([-0.05, feet[0], 1.05])
    y = feet[1] + 0.024 + slope * (x - feet[0])
    pencil.stroke(np.stack([x, y], axis=1), (142, 116, 92), 0.05)
    for t in (0.04, 0.16, 0.3, 0.72, 0.86, 0.97):
        up = rng.choice((-1, 1))
        root = np.array([t, feet[1] + 0.024 + slope * (t - feet[0])])
        _leaf(pencil, root, up * rng.uniform(0.9, 1.5), (134, 176, 92))


def _leaf(pencil: Pencil, root: np.ndarray, angle: float, color: Color) -> None:
    along = np.linspace(0, 1, 10)
    half_width = 0.032 * np.sin(np.pi * along)
    x, y = np.r_[along, along[::-1]] * 0.12, np.r_[half_width, -half_width[::-1]]
    c, s = np.cos(angle), np.sin(angle)
    pencil.fill(np.stack([c * x - s * y, s * x + c * y], axis=1) + root, color)


def _sand(pencil: Pencil, feet: np.ndarray, rng: np.random.Generator) -> None:
    pencil.fill(_ground(feet[1] - 0.18, rng, 0.03), (232, 208, 166))
    pencil.fill(_ground(feet[1] - 0.04, rng, 0.02), (222, 194, 148))
    grains = rng.uniform((0, feet[1]), (1, 1), (24, 2))
    pencil.dots(grains, 0.008, (198, 168, 122))


_PAINTERS = {
    "sky": _sky,
    "grass": _grass,
    "water": _water,
    "snow": _snow,
    "branch": _branch,
    "sand": _sand,
}
