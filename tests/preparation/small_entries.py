"""Entries of small pictures, and the prepared folder that is made of them."""

from small_pictures import COLORS, save_picture

from dmgan_tf.preparation import writer
from dmgan_tf.preparation.entry import Entry
from dmgan_tf.preparation.plan import plan


def entries(tmp_path, count=5, **changes):
    """Entries of one picture each; every fifth is a test picture."""
    colors = list(COLORS)
    made = []
    for i in range(count):
        color = colors[i % len(colors)]
        values = {
            "name": f"picture {i}",
            "split": "test" if i % 5 == 4 else "train",
            "path": save_picture(tmp_path / "files" / f"{i}.png", color),
            "captions": (f"a {color} bird", f"number {i}"),
            "class_id": i,
        }
        made.append(Entry(**values | changes))
    return made


def prepare(found, out, strict=False, **options):
    planned = plan(found, "test", None, strict)
    return writer.write(planned, out, strict, processes=1, **options)
