"""Anybody's folders, as the `folder` source finds them."""

import json

from dmgan_tf.preparation.sources import folder


def by_name(found):
    return {entry.name: entry for entry in found.entries}


def find(source, **options):
    return folder.find(source, options.pop("captions", None), source, **options)


def reasons(found):
    return {item.name: item.reason for item in found.left_out}


def write_jsonl(mine, *rows):
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    (mine / "metadata.jsonl").write_text(text)
