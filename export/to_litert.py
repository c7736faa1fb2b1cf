"""`python export/to_litert.py …` is `dmgan export litert …`."""

from dmgan_tf.command_line import run
from dmgan_tf.export.to_litert import main

if __name__ == "__main__":
    run(main)
