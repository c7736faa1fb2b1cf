"""`python serving/client.py …` is `dmgan ask …`."""

from dmgan_tf.command_line import run
from dmgan_tf.serving.client import main

if __name__ == "__main__":
    run(main)
