"""Files that are there whole or not at all, whoever else writes them."""

from dmgan_tf.whole_file import whole_file


def test_two_writers_of_one_file_each_write_a_whole_one(tmp_path):
    target = tmp_path / "values.npy"
    with whole_file(target) as slow:
        slow.write_bytes(b"slow")
        with whole_file(target) as fast:
            fast.write_bytes(b"the fast one")
        assert target.read_bytes() == b"the fast one"
        with slow.open("ab") as file:
            file.write(b" one")
    assert target.read_bytes() == b"slow one"
    assert list(tmp_path.iterdir()) == [target]
