"""From a model that was trained in mixed precision to the one that is kept."""

import keras

__all__ = ["in_float32"]


def in_float32(model: keras.Model) -> keras.Model:
    """Return the model with its weights under the float32 policy; a model that is there already, itself.

    Under a mixed policy weights are float32 and only the activations between layers are rounded. So nothing is lost,
    and what is saved runs at full precision, and fast, also on machines without 16-bit arithmetic.

    Args:
        model: built; a model class whose constructor has a `dtype` argument, as all of `tfconv.models` have.

    Returns:
        A model of the same class. One whose configuration has no mixed `dtype` is returned as it is.
    """
    try:
        config = model.get_config()
    except NotImplementedError:
        return model
    if config.get("dtype") not in ("mixed_bfloat16", "mixed_float16"):
        return model
    twin = type(model).from_config({**config, "dtype": "float32"})
    if not twin.built:
        twin.build(model.input_shape)
    twin.set_weights(model.get_weights())
    return twin
