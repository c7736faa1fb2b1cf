"""Files of given bytes, read by the `reader` of a test file."""

import pytest

from dmgan_tf.errors import UserError


@pytest.fixture
def read(tmp_path, reader):
    """Function of a file's bytes: what is read from it."""
    function, name = reader

    def read_bytes(content):
        path = tmp_path / name
        path.write_bytes(content)
        return function(path)

    return read_bytes


@pytest.fixture
def refusal(read, reader, tmp_path):
    """Function of a file's bytes: the message, without the file's name, of the error it ends in."""
    begin = f"{tmp_path / reader[1]}: "

    def refused(content):
        with pytest.raises(UserError) as caught:
            read(content)
        message = str(caught.value)
        assert "\n" not in message
        assert message.startswith(begin)
        return message.removeprefix(begin)

    return refused
