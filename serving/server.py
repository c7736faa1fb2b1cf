"""`python serving/server.py …` is `dmgan serve …`."""

from dmgan_tf.command_line import run
from dmgan_tf.serving.server import main

if __name__ == "__main__":
    run(main)
