"""What each switch costs: a training step of a config, and with one setting changed, in turns.

`PYTHONPATH=. python benchmarks/switches.py --config toy_birds.yaml generator.prior_size=0 …`
"""

import argparse

# Of the process, of `--batch`, or of what compiles the step: alike for all forms here.
_FIXED = "training.threads_per_operation", "training.tf32", "training.batch_size", "training.xla"


def main():
    """Prints first decile, median and last decile of a step, in ms, as rows of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="toy_birds.yaml", help="the name of one in configs/")
    parser.add_argument("--batch", type=int, default=8, help="pictures in a step")
    parser.add_argument("--seconds", type=float, default=12, help="how long, of each form")
    parser.add_argument("changes", nargs="+", metavar="SECTION.KEY=VALUE", help="one at a time")
    arguments = parser.parse_args()
    if fixed := [change for change in arguments.changes if change.startswith(_FIXED)]:
        parser.error(f"All forms have the same value of {fixed[0].partition('=')[0]} here.")

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
