"""What both trainers are: Keras models of networks, saved and cloned together with them."""

import inspect

import keras


def build_once(network: keras.Model, *shapes) -> None:
    """Builds a network that is not built yet."""
    if not network.built:
        network.build(*shapes)


class Trainer(keras.Model):
    """A model whose config holds the networks that it was made of.

    A subclass keeps every argument of `__init__` and `compile` as an attribute of that name.
    """

    def get_config(self):
        return super().get_config() | self._serialized_arguments(type(self).__init__)

    def get_compile_config(self):
        if not self.compiled:
            return {}
        config = super().get_compile_config()
        del config["optimizer"]  # ours may go by other names
        return config | self._serialized_arguments(type(self).compile)

    def _serialized_arguments(self, function):
        names = [n for n in inspect.signature(function).parameters if n not in ("self", "kwargs")]
        return {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in names}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
