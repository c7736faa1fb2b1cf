"""What to score, by which metrics and protocol."""

from dataclasses import dataclass, field
from pathlib import Path

METRICS = ("fid", "kid", "is", "r_precision")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to score, by which metrics.

    Attributes:
        model: run, model or preset that draws. images_dir: pictures instead of it. judge: DAMSM
        encoders, for R-precision and the network `damsm`; None: the judge that a preset's card
        names, else the model's own. data: prepared folder; None: that of the model's config.
        metrics: of METRICS. networks: names of feature networks for FID, KID and IS. weights: their
        files by name. images: how many; None: one of every test picture, or all of `images_dir`.
        seed. unseen: only captions that don't stand in the training split. negatives,
        drop_last_of_fold: of R-precision. subset_size: of KID. reference: statistics (.npz) instead
        of the test pictures'. blurred: score blurred real pictures as well. keep_images: folder for
        the pictures. work: folder for what is unfinished. shard: (K, N), look at the K-th of N
        shares of the pictures alone. merge: N, take what was seen of N shares.
    """

    model: Path | None
    images_dir: Path | None
    judge: Path | None
    data: Path | None
    metrics: tuple[str, ...]
    networks: tuple[str, ...]
    weights: dict[str, Path] = field(default_factory=dict)
    images: int | None = None
    seed: int = 0
    unseen: bool = False
    negatives: str = "other_classes"
    drop_last_of_fold: bool = False
    subset_size: int = 1000
    reference: Path | None = None
    blurred: bool = False
    keep_images: Path | None = None
    work: Path
    shard: tuple[int, int] | None = None
    merge: int | None = None
