"""What a run computes on: told, kept with the run, and warned of where it is not what one wants."""

import logging
import shutil

import tensorflow as tf

_LOGGER = logging.getLogger(__name__)
_SMALL_SIDE = 128  # pictures that a CPU trains on within hours


def device_names() -> list[str]:
    """Name of each GPU, or "CPU" where there is none."""
    gpus = tf.config.list_physical_devices("GPU")
    details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
    return [detail.get("device_name", "GPU") for detail in details] or ["CPU"]


def tell_devices(side: int) -> None:
    """Logs the devices; warns of a GPU that is not used, and of a network too large for a CPU.

    Args: side: of the largest pictures.
    """
    names = device_names()
    _LOGGER.info("Computing on %d × %s.", len(names), ", ".join(dict.fromkeys(names)))
    if names != ["CPU"]:
        return
    # TensorFlow's own warning of missing CUDA libraries is muted with the rest of its start.
    if shutil.which("nvidia-smi"):
        _LOGGER.warning(
            "An NVIDIA GPU seems to be here, but TensorFlow uses none: pip install "
            "'dmgan_tf[gpu]', and look at CUDA_VISIBLE_DEVICES."
        )
    if side > _SMALL_SIDE:
        _LOGGER.warning(
            "Pictures of %d pixels take seconds a step on a CPU, and months for this schedule.",
            side,
        )
