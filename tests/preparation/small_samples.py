"""Files of samples, as img2dataset and Hugging Face write them."""

import io
import json
import tarfile

from small_pictures import COLORS, save_picture

from dmgan_tf.preparation.picture_place import read_bytes
from dmgan_tf.preparation.sources import find

COLOR_NAMES = list(COLORS)


def find_in(source, path, **options):
    return find(source, path, None, path, **options)


def contents(found):
    """The picture's bytes by the entry's name."""
    return {entry.name: read_bytes(entry.path, entry.within) for entry in found.entries}


def picture_bytes(tmp_path, number, suffix="jpg"):
    """A picture that no other number has."""
    size = (40 + number % 50, 30 + number // 50)
    path = tmp_path / "pictures" / f"{number}.{suffix}"
    return save_picture(path, COLOR_NAMES[number % 4], size).read_bytes()


def samples(tmp_path, count, suffix="jpg"):
    """(key, picture, values) of as many samples, with the values that img2dataset writes."""
    return [
        (
            f"{number:09d}",
            picture_bytes(tmp_path, number, suffix),
            {
                "caption": f"a {COLOR_NAMES[number % 4]} bird",
                "key": f"{number:09d}",
                "status": "success",
                "similarity": number / 10,
                "LANGUAGE": "en" if number % 2 == 0 else "de",
            },
        )
        for number in range(count)
    ]


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def write_tar(path, found, suffix="jpg"):
    """NNNNN.tar of img2dataset's webdataset output."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for key, picture, values in found:
            add(tar, f"{key}.{suffix}", picture)
            add(tar, f"{key}.txt", values["caption"].encode())
            add(tar, f"{key}.json", json.dumps(values, indent=4).encode())
    return path


def write_parquet(path, found, row_group_size=100):
    """NNNNN.parquet of img2dataset's parquet output."""
    import pyarrow as pa
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**values, "jpg": picture} for _, picture, values in found]
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=row_group_size)
    return path


def write_columns(path, **columns):
    """Any parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)
    return path


def write_tfrecord(path, found, suffix="jpg"):
    """NNNNN.tfrecord of img2dataset's tfrecord output."""
    import tensorflow as tf

    def feature(value):
        if isinstance(value, float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        value = value.encode() if isinstance(value, str) else value
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for key, picture, values in found:
            values = {**values, "key": key, suffix: picture, "txt": values["caption"]}
            features = tf.train.Features(feature={k: feature(v) for k, v in values.items()})
            writer.write(tf.train.Example(features=features).SerializeToString())
    return path
