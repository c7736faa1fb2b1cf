"""Lists the presets; `dmgan presets --show NAME` prints the card of one.

The presets themselves stand in the folder of this name, which holds no Python.
"""

import argparse
import textwrap
from dataclasses import asdict

from dmgan_tf.command_line import argument_parser, run
from dmgan_tf.errors import UserError
from dmgan_tf.inference.presets import Card, find, load_card, names

_NOT_TEXT = ("title", "fingerprint", "evaluate", "grid", "scores")


def as_text(name: str, card: Card) -> str:
    """The card for people: where the preset comes from, what it scores, how to repeat that."""
    lines = [f"{name}: {card.title}", ""]
    texts = {key: text for key, text in asdict(card).items() if key not in _NOT_TEXT}
    for key, text in texts.items():
        lines += textwrap.wrap(f"{key}: {text or 'none'}", 100, break_on_hyphens=False)
    if card.scores:
        lines += ["", *_score_lines(card.scores), "", "The scores again:"]
        lines.append(f"  dmgan evaluate --model {name} {card.evaluate}")
    return "\n".join(lines)


def _score_lines(scores):
    captions = "unseen captions" if scores["unseen_captions_only"] else "captions"
    yield f"Scores of {scores['images']} {captions} of the test split, seed {scores['seed']}:"
    for name in scores["protocol"]:
        beside = [kind for kind in ("real", "blurred") if f"{name}_{kind}" in scores]
        others = [f", {kind} {_number(scores, f'{name}_{kind}')}" for kind in beside]
        yield f"  {name}: {_number(scores, name)}{''.join(others)}"


def _number(scores, name):
    value, spread = scores[name], scores.get(f"{name}_std")
    if isinstance(value, dict):
        return " ".join(f"{part} {share:.3f}" for part, share in value.items())
    return f"{value:.4g}" + ("" if spread is None else f" ± {spread:.2g}")


def main() -> int:
    """Lists, or shows one."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--show", metavar="NAME", help="preset whose card to print (default: list all)"
    )
    parser.add_argument("name", nargs="?", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.name:
        parser.error(f"for the card of a preset: dmgan presets --show {arguments.name}.")
    if wanted := arguments.show:
        print(as_text(wanted, load_card(find(wanted))))
        return 0
    damaged = []
    for name in names():
        try:
            print(f"{name}: {load_card(find(name)).title}")
        except UserError as error:
            damaged.append(str(error))
    if damaged:
        raise UserError(" ".join(damaged))
    return 0


if __name__ == "__main__":
    run(main)
