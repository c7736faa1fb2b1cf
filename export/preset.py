"""`python export/preset.py …` is `dmgan export preset …`."""

from dmgan_tf.command_line import run
from dmgan_tf.export.preset import main

if __name__ == "__main__":
    run(main)
