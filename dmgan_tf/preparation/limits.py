"""What pictures must be to be of use."""

from typing import NamedTuple

LEAST_SIDE = 8
MOST_ASPECT = 20  # of the longer side to the shorter, which is what a picture is enlarged by


class Limits(NamedTuple):
    """Smaller and thinner pictures are left out: `least_side` in pixels, longer to shorter side."""

    least_side: int = LEAST_SIDE
    most_aspect: float = MOST_ASPECT
