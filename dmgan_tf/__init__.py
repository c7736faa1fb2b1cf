"""DM-GAN for TensorFlow: pictures from sentences with a dynamic memory (arXiv:1904.01310)."""

__version__ = "0.1.0"
