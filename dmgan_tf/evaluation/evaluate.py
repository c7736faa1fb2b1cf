"""How well a model draws captions: every score, its protocol, and real pictures beside it."""

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from dmgan_tf import build
from dmgan_tf.config import Config, load_config
from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.data.toy_birds import birds as toy_birds
from dmgan_tf.errors import UserError
from dmgan_tf.evaluation import scores
from dmgan_tf.evaluation.captions import Place, places
from dmgan_tf.evaluation.collecting import collect
from dmgan_tf.evaluation.folder import METADATA, Folder
from dmgan_tf.evaluation.observers import BIRDS, DAMSM, BirdsObserver, DamsmNetwork, NetworkObserver
from dmgan_tf.evaluation.pictures import Drawn, Kept, Pictures, Real
from dmgan_tf.evaluation.request import Request
from dmgan_tf.evaluation.scores import FOLDS, INCEPTION_SPLITS, Score
from dmgan_tf.feature_networks import NAMES as FEATURE_NETWORKS
from dmgan_tf.feature_networks import cache_folder, load_feature_network
from dmgan_tf.inference.captioned_grid import save_captioned_grid
from dmgan_tf.inference.model_directory import (
    fingerprint,
    load_metadata,
    load_network,
    load_vocabulary,
    resolve,
)
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.metrics.features import sentence_features
from dmgan_tf.metrics.frechet_distance import rank_warning
from dmgan_tf.metrics.running_statistics import load_statistics

GRID_PICTURES = 16
_BATCH_SIZE = 32  # pictures a replica
_CHUNK = 8  # batches between two notes of what is done

_LOGGER = logging.getLogger(__name__)


def evaluate(request: Request, grid: Path | None = None) -> tuple[dict[str, object], list[Score]]:
    """Scores a model's pictures, or those of a folder.

    Args: grid: PNG file for the first pictures; real ones of the same captions go beside it.
    Returns: what all scores have in common, and the scores.
    Raises: UserError: for data or weights that are missing, and for too few pictures.
    """
    strategy = build.local_strategy()
    run = _Evaluation(request, strategy)
    found = run.scores()
    if grid:
        run.save_grids(grid)
    shutil.rmtree(request.work, ignore_errors=True)
    return run.common(), found


class _Evaluation:
    """One evaluation: its pictures, who looks at them, and what they saw."""

    def __init__(self, request: Request, strategy: tf.distribute.Strategy):
        self._request, self._strategy = request, strategy
        self._batch_size = _BATCH_SIZE * strategy.num_replicas_in_sync
        self._model = resolve(request.model) if request.model else None
        self._judge = resolve(request.judge) if request.judge else self._model
        self._config = _config(self._model or self._judge, request.data)
        self._set = build.pictures(self._config, "test")
        self._places: list[Place] | None = None
        self._drawn = self._pictures()
        self._networks = self._load_networks()
        self._ratio = self._config.data.load_side_ratio
        self._real = self._real_pictures()
        self._blurred = self._real_pictures(blurred=True) if request.blurred else None
        self._check()

    def _check(self):
        """Refuses at once what would be refused when all pictures are drawn."""
        request, count = self._request, len(self._drawn)
        for metric, fewest in (("r_precision", FOLDS), ("is", INCEPTION_SPLITS)):
            if metric in request.metrics and count < fewest:
                raise UserError(f"{metric} needs {fewest} pictures or more. Received: {count}.")
        fewest = min(count, len(self._set))
        if "kid" in request.metrics and request.subset_size > fewest:
            raise UserError(
                f"kid: --subset-size {request.subset_size} must be at most {fewest}, the pictures "
                "of the smaller set."
            )
        if "r_precision" in request.metrics:
            self._check_captions()
        if request.reference:
            size = len(load_statistics(request.reference).mean)
            for name in request.networks:
                if self._networks[name].feature_size != size:
                    raise UserError(
                        f"--reference {request.reference}: is of {size} features, {name} has "
                        f"{self._networks[name].feature_size}."
                    )

    def _check_captions(self):
        if self._captions() is None:
            raise UserError(
                f"--images-dir {self._request.images_dir}: R-precision needs the captions: a "
                f"{METADATA} with `file_name` and `text` (and `class_id`) of each picture."
            )
        if self._class_ids() is None and self._request.negatives == "other_classes":
            raise UserError(
                f"--images-dir {self._request.images_dir}: {METADATA} has no `class_id`. "
                "Use --negatives random."
            )

    # --- pictures -----------------------------------------------------------------------------

    def _pictures(self) -> Pictures:
        request = self._request
        if request.images_dir:
            return Folder(request.images_dir, request.images)
        if not self._model:
            raise UserError("Give --model, or --images-dir with the pictures of another program.")
        seen = ()
        if request.unseen:
            seen = {c for row in build.captions(self._config, "train") for c in row}
        count = request.images or len(self._set)
        self._places = places(self._set.captions, count, request.seed, seen)
        with self._strategy.scope():
            artist = TextToImage.from_preset(self._model)
        captions = self._captions()
        seeds = [place.seed for place in self._places]
        whose = fingerprint(self._model)
        drawn = Drawn(artist, self._strategy, captions, seeds, whose, self._batch_size)
        if not request.keep_images:
            return drawn
        return Kept(drawn, request.keep_images, captions, self._class_ids())

    def _captions(self) -> list[str] | None:
        if self._places is None:
            return self._drawn.captions
        return [self._set.captions[place.picture][place.caption] for place in self._places]

    def _class_ids(self) -> np.ndarray | None:
        if self._places is None:
            return self._drawn.class_ids
        return self._set.class_ids[[place.picture for place in self._places]]

    def _real_pictures(self, blurred=False):
        every = np.arange(len(self._set))
        return Real(self._set, every, self._drawn.side, self._ratio, blurred)

    # --- who looks ----------------------------------------------------------------------------

    def _load_networks(self):
        request = self._request
        wanted = list(request.networks)
        if "r_precision" in request.metrics and DAMSM not in wanted:
            wanted.append(DAMSM)
        if DAMSM in wanted and not self._judge:
            raise UserError("R-precision and the network `damsm` need --judge, or a --model.")
        with self._strategy.scope():
            networks = {
                name: DamsmNetwork(self._judge)
                if name == DAMSM
                else load_feature_network(name, request.weights.get(name))
                for name in wanted
            }
        if "is" in request.metrics and not any(n.class_count for n in networks.values()):
            raise UserError(
                f"The metric `is` needs a network with classes: --features {FEATURE_NETWORKS[0]} "
                f"say. Received: {', '.join(request.networks)}."
            )
        return networks

    def _observers(self):
        found = [
            NetworkObserver(network, self._strategy, self._batch_size)
            for network in self._networks.values()
        ]
        return found + ([BirdsObserver()] if self._is_birds() else [])

    def _is_birds(self):
        return self._config.data.source == "toy_birds" and self._places is not None

    # --- what they saw ------------------------------------------------------------------------

    def _seen(self, pictures, observers, folder, description):
        identity = json.dumps([observer.identity for observer in observers])
        return collect(
            pictures, observers, folder, identity, _CHUNK * self._batch_size, description
        )

    def _seen_of_real(self, pictures, observer, kind="real"):
        """Of real or blurred pictures, from the cache where it has them."""
        digest = hashlib.sha256(f"{pictures.fingerprint} {observer.identity}".encode())
        folder = cache_folder() / "real" / digest.hexdigest()[:16]
        name = observer.identity.split()[0]
        return self._seen(pictures, [observer], folder, f"{kind}, {name}"), folder

    def scores(self) -> list[Score]:
        """All scores that were asked for, in the order of METRICS."""
        request = self._request
        observers = self._observers()
        drawn = self._seen(self._drawn, observers, request.work / "drawn", "pictures")
        real, blurred, folders = {}, {}, {}
        for observer in observers:
            arrays, folder = self._seen_of_real(self._real, observer)
            real |= arrays
            folders |= dict.fromkeys(arrays, folder)
            if self._blurred and not isinstance(observer, BirdsObserver):
                blurred |= self._seen_of_real(self._blurred, observer, "blurred")[0]
        found = []
        for name in request.networks:
            network = self._networks[name]
            if "fid" in request.metrics:
                reference, whose = self._reference(real[name], folders[name])
                score = scores.fid(name, drawn[name], reference, real[name], blurred.get(name))
                for statistics in (scores.streamed(drawn[name]).result(), reference):
                    if warning := rank_warning(statistics):
                        _LOGGER.warning("fid_%s: %s", name, warning)
                found.append(self._with_protocol(score, network, whose))
            if "kid" in request.metrics:
                score = scores.kid(
                    name,
                    drawn[name],
                    real[name],
                    blurred.get(name),
                    request.subset_size,
                    request.seed,
                )
                found.append(self._with_protocol(score, network, self._reference_name()))
            if "is" in request.metrics and network.class_count:
                logits = f"{name}.logits"
                score = scores.inception(name, drawn[logits], real[logits])
                found.append(self._with_protocol(score, network, None))
        if "r_precision" in request.metrics:
            score = self._precision(drawn[DAMSM], real[DAMSM])
            found.append(self._with_protocol(score, self._networks[DAMSM], "captions"))
        if self._is_birds():
            data = self._config.data
            flock = toy_birds("test", data.images_per_class, data.seed)
            named = [flock[p.picture].captions[p.caption].named for p in self._places]
            rows = [p.picture for p in self._places]
            found.extend(scores.birds(drawn[BIRDS], real[BIRDS][rows], named))
        return found

    def _reference(self, features, folder):
        """(statistics, what to call them)."""
        if self._request.reference:
            path = self._request.reference
            statistics = load_statistics(path)
            return statistics, f"{path.name}, SHA-256 {_sha256(path)[:16]}"
        path = folder / "statistics.npz"
        if path.is_file():
            return load_statistics(path), self._reference_name()
        running = scores.streamed(features)
        running.save(path)
        return running.result(), self._reference_name()

    def _reference_name(self):
        return f"{len(self._set)} pictures of the test split"

    def _precision(self, drawn, real):
        request, captions, class_ids = self._request, self._captions(), self._class_ids()
        vocabulary = load_vocabulary(self._judge)
        encoded = [vocabulary.encode(caption)[0] for caption in captions]
        if not all(encoded):
            raise UserError(f"{self._judge}: knows no word of {captions[encoded.index([])]!r}.")
        max_words = self._config.data.max_words_evaluation
        ids, lengths = vocabulary.pad(encoded, max_words)
        sentences = sentence_features(load_network(self._judge, "text_encoder"), ids, lengths)
        own_pictures = None
        if self._places is not None:
            own_pictures = real[[place.picture for place in self._places]]
        return scores.precision(
            np.asarray(drawn),
            own_pictures,
            sentences,
            np.arange(len(captions)) if class_ids is None else class_ids,
            negatives=request.negatives,
            drop_last_of_fold=request.drop_last_of_fold,
            seed=request.seed,
        )

    # --- what is told -------------------------------------------------------------------------

    def _with_protocol(self, score, network, reference):
        score.protocol.update({
            "network": network.name,
            "weights_sha256": network.weights_sha256,
            "input": network.protocol,
            "comparable_with_published": network.published,
        })  # fmt: skip
        if reference:
            score.protocol["reference"] = reference
        return score

    def common(self) -> dict[str, object]:
        """What all scores have in common."""
        request = self._request
        model: dict[str, object] = {"images_dir": str(request.images_dir)}
        if self._model and not request.images_dir:
            model = {
                "model": fingerprint(self._model),
                "step": load_metadata(self._model).get("step"),
            }
        judge: dict[str, object] = {}
        if DAMSM in self._networks:
            own = self._model and _same_encoders(self._model, self._judge)
            judge = {"judge": fingerprint(self._judge), "judge_is_own": bool(own)}
        return {
            "images": len(self._drawn),
            "side": self._drawn.side,
            "quantisation": "uint8",
            "split": "test",
            "unseen_captions_only": request.unseen,
            "seed": request.seed,
            "data": self._real.fingerprint,
            **model,
            **judge,
        }

    def save_grids(self, path: Path) -> None:
        """The first pictures with their captions, and real ones of the same captions."""
        count = min(GRID_PICTURES, len(self._drawn))
        captions = self._captions()
        if captions is None:
            return
        save_captioned_grid(path, self._drawn.read(0, count), captions[:count])
        if self._places is not None:
            rows = np.array([place.picture for place in self._places[:count]])
            real = read_pictures(self._set, rows, self._drawn.side, self._ratio)
            save_captioned_grid(path.with_name(f"{path.stem}_real.png"), real, captions[:count])


def _config(folder: Path | None, data: Path | None) -> Config:
    if not folder and not data:
        raise UserError("Give --data, a prepared folder: there is no model to know it.")
    config = load_config(folder / "config.yaml") if folder else Config()
    if data:
        section = replace(config.data, source="prepared", directory=str(data))
        config = replace(config, data=section)
    return config


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same_encoders(one: Path, other: Path) -> bool:
    def weights(folder: Path) -> Sequence[np.ndarray]:
        return load_network(folder, "image_encoder").get_weights()

    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=False))
