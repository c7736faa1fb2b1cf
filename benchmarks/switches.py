"""What each switch costs: a training step of a config, and with one setting changed, in turns.

`python benchmarks/switches.py --config toy_birds.yaml training.gradient_penalty=0 …`
"""

import argparse


def main():
    """Prints first decile, median and last decile of a step, in ms, as rows of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="toy_birds.yaml", help="the name of one in configs/")
    parser.add_argument("--batch", type=int, default=8, help="pictures in a step")
    parser.add_argument("--seconds", type=float, default=12, help="how long, of each form")
    parser.add_argument("changes", nargs="+", metavar="SECTION.KEY=VALUE", help="one at a time")
    arguments = parser.parse_args()

    import tensorflow as tf
    from random_model import random_trainer
    from turns import take_turns, waited_for

    from dmgan_tf import build
    from dmgan_tf.config_file import find_config, load_config

    build.strategy(load_config(find_config(arguments.config)))  # with the config's threads

    def step(*change):
        trainer, data = random_trainer(arguments.config, arguments.batch, *change)
        return waited_for(tf.function(lambda: trainer.train_step(data), autograph=False))

    forms = {"as it is": step()} | {change: step(change) for change in arguments.changes}
    rows = take_turns("training step", arguments.batch, forms, arguments.seconds)
    print("| changed | ms a step: first decile, median, last decile |\n|---|---|")
    for row in rows:
        print(f"| {row['form']} | {', '.join(map(str, row['milliseconds']))} |")


if __name__ == "__main__":
    main()
