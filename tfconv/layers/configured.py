"""The configuration of a layer or model, read from the signature of its constructor."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import keras

__all__: list[str] = []

Class = TypeVar("Class", bound=type)

# Of a model, Keras has these under names of its own: they are no attributes to set.
_KERAS_OWN = ("self", "input_shape", "dtype", "name")


def configured(cls: Class) -> Class:
    """Add the `get_config` of a layer or model: each constructor argument, from the attribute of the same name.

    A layer's constructor sets these attributes, since most are converted first (`keras.initializers.get`). A model's
    constructor makes a graph and needs none: they are set here, to what was given, and so is the model's dtype policy.

    Decorate the class whose constructor takes the arguments. A subclass inherits its `get_config`; if it has a
    constructor of its own, it is decorated too or extends `get_config`, as with any Keras layer.

    Args:
        cls: A `keras.layers.Layer`, or a `keras.Model` whose constructor ends in `super().__init__(inputs, outputs)`
            and takes `dtype` and `name`.
    """
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    names = [parameter.name for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_KEYWORD]

    def get_config(self: Any) -> dict[str, Any]:
        """Return the constructor's arguments."""
        config = {name: serialized(name, getattr(self, name)) for name in names}
        if not isinstance(self, keras.Model):
            return {**keras.layers.Layer.get_config(self), **config}
        if "input_shape" in config:
            config["input_shape"] = self.input_shape[1:]
        return {**config, "dtype": self.dtype_policy.name, "name": self.name}

    if issubclass(cls, keras.Model):
        cls.__init__ = setting_attributes(cls.__init__)  # type: ignore[misc]
    cls.get_config = get_config  # type: ignore[attr-defined]
    return cls


def setting_attributes(init: Callable) -> Callable:
    """Return a model's constructor that sets an attribute for each of its arguments after making the graph."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        given = signature.bind(self, *args, **kwargs)
        given.apply_defaults()
        self.dtype_policy = keras.dtype_policies.get(given.arguments["dtype"])
        for name, value in given.arguments.items():
            if name not in _KERAS_OWN:
                setattr(self, name, value)

    # Keras reads constructors with inspect.getfullargspec, which does not see through functools.wraps.
    __init__.__signature__ = signature  # type: ignore[attr-defined]
    return __init__


def serialized(name: str, value: Any) -> Any:
    """Return an argument as Keras writes it: an activation by its name, other objects by class and configuration."""
    if name == "activation" and callable(value):
        return keras.activations.serialize(value)
    return keras.saving.serialize_keras_object(value)
