"""The console command `dmgan`: `dmgan COMMAND …` is `python -m dmgan_tf COMMAND …`."""

from dmgan_tf.command_line import dispatch

COMMANDS = {
    "generate": ("dmgan_tf.generate", "draw captions"),
    "presets": ("dmgan_tf.presets", "list the trained models that are installed"),
    "figures": ("dmgan_tf.figures", "the paper's Figures 3 to 6 of your own model"),
    "prepare-data": ("dmgan_tf.prepare_data", "make a data set ready for training"),
    "train": ("dmgan_tf.train", "train encoders and GAN of a config"),
    "pretrain-damsm": ("dmgan_tf.pretrain_damsm", "train the encoders alone"),
    "evaluate": ("dmgan_tf.evaluate", "scores of a model or of a folder of pictures"),
    "push": ("dmgan_tf.push", "a model with its card to the Hugging Face Hub"),
    "ablation": ("dmgan_tf.ablation", "the paper's Table 3"),
    "convert": ("dmgan_tf.convert", "the authors' PyTorch files to a model, and back"),
    "export": ("dmgan_tf.export.__main__", "a model as SavedModel, ONNX or preset"),
    "serve": ("dmgan_tf.serving.server", "serve SavedModels by gRPC and REST"),
    "ask": ("dmgan_tf.serving.client", "ask a server for pictures"),
    "studio": ("dmgan_tf.studio.__main__", "a web page in which a model draws"),
    "edge": ("dmgan_tf.edge", "draw with an export for devices, without TensorFlow"),
}


def main() -> None:
    """Runs a command and exits."""
    dispatch("dmgan", "Pictures from sentences: DM-GAN for TensorFlow.", COMMANDS)


if __name__ == "__main__":
    main()
