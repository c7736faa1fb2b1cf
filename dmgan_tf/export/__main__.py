"""`dmgan export FORMAT …`: a model as SavedModel, ONNX, LiteRT or preset."""

from dmgan_tf.command_line import dispatch

FORMATS = {
    "saved-model": ("dmgan_tf.export.saved_model", "for TF Serving and `dmgan serve`"),
    "onnx": ("dmgan_tf.export.to_onnx", "for devices without TensorFlow"),
    "litert": ("dmgan_tf.export.to_litert", "for phones"),
    "preset": ("dmgan_tf.export.preset", "a model that travels inside the package"),
}


def main() -> None:
    """Runs an export and exits."""
    dispatch("dmgan export", "Writes a model in another format.", FORMATS)


if __name__ == "__main__":
    main()
