"""The pickle machine itself; `test_restricted_pickle.py` reads whole files through it."""

import pickle

import pytest
from pickles import name, number, pickled, tuple_of

from dmgan_tf.interop import pickle_machine
from dmgan_tf.interop.pickle_bytes import FormatError
from dmgan_tf.interop.pickle_machine import PickleMachine, Unfinished


def load(content, names=(), **options):
    return PickleMachine(content, dict(names), **options).load()


def test_pickles_are_read_one_after_another():
    machine = PickleMachine(pickle.dumps([1, 2]) + pickle.dumps("a") + b"rest", {})
    assert [machine.load(), machine.load()] == [[1, 2], "a"]
    assert machine.position == len(pickle.dumps([1, 2]) + pickle.dumps("a"))


def test_memory_of_one_pickle_is_not_open_to_the_next():
    machine = PickleMachine(b"K\x05q\x00." + b"h\x00.", {})
    assert machine.load() == 5
    with pytest.raises(FormatError, match="is damaged"):
        machine.load()


def test_permitted_constructor_is_called_with_the_arguments():
    content = pickled(name("a.b", "c"), tuple_of(number(3), number(4)), b"R")
    assert load(content, {"a.b.c": lambda x, y: (y, x)}) == (4, 3)


def test_name_that_means_no_constructor_is_not_called():
    content = pickled(name("a", "b"), tuple_of(), b"R")
    with pytest.raises(FormatError, match=r"refused: calls a\.b\. Nothing was run\."):
        load(content, {"a.b": "text"})


def test_value_that_is_no_name_is_not_called():
    with pytest.raises(FormatError, match="refused: calls int"):
        load(pickled(number(3), tuple_of(), b"R"))


@pytest.mark.parametrize("state", [b"}", b"K\x01", b"N}X\x01\x00\x00\x00aK\x01s\x86"])
def test_attributes_are_not_set(state):
    def permitted():
        pass

    content = pickled(name("a", "b"), state, b"b")
    with pytest.raises(FormatError, match="refused: sets attributes"):
        load(content, {"a.b": permitted})
    assert not vars(permitted)


def test_contents_that_come_second_take_their_place_in_the_memory_too():
    names = {"a.b": lambda: Unfinished(lambda state: ("finished", state))}
    content = pickled(name("a", "b"), b")Rq\x07", number(1), b"b", b"h\x07\x86")
    assert load(content, names) == (("finished", 1), ("finished", 1))


def test_contents_that_never_come_are_missed():
    names = {"a.b": lambda: Unfinished(lambda state: state)}
    with pytest.raises(FormatError, match="holds an array without contents"):
        load(pickled(name("a", "b"), b")R"), names)


def test_persistent_ids_go_to_their_function():
    assert load(pickled(number(7), b"Q"), persistent=lambda key: [key]) == [7]
    assert load(b"Pseven\n.", persistent=lambda key: [key]) == ["seven"]


def test_number_of_instructions_is_bounded(monkeypatch):
    content = b"(" + b"]" * 50 + b"l."
    assert len(load(content)) == 50
    monkeypatch.setattr(pickle_machine, "_MOST_INSTRUCTIONS", 50)
    with pytest.raises(FormatError, match="more than 50 pickle instructions"):
        load(content)
