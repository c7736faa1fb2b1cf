"""`python export/to_onnx.py …` is `dmgan export onnx …`."""

from dmgan_tf.command_line import run
from dmgan_tf.export.to_onnx import main

if __name__ == "__main__":
    run(main)
