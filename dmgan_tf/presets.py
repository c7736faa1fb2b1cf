"""Lists the presets; `python -m dmgan_tf.presets --show NAME` prints the card of one.

The presets themselves stand in the folder of this name, which holds no Python.
"""

import argparse
import textwrap

from dmgan_tf.command_line import run
from dmgan_tf.inference.presets import Card, find, load_card, names

_FIELDS = (
    "data",
    "command",
    "cost",
    "machine",
    "date",
    "commit",
    "licence",
    "limitations",
    "judge",
)


def as_text(name: str, card: Card) -> str:
    """The card for people: where the preset comes from, what it scores, how to repeat that."""
    lines = [f"{name}: {card.title}", ""]
    for field in _FIELDS:
        text = f"{field}: {getattr(card, field) or 'none'}"
        lines += textwrap.wrap(text, 100, subsequent_indent="  ", break_on_hyphens=False)
    if card.scores:
        lines += ["", *_score_lines(card.scores), "", "The scores again:"]
        lines.append(f"  python -m dmgan_tf.evaluate --model {name} {card.evaluate}")
    return "\n".join(lines)


def _score_lines(scores):
    captions = "unseen captions" if scores["unseen_captions_only"] else "captions"
    yield f"Scores of {scores['images']} {captions} of the test split, seed {scores['seed']}:"
    for name in scores["protocol"]:
        kinds = (("", ""), ("_real", "real "), ("_blurred", "blurred "))
        shown = [
            f"{kind}{_number(scores, name + end)}" for end, kind in kinds if name + end in scores
        ]
        yield f"  {name}: {', '.join(shown)}"


def _number(scores, name):
    value, spread = scores[name], scores.get(f"{name}_std")
    if isinstance(value, dict):
        return " ".join(f"{part} {share:.3f}" for part, share in value.items())
    return f"{value:.4g}" + ("" if spread is None else f" ± {spread:.2g}")


def main() -> int:
    """Lists, or shows one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", metavar="NAME", help="print the card of a preset")
    wanted = parser.parse_args().show
    if wanted:
        print(as_text(wanted, load_card(find(wanted))))
        return 0
    for name in names():
        print(f"{name}: {load_card(find(name)).title}")
    return 0


if __name__ == "__main__":
    run(main)
