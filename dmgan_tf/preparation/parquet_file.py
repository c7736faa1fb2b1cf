"""Parquet files from strangers, read in small batches; pyarrow comes with the extra `parquet`."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dmgan_tf.errors import UserError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_ROWS_AT_ONCE = 1024
_PICTURES_AT_ONCE = 8
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
    if types.is_struct(kind) and is_bytes(fields.get("bytes")) and is_text(fields.get("path")):
        return "picture"
    return str(kind)[:80]


def no_bytes(file: "ParquetFile", row_group: int, column: str) -> bool:
    """Whether a column is empty in a whole row group, as far as the file says."""
    group = file.metadata.row_group(row_group)
    found = [group.column(i) for i in range(group.num_columns)]
    chunk = next(chunk for chunk in found if chunk.path_in_schema == column)
    statistics = chunk.statistics
    return bool(statistics and statistics.has_null_count and not statistics.num_values)


def rows(file: "ParquetFile", row_group: int, columns: list[str]) -> Iterator[dict]:
    """The rows of a row group, as values by column. Raises: ValueError: when it is damaged."""
    import pyarrow

    try:
        for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[row_group], columns=columns):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(_one_line(error)) from error


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
        self._batches: Iterator = open_parquet(self._path).iter_batches(
            _PICTURES_AT_ONCE, row_groups=[self._row_group], columns=[self._column]
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
