"""The arrays of a large prepared folder, made before training asks for them."""

from pathlib import Path

from dmgan_tf.data.encoded_captions import encode_all
from dmgan_tf.data.prepared import load_prepared, load_prepared_vocabulary


def store_arrays(folder: Path) -> None:
    """Makes what is kept beside a large index; of a small one, nothing is kept.

    Raises: UserError: when the folder is damaged, or a caption has no known word.
    """
    pictures = load_prepared(folder, "train")
    if pictures.records and pictures.records.stored:
        encode_all(pictures, load_prepared_vocabulary(folder))
