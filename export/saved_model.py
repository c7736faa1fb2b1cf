"""`python export/saved_model.py …` is `dmgan export saved-model …`."""

from dmgan_tf.command_line import run
from dmgan_tf.export.saved_model import main

if __name__ == "__main__":
    run(main)
