"""Checks of the values of a section; each raises a UserError that names the key."""

from dmgan_tf.errors import UserError


def require(condition, message):
    """Raises UserError with the message unless the condition holds."""
    if not condition:
        raise UserError(message)


def positive(section, *names):
    """Values above 0."""
    for name in names:
        value = getattr(section, name)
        require(value > 0, f"`{name}` must be greater than 0. Received: {name}={value}.")


def not_negative(section, *names):
    """Values of 0 or more."""
    for name in names:
        value = getattr(section, name)
        require(value >= 0, f"`{name}` must not be negative. Received: {name}={value}.")


def fraction(section, *names):
    """Values in [0, 1)."""
    for name in names:
        value = getattr(section, name)
        require(0 <= value < 1, f"`{name}` must lie in [0, 1). Received: {name}={value}.")


def seed(section, name):
    """A value in [0, 2³²)."""
    value = getattr(section, name)
    require(0 <= value < 2**32, f"`{name}` must lie in [0, 2³²). Received: {name}={value}.")


def share(section, *names):
    """Values in [0, 1]."""
    for name in names:
        value = getattr(section, name)
        require(0 <= value <= 1, f"`{name}` must lie in [0, 1]. Received: {name}={value}.")


def one_of(section, name, choices):
    """A value among the choices."""
    value = getattr(section, name)
    require(value in choices, f"`{name}` must be one of {list(choices)}. Received: {value!r}.")


def power_of_two(section, name):
    """8, 16, 32 and so on."""
    value = getattr(section, name)
    good = value >= 8 and value & (value - 1) == 0
    require(good, f"`{name}` must be a power of two from 8 on. Received: {name}={value}.")
