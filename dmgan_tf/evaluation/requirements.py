"""What a request needs, looked at before a picture is drawn."""

from collections.abc import Sequence

from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.observers import DamsmNetwork
from dmgan_tf.evaluation.request import Request
from dmgan_tf.evaluation.scores import FOLDS, INCEPTION_SPLITS
from dmgan_tf.feature_networks import NAMES, FeatureNetwork
from dmgan_tf.metrics.running_statistics import load_statistics


def check_counts(request: Request, count: int, test_count: int) -> None:
    """Enough pictures for the metrics.

    Args: count: of pictures that are scored. test_count: of real ones.
    Raises: UserError: for too few.
    """
    folds = 2 * FOLDS if request.drop_last_of_fold else FOLDS
    # Test pictures are scored as well; for fid and kid one half of them against the other.
    needed = {
        "fid": (2, 4),
        "kid": (2, 4),
        "is": (INCEPTION_SPLITS,) * 2,
        "r_precision": (folds, 1),
    }
    for metric in request.metrics:
        for fewest, received, whose in zip(
            needed[metric], (count, test_count), ("", "test "), strict=True
        ):
            if received < fewest:
                raise UserError(
                    f"{metric} needs {fewest} {whose}pictures or more. Received: {received}. "
                    "Give more, or leave it out of --metrics."
                )
    fewest = min(count, test_count)
    if "kid" in request.metrics and request.subset_size > fewest:
        raise UserError(
            f"kid: --subset-size {request.subset_size} must be at most {fewest}, the pictures "
            "of the smaller set."
        )


def check_networks(request: Request, networks: Sequence[FeatureNetwork | DamsmNetwork]) -> None:
    """Networks that can do what the metrics want.

    Raises: UserError: without classes for `is`, and for a reference of another number of features.
    """
    if "is" in request.metrics and not any(network.class_count for network in networks):
        raise UserError(
            f"The metric `is` needs a network with classes, such as {NAMES[0]}. "
            f"Received: --features {','.join(request.networks)}."
        )
    if request.reference:
        size = len(load_statistics(request.reference).mean)
        if other := next((n for n in networks if n.feature_size != size), None):
            raise UserError(
                f"--reference {request.reference}: is of {size} features, {other.name} has "
                f"{other.feature_size}."
            )
