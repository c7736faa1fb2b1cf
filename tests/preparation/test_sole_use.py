"""One run at a time, also where one begins as another ends."""

from contextlib import ExitStack

import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.preparation import sole_use as module
from dmgan_tf.preparation.sole_use import sole_use


def test_place_that_is_taken_at_the_very_end_of_another_run_is_held(tmp_path, monkeypatch):
    place, real = tmp_path / "place", module.FileLock.release
    with ExitStack() as next_run:

        def release(lock):
            real(lock)
            monkeypatch.undo()
            next_run.enter_context(sole_use(place))

        monkeypatch.setattr(module.FileLock, "release", release)
        with sole_use(place):
            pass
        with pytest.raises(UserError, match="another run is writing there"), sole_use(place):
            pass
    assert list(tmp_path.iterdir()) == []
