"""What both trainers are: Keras models of networks, saved and cloned together with them."""

import inspect

import keras


def build_once(network: keras.Model, *shapes) -> None:
    """Builds a network that is not built yet."""
    if not network.built:
        network.build(*shapes)


class Trainer(keras.Model):
    """A model whose config holds the networks that it was made of.

    A subclass keeps every argument of its constructor as an attribute of that name.
    """

    def get_config(self):
        arguments = inspect.signature(type(self).__init__).parameters
        names = [name for name in arguments if name not in ("self", "kwargs")]
        return super().get_config() | {
            name: keras.saving.serialize_keras_object(getattr(self, name)) for name in names
        }

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
