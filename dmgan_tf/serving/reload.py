"""TF Serving's ModelServerConfig as sources of models, where an operator allows it."""

from collections.abc import Sequence
from pathlib import Path

import grpc
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from dmgan_tf.serving.request_error import RequestError, invalid
from dmgan_tf.serving.source import Source

_ALL_VERSIONS = 2**31


class Reload:
    """What a reload request may name: folders below `folders`; without any, nothing.

    Args: newest: int > 0, versions that answer where the request doesn't say how many.
    """

    def __init__(self, folders: Sequence[Path], newest: int = 1):
        self._folders = [folder.resolve() for folder in folders]
        self._newest = newest

    def sources(self, config: ModelServerConfig) -> dict[str, Source]:
        """Sources by the names of their models. Raises: RequestError."""
        if not self._folders:
            raise RequestError(
                grpc.StatusCode.PERMISSION_DENIED,
                "Reloading is off: the server was started without --allow-reload.",
            )
        models = config.model_config_list.config
        if not models or not all(model.name and model.base_path for model in models):
            raise invalid("The config must list models, each with a name and a base_path.")
        if len({model.name for model in models}) < len(models):
            raise invalid("The config names a model twice.")
        return {model.name: self._source(model) for model in models}

    def _source(self, model):
        try:
            path = Path(model.base_path).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null character
            raise invalid(f"{model.base_path!r} is no path: {error}") from error
        if not any(path.is_relative_to(folder) for folder in self._folders):
            raise RequestError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"{model.base_path} is not below a folder of --allow-reload.",
            )
        if not path.is_dir():
            raise RequestError(grpc.StatusCode.NOT_FOUND, f"No such folder: {model.base_path}")
        policy = model.model_version_policy
        newest = self._newest
        if policy.HasField("all"):
            newest = _ALL_VERSIONS
        elif policy.HasField("latest"):
            newest = max(1, policy.latest.num_versions)
        return Source(
            base_path=path,
            newest=newest,
            pinned=frozenset(policy.specific.versions),
            labels=dict(model.version_labels),
        )
