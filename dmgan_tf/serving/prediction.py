"""A prediction that was asked for over HTTP, whatever the protocol of its body."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from dmgan_tf.serving.limits import ExpectedInputs
from dmgan_tf.serving.model import Tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a body asks for.

    Attributes: read: makes the arrays, see `ServedModel.submit`. signature: "" for the default.
        outputs: names that were asked for; () for all. respond: function of the model's name, its
        version and its outputs; it holds on to nothing of the body, which may be large.
    """

    read: Callable[[ExpectedInputs], Tensors]
    signature: str = ""
    outputs: tuple[str, ...] = ()
    respond: Callable[[str, int, Tensors], Response]
