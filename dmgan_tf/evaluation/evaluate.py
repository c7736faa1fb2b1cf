"""How well a model draws captions: every score, its protocol, and real pictures beside it."""

import functools
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from dmgan_tf import build
from dmgan_tf.cache import cache_folder
from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.errors import UserError
from dmgan_tf.evaluation import scores
from dmgan_tf.evaluation.captions import distinct
from dmgan_tf.evaluation.collecting import Share, collect, collect_share, merge
from dmgan_tf.evaluation.observers import (
    DAMSM,
    BackgroundObserver,
    BirdsObserver,
    DamsmNetwork,
    NetworkObserver,
)
from dmgan_tf.evaluation.pictures import Real
from dmgan_tf.evaluation.request import Request
from dmgan_tf.evaluation.requirements import check_counts, check_networks
from dmgan_tf.evaluation.scores import OWN_JUDGE, SAME_KIND, Score
from dmgan_tf.evaluation.subject import config_of, subject
from dmgan_tf.evaluation.truth import truth_scores
from dmgan_tf.feature_networks import FeatureNetwork, load_feature_network
from dmgan_tf.inference.captioned_grid import captioned_grid
from dmgan_tf.inference.image_grid import save_picture
from dmgan_tf.inference.model_directory import (
    fingerprint,
    load_metadata,
    load_network,
    load_vocabulary,
    resolve,
)
from dmgan_tf.inference.presets import preset_judge
from dmgan_tf.inference.weight_files import share_an_encoder
from dmgan_tf.metrics.features import sentence_features
from dmgan_tf.metrics.frechet_distance import rank_warning
from dmgan_tf.metrics.running_statistics import Statistics, load_statistics

_GRID_PICTURES = 16
_BATCH_SIZE = 32  # pictures a replica
_CHUNK = 8  # batches between two notes of what is done

_LOGGER = logging.getLogger(__name__)


def evaluate(request: Request, grid: Path) -> tuple[dict[str, object], list[Score]]:
    """Scores a model's pictures, or those of a folder.

    Args: grid: PNG file for the first pictures; real ones of the same captions go beside it.
    Returns: what all scores have in common, and the scores.
    Raises: UserError: for data or weights that are missing, and for too few pictures.
    """
    evaluation = _Evaluation(request)
    evaluation.check()
    found = evaluation.scores()
    evaluation.save_grids(grid)
    return evaluation.common(), found


def evaluate_share(request: Request) -> int:
    """Looks at the share `request.shard` of the pictures, and scores nothing.

    Returns: pictures of the share. Raises: UserError: as `evaluate`.
    """
    evaluation = _Evaluation(request)
    evaluation.check()
    return evaluation.see_share()


class _Evaluation:
    """One evaluation: what is scored, who looks at it, and what they saw."""

    def __init__(self, request: Request):
        self._request = request
        self._strategy = build.local_strategy()
        self._batch_size = _BATCH_SIZE * self._strategy.num_replicas_in_sync
        self._model = resolve(request.model) if request.model else None
        judge = request.judge or (self._model and preset_judge(self._model))
        self._judge_or_none = resolve(judge) if judge else self._model
        self._config = config_of(self._model or self._judge_or_none, request.data)
        self._test = build.pictures(self._config, "test")
        self._subject = subject(request, self._config, self._test, self._strategy, self._batch_size)
        self._networks = self._load_networks()
        self._real = self._real_pictures()
        self._observers: list[NetworkObserver | BirdsObserver | BackgroundObserver] = [
            NetworkObserver(network, self._strategy, self._batch_size)
            for network in self._networks.values()
        ]
        if self._subject.toy_captions is not None:
            self._observers += [BirdsObserver(), BackgroundObserver()]

    @property
    def _judge(self) -> Path:
        if self._judge_or_none is None:
            raise UserError("R-precision and the network `damsm` need --judge, or a --model.")
        return self._judge_or_none

    def _load_networks(self) -> dict[str, FeatureNetwork | DamsmNetwork]:
        request = self._request
        wanted = dict.fromkeys(request.networks)
        if "r_precision" in request.metrics:
            wanted[DAMSM] = None
        with self._strategy.scope():
            return {
                name: DamsmNetwork(self._judge)
                if name == DAMSM
                else load_feature_network(name, request.weights.get(name))
                for name in wanted
            }

    def _real_pictures(self, blurred=False):
        side, ratio = self._subject.pictures.side, self._config.data.load_side_ratio
        return Real(self._test, side, ratio, blurred)

    def check(self) -> None:
        """Refuses at once what would be refused when all pictures are drawn."""
        check_counts(self._request, len(self._subject.pictures), len(self._test))
        if "r_precision" in self._request.metrics:
            self._subject.check_for_r_precision(self._request.negatives)
            _ = self._encoded_captions  # raises where the judge knows no word
        check_networks(self._request, [self._networks[n] for n in self._request.networks])

    # --- what they saw ------------------------------------------------------------------------

    def _seen(self, pictures, observers, folder, description):
        chunk = _CHUNK * self._batch_size
        return collect(pictures, observers, folder, _identity(observers), chunk, description)

    def _share(self, share, shares):
        return Share(self._subject.pictures, share, shares)

    def see_share(self) -> int:
        """What all observers see of the share that was asked for, for a later `merge`."""
        share = self._share(*(self._request.shard or (0, 1)))
        folder, identity = self._request.work / "drawn", _identity(self._observers)
        collect_share(share, self._observers, folder, identity, _CHUNK * self._batch_size)
        return len(share)

    def _cache(self, pictures, observer):
        digest = hashlib.sha256(f"{pictures.fingerprint} {observer.identity}".encode())
        return cache_folder() / "real" / digest.hexdigest()[:16]

    def _seen_of(self, pictures, observers, kind):
        """Of real or blurred pictures, from the cache where it has them."""
        arrays: dict[str, np.ndarray] = {}
        for observer in observers:
            folder = self._cache(pictures, observer)
            arrays |= self._seen(pictures, [observer], folder, f"{kind}, {observer.name}")
        return arrays

    def scores(self) -> list[Score]:
        """All scores that were asked for."""
        request, folder = self._request, self._request.work / "drawn"
        if request.merge:
            shares = [self._share(k, request.merge) for k in range(request.merge)]
            merge(self._subject.pictures, shares, folder, _identity(self._observers))
        drawn = self._seen(self._subject.pictures, self._observers, folder, "pictures")
        real = self._seen_of(self._real, self._observers, "real")
        blurred: Mapping[str, np.ndarray] = {}
        if request.blurred:
            networks = [o for o in self._observers if isinstance(o, NetworkObserver)]
            blurred = self._seen_of(self._real_pictures(blurred=True), networks, "blurred")
        found = []
        for observer in self._observers:
            if observer.name in request.networks:
                found.extend(self._scores_through(observer, drawn, real, blurred))
        if "r_precision" in request.metrics:
            score = self._precision(drawn[DAMSM], real[DAMSM])
            found.append(self._with_protocol(score, DAMSM, "captions"))
        rows, captions = self._subject.test_rows, self._subject.toy_captions
        if rows is not None and captions is not None:
            found.extend(truth_scores(drawn, real, rows, captions))
        return found

    def _scores_through(self, observer, drawn, real, blurred):
        """FID, KID and IS through one network."""
        request, name = self._request, observer.name
        whose = f"{len(self._test)} pictures of the test split"
        if "fid" in request.metrics:
            reference, against = self._reference(real[name], observer), whose
            if request.reference:
                digest = hashlib.sha256(request.reference.read_bytes()).hexdigest()
                against = f"{request.reference.name}, SHA-256 {digest[:16]}"
            mine = scores.streamed(drawn[name]).result()
            score = scores.fid(name, mine, reference, real[name], blurred.get(name))
            for statistics in (mine, reference):
                if warning := rank_warning(statistics):
                    _LOGGER.warning("fid_%s: %s", name, warning)
            yield self._with_protocol(score, name, against)
        if "kid" in request.metrics:
            options = request.subset_size, request.seed
            score = scores.kid(name, drawn[name], real[name], blurred.get(name), *options)
            yield self._with_protocol(score, name, whose)
        if "is" in request.metrics and self._networks[name].class_count:
            logits = f"{name}.logits"
            score = scores.inception(name, drawn[logits], real[logits])
            yield self._with_protocol(score, name, None)

    def _reference(self, features, observer) -> Statistics:
        path = self._request.reference or self._cache(self._real, observer) / "statistics.npz"
        if not path.is_file():
            scores.streamed(features).save(path)
        return load_statistics(path)

    @functools.cached_property
    def _encoded_captions(self):
        """Ids and lengths of the different captions, and which each picture has."""
        vocabulary = load_vocabulary(self._judge)
        different, caption_rows = distinct(self._subject.captions)
        encoded = [vocabulary.encode(caption)[0] for caption in different]
        if [] in encoded:
            raise UserError(f"{self._judge}: knows no word of {different[encoded.index([])]!r}.")
        return *vocabulary.pad(encoded, self._config.data.max_words_evaluation), caption_rows

    def _precision(self, drawn, real):
        request, rows = self._request, self._subject.test_rows
        ids, lengths, caption_rows = self._encoded_captions
        sentences = sentence_features(load_network(self._judge, "text_encoder"), ids, lengths)
        return scores.precision(
            drawn,
            None if rows is None else (real, rows),
            sentences,
            caption_rows,
            self._subject.class_ids,
            negatives=request.negatives,
            drop_last_of_fold=request.drop_last_of_fold,
            seed=request.seed,
        )

    def _with_protocol(self, score, name, reference):
        network = self._networks[name]
        if name == DAMSM and self._judge_is_own:
            score.notes.append(OWN_JUDGE)
        elif self._model and network.encoder_kind == self._config.image_encoder.kind:
            score.notes.append(SAME_KIND.format(network.encoder_kind))
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
        request, pictures = self._request, self._subject.pictures
        about: dict[str, object] = {
            "images": len(pictures),
            "side": pictures.side,
            "quantisation": "uint8",
            "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
            "seed": request.seed,
            "data": self._real.fingerprint,
        }
        if request.images_dir:
            about["images_dir"] = str(request.images_dir)
        elif self._model:
            step = load_metadata(self._model).get("step")
            about |= {"split": "test", "unseen_captions_only": request.unseen}
            about |= {"model": fingerprint(self._model), "step": step}
        if DAMSM in self._networks:
            about |= {"judge": fingerprint(self._judge), "judge_is_own": self._judge_is_own}
        return about

    @functools.cached_property
    def _judge_is_own(self):
        return self._model is not None and share_an_encoder(self._model, self._judge)

    def save_grids(self, path: Path) -> None:
        """The first pictures with their captions, and real ones of the same captions."""
        pictures, captions = self._subject.pictures, self._subject.captions
        if captions is None:
            return
        count = min(_GRID_PICTURES, len(pictures))
        save_picture(path, captioned_grid(pictures.read(0, count), captions[:count]))
        if self._subject.test_rows is not None:
            rows, ratio = self._subject.test_rows[:count], self._config.data.load_side_ratio
            real = read_pictures(self._test, rows, pictures.side, ratio)
            beside = path.with_name(f"{path.stem}_real.png")
            save_picture(beside, captioned_grid(real, captions[:count]))


def _identity(observers):
    return json.dumps([observer.identity for observer in observers])
