"""What a run computes on: told, kept with the run, and warned of where it is not what one wants."""

import logging
import shutil
from pathlib import Path

import tensorflow as tf

_LOGGER = logging.getLogger(__name__)
_SMALL_SIDE = 128  # pictures that a CPU trains on within hours
_CPUINFO = Path("/proc/cpuinfo")  # of Linux; elsewhere nothing is told
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def device_names() -> list[str]:
    """Name of each GPU, or "CPU" where there is none."""
    gpus = tf.config.list_physical_devices("GPU")
    details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
    return [detail.get("device_name", "GPU") for detail in details] or ["CPU"]


def has_bfloat16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor computes in bfloat16 (AVX512_BF16 or AMX), as far as Linux tells."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return not _BFLOAT16_FLAGS.isdisjoint(flags)


def computes_in_bfloat16() -> bool:
    """Whether bfloat16 is worth it here: a GPU (not one before Ampere), or such a processor."""
    return device_names() != ["CPU"] or has_bfloat16()


def tell_devices(side: int, mixed_precision: str, cpuinfo: Path = _CPUINFO) -> None:
    """Logs the devices; tells of bfloat16 that is not used, and warns of a GPU that is not used
    and of a network too large for a CPU.

    Args: side: of the largest pictures. mixed_precision: of the config's `training`. cpuinfo: what
        Linux says of the processor.
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
    # A step of toy_birds (64 px) takes as long in bfloat16 as in float32.
    if side > _SMALL_SIDE and mixed_precision == "off" and has_bfloat16(cpuinfo):
        _LOGGER.info(
            "This processor computes in bfloat16, which is faster and takes less memory: "
            "--set training.mixed_precision=bfloat16."
        )
    if side > _SMALL_SIDE:
        _LOGGER.warning(
            "Pictures of %d pixels take seconds a step on a CPU, and months for this schedule.",
            side,
        )
