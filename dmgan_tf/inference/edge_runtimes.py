"""The runtimes that draw an exported model, each as a function from inputs to pictures."""

import importlib
import os
from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np

from dmgan_tf.errors import UserError

Draw = Callable[[dict[str, np.ndarray]], np.ndarray]

# Name: the module that it is, and the package that brings it.
_PACKAGES = {
    "onnxruntime": ("onnxruntime", "onnxruntime"),
    "openvino": ("openvino", "openvino"),
    "litert": ("ai_edge_litert.interpreter", "ai-edge-litert"),
}
RUNTIMES = tuple(_PACKAGES)
SUFFIXES = {"onnxruntime": ".onnx", "openvino": ".onnx", "litert": ".tflite"}


def load(
    runtime: str,
    content: bytes,
    threads: int = 0,
    bfloat16: bool = False,
    providers: Sequence[str] = (),
) -> Draw:
    """A model, ready to draw.

    Args: runtime: of RUNTIMES. content: of its file. threads: 0: one per core. bfloat16: compute
        so; OpenVINO alone can. providers: ONNX Runtime's, the first that can compute a node does;
        none: the CPU.
    Returns: a function from the graph's inputs by name to `image`.
    Raises: UserError: when the runtime isn't installed, or lacks what was asked for.
    """
    module = import_runtime(runtime)
    if providers and runtime != "onnxruntime":
        given = ", ".join(providers)
        raise UserError(f"Providers are ONNX Runtime's. Received: {given} for {runtime}.")
    if bfloat16 and runtime != "openvino":
        raise UserError(f"bfloat16 is computed by OpenVINO alone. Received: {runtime}.")
    if runtime == "openvino":
        return _openvino(module, content, threads, bfloat16)
    if runtime == "litert":
        return _litert(module, content, threads)
    return _onnxruntime(module, content, threads, providers)


def import_runtime(runtime: str) -> ModuleType:
    """The module of a runtime.

    Raises: UserError: when it isn't installed.
    """
    module, package = _PACKAGES[runtime]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"Drawing with {runtime} needs a package: pip install {package} ({error})."
        ) from error


def _onnxruntime(onnxruntime, content, threads, providers):
    missing = set(providers) - set(known := onnxruntime.get_available_providers())
    if missing:
        raise UserError(
            f"ONNX Runtime has no {', '.join(sorted(missing))} here. It has: {', '.join(known)}."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        content, options, providers=list(providers) or ["CPUExecutionProvider"]
    )
    return lambda feed: session.run(["image"], feed)[0]


def _openvino(openvino, content, threads, bfloat16):
    core = openvino.Core()
    if bfloat16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UserError(
            "This processor does not compute in bfloat16 (AVX512_BF16 or AMX). Take float32."
        )
    # Named in both cases: where a processor has bfloat16, OpenVINO takes it by itself.
    options = {"INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    model = core.compile_model(core.read_model(content), "CPU", options)
    return lambda feed: model(feed)["image"]


def _litert(litert, content, threads):
    interpreter = litert.Interpreter(
        model_content=content, num_threads=threads or os.cpu_count() or 1
    )
    run = interpreter.get_signature_runner()

    def draw(feed):
        rows = len(feed["ids"])
        ones = ({name: value[i : i + 1] for name, value in feed.items()} for i in range(rows))
        return np.concatenate([run(**one)["image"] for one in ones])  # its graph draws one

    return draw
