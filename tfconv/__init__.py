"""tfconv: convolutional text and image classifiers in Keras 3, from labelled files to a served model.

`import tfconv` is instant: TensorFlow is imported by the first subpackage that needs it.
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "__version__",
    "data",
    "evaluation",
    "export",
    "geometry",
    "interpret",
    "layers",
    "models",
    "runtime",
    "training",
]

_SUBPACKAGES = frozenset(__all__) - {"InputError", "__version__"}


def __getattr__(name: str) -> ModuleType | type:
    """Import a subpackage when it is first named."""
    if name in _SUBPACKAGES:
        return importlib.import_module(f"tfconv.{name}")
    if name == "InputError":
        from tfconv.errors import InputError

        return InputError
    raise AttributeError(f"module 'tfconv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
