"""COCO 2014: train2014/, val2014/ and captions_train2014.json, captions_val2014.json."""

import json
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.captions_text import read_text
from dmgan_tf.preparation.entry import Entry, Found, LeftOut
from dmgan_tf.preparation.lists import MALFORMED

_SPLITS = {"train": "train2014", "test": "val2014"}


def find(source: Path, captions: Path | None, work: Path) -> Found:
    """Entries by their pictures' numbers; the validation pictures are the test split.

    Args: source: the folder of train2014/ and val2014/. captions: the folder of the JSON files;
        None: annotations/ in it, or itself.
    Raises: UserError: when a file is missing or is not COCO's.
    """
    found = Found(entries=[])
    for split, name in _SPLITS.items():
        path = _captions_file(source, captions, name)
        files, texts = _read(path)
        # The archives have a folder of their name in them.
        pictures = next((p for p in (source / name / name, source / name) if p.is_dir()), source)
        for number in sorted(files):
            if number not in texts:
                found.left_out.append(LeftOut(files[number], f"has no caption in {path.name}"))
                continue
            found.entries.append(
                Entry(
                    name=Path(files[number]).stem,
                    split=split,
                    path=pictures / files[number],
                    captions=tuple(texts[number]),
                )
            )
        for number in sorted(texts.keys() - files.keys()):
            found.left_out.append(
                LeftOut(f"{path.name}, picture {number}", "is in no list of files")
            )
    return found


def _captions_file(source, captions, name):
    unpacked = source / "annotations_trainval2014" / "annotations"
    folders = [captions] if captions else [source / "annotations", unpacked, source]
    for folder in folders:
        path = folder / f"captions_{name}.json"
        if path.is_file():
            return path
    raise UserError(
        f"{folders[0]}: holds no captions_{name}.json. Name its folder with --captions."
    )


def _read(path):
    """({number: file name}, {number: captions}) of one of COCO's caption files."""
    try:
        content = json.loads(read_text(path))
        files = {int(row["id"]): row["file_name"] for row in content["images"]}
        texts: dict[int, list[str]] = {}
        for row in sorted(content["annotations"], key=lambda row: int(row["id"])):
            caption = " ".join(row["caption"].split())
            texts.setdefault(int(row["image_id"]), []).append(caption)
        strange = any(Path(name).name != name for name in files.values())
    except MALFORMED as error:
        raise UserError(f"{path}: is no file of COCO's captions: {error!r}.") from error
    if strange:
        raise UserError(f"{path}: refused: a file name leaves the folder of pictures.")
    return files, texts
