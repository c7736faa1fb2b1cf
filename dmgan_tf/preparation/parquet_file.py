"""Parquet files from strangers, read in small batches; pyarrow comes with the extra `parquet`."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dmgan_tf.errors import UserError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_ROWS_AT_ONCE = 8
_MOST_ROW_BYTES = 2**20  # of a row's captions and other values
_PICTURES_AT_ONCE = 1  # a value may take its whole column chunk, and be repeated for nothing
_LARGE_BYTES, _MOST_GROWTH = 2**24, 100  # of a column chunk, and to the size of its file
_BUFFER_BYTES = 2**20


def open_parquet(path: Path) -> "ParquetFile":
    """A file whose columns are read piece by piece, however large its row groups are.

    Raises: UserError: when pyarrow is missing. ValueError: when the file is none, or is cut.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UserError(
            "Parquet files need the package `pyarrow`: pip install 'dmgan_tf[parquet]'."
        ) from error
    try:
        return ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(_one_line(error)) from error


def kind_of(file: "ParquetFile", name: str) -> str:
    """bytes, text, texts, picture ({bytes, …}) or how Arrow calls what a column holds."""
    from pyarrow import types

    def is_bytes(kind):
        return types.is_binary(kind) or types.is_large_binary(kind)

    def is_text(kind):
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return types.is_string(kind) or types.is_large_string(kind)

    kind = file.schema_arrow.field(name).type
    if is_bytes(kind):
        return "bytes"
    if is_text(kind):
        return "text"
    if (types.is_list(kind) or types.is_large_list(kind)) and is_text(kind.value_type):
        return "texts"
    fields = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
    is_picture = types.is_struct(kind) and {"bytes", "path"} <= fields.keys()
    if is_picture and is_bytes(fields["bytes"]) and is_text(fields["path"]):
        return "picture"
    return str(kind)[:80]


def no_bytes(file: "ParquetFile", row_group: int, column: str) -> bool:
    """Whether a column is empty in a whole row group, as far as the file says."""
    group = file.metadata.row_group(row_group)
    found = [group.column(i) for i in range(group.num_columns)]
    chunk = next(chunk for chunk in found if chunk.path_in_schema == column)
    statistics = chunk.statistics
    return bool(statistics and statistics.has_null_count and not statistics.num_values)


def rows(
    file: "ParquetFile", path: Path, row_group: int, columns: list[str]
) -> Iterator[dict | str]:
    """The rows of a row group, as values by column, or why a row can't be used.

    Raises: ValueError: when it is damaged, or would take far more memory than its file.
    """
    import pyarrow

    try:
        for batch in _batches(file, path, row_group, columns, _ROWS_AT_ONCE):
            yield from _values(batch)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(_one_line(error)) from error


def _batches(file, path, row_group, columns, count):
    group, size = file.metadata.row_group(row_group), path.stat().st_size
    for chunk in (group.column(i) for i in range(group.num_columns)):
        name = chunk.path_in_schema
        # Both `image` and `image.bytes` may be asked for by their own names.
        asked = any(f"{name}.".startswith(f"{column}.") for column in columns)
        if asked and chunk.total_uncompressed_size > max(_LARGE_BYTES, _MOST_GROWTH * size):
            raise ValueError(
                f"its column `{name}` takes {chunk.total_uncompressed_size / 2**20:,.0f} MiB, more "
                f"than {_MOST_GROWTH} times its file"
            )
    return file.iter_batches(count, row_groups=[row_group], columns=columns)


def _values(batch):
    """Each row's values, or what is wrong with it."""
    try:
        if batch.nbytes <= _MOST_ROW_BYTES:
            return batch.to_pylist()
        fault = f"has values of more than {_MOST_ROW_BYTES // 2**20} MiB"
    except ValueError as error:  # text that is no UTF-8
        fault = f"has values that can't be read: {_one_line(error)}"
    if batch.num_rows == 1:
        return [fault]
    return [row for i in range(batch.num_rows) for row in _values(batch.slice(i, 1))]


def read_cell(path: Path, row_group: int, row: int, column: str) -> bytes:
    """The bytes of one value; quick where rows are asked for in their order.

    Raises: UserError: when pyarrow is missing. ValueError: when there are no bytes.
    """
    import pyarrow

    try:
        value = _group(path, row_group, column).value(row)
    except (pyarrow.ArrowException, OSError, StopIteration) as error:
        _group.cache_clear()
        raise ValueError(f"cannot be read: {_one_line(error)}") from error
    if not isinstance(value, bytes):
        raise ValueError("has no bytes")
    return value


class _Group:
    """A column of a row group, batch by batch; asked for an earlier row, it begins again."""

    def __init__(self, path: Path, row_group: int, column: str):
        self._path, self._row_group, self._column = path, row_group, column
        self._begin()

    def _begin(self):
        file, columns = open_parquet(self._path), [self._column]
        self._batches: Iterator = _batches(
            file, self._path, self._row_group, columns, _PICTURES_AT_ONCE
        )
        self._first, self._batch = 0, next(self._batches)

    def value(self, row: int) -> object:
        if row < self._first:
            self._begin()
        while row >= self._first + self._batch.num_rows:
            self._first += self._batch.num_rows
            self._batch = next(self._batches)
        value = self._batch.column(0)[row - self._first].as_py()
        return next(iter(value.values())) if isinstance(value, dict) else value


_group = lru_cache(maxsize=1)(_Group)


def _one_line(error):
    return " ".join(str(error).split())[:100] or type(error).__name__
