"""Convolution arithmetic in pure Python: output sizes, receptive fields, depths and parameter counts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Window", "layers_needed", "output_size", "parameter_count", "receptive_field"]


@dataclass(frozen=True)
class Window:
    """The window of one convolution or pooling layer along one axis.

    Attributes:
        kernel_size: Number of positions in the window.
        strides: Input positions from one window to the next.
        dilation_rate: Distance of neighbouring positions in the window.
    """

    kernel_size: int
    strides: int = 1
    dilation_rate: int = 1

    def __post_init__(self) -> None:
        for field in ("kernel_size", "strides", "dilation_rate"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be at least 1. Received: {field}={getattr(self, field)}")

    @property
    def span(self) -> int:
        """Input positions from the window's first to its last, both counted."""
        return (self.kernel_size - 1) * self.dilation_rate + 1


def output_size(
    size: int | None, kernel_size: int, *, strides: int = 1, padding: str = "valid", dilation_rate: int = 1
) -> int | None:
    """Return the output size of a convolution or pooling layer along one axis.

    ceil(size / strides) with "same" or "causal" padding, floor((size - span) / strides) + 1 with "valid", where span
    = (kernel_size - 1) dilation_rate + 1. (Dumoulin and Visin, "A guide to convolution arithmetic for deep
    learning", 2016, relationship 6.)

    Args:
        size: Input size; None, for an unknown size, gives None.
        kernel_size: Number of positions in a window.
        strides: Input positions from one window to the next.
        padding: "valid", "same" or "causal".
        dilation_rate: Distance of neighbouring positions in a window.

    Raises:
        ValueError: an unknown padding, a number below 1, or a window longer than the input with "valid" padding.
    """
    window = Window(kernel_size, strides, dilation_rate)
    if padding not in ("valid", "same", "causal"):
        raise ValueError(f"padding must be 'valid', 'same' or 'causal'. Received: padding={padding!r}")
    if size is None:
        return None
    if size < 1:
        raise ValueError(f"size must be at least 1. Received: size={size}")
    if padding != "valid":
        return math.ceil(size / strides)
    if size < window.span:
        raise ValueError(
            f"size must be at least the window's span with padding 'valid'. Received: {size} < {window.span}"
        )
    return (size - window.span) // strides + 1


def receptive_field(windows: Iterable[Window]) -> int:
    """Return the receptive field of a stack of layers: the input positions that one output position depends on.

    1 + sum_i (span_i - 1) prod_{j < i} strides_j (Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional
    Neural Networks", 2019, equation 2). Strides or dilations above the kernel size leave gaps in it, which are counted.

    Args:
        windows: The layers' windows, from the input on; an empty stack has a receptive field of 1.
    """
    field, jump = 1, 1
    for window in windows:
        field += (window.span - 1) * jump
        jump *= window.strides
    return field


def layers_needed(field: int, kernel_size: int, *, strides: int = 1, dilation_growth: int = 1) -> int:
    """Return the smallest number of equal layers whose receptive field is at least `field` positions.

    Args:
        field: Receptive field to reach.
        kernel_size: Kernel size of every layer.
        strides: Stride of every layer.
        dilation_growth: Layer i (from 0) has dilation rate dilation_growth ** i: 1 for none, 2 for 1, 2, 4, ...

    Raises:
        ValueError: a number below 1; a kernel size of 1, whose receptive field never grows; strides together with
            dilation.
    """
    if field < 1 or dilation_growth < 1:
        raise ValueError(f"field and dilation_growth must be at least 1. Received: {field}, {dilation_growth}")
    if kernel_size < 2 and field > 1:
        raise ValueError(f"kernel_size must be at least 2 for a field above 1. Received: {kernel_size}")
    if strides > 1 and dilation_growth > 1:
        raise ValueError(f"strides cannot be combined with dilation. Received: {strides}, {dilation_growth}")
    windows: list[Window] = []
    while receptive_field(windows) < field:
        windows.append(Window(kernel_size, strides, dilation_growth ** len(windows)))
    return len(windows)


def parameter_count(
    kernel_size: int | tuple[int, ...], channels: int, filters: int, *, groups: int = 1, use_bias: bool = True
) -> int:
    """Return the number of parameters of a convolution: prod(kernel_size) channels / groups filters, and the biases.

    Args:
        kernel_size: One number for a 1D convolution, a tuple for more axes; 1 for a dense layer.
        channels: Channels of the input.
        filters: Channels of the output.
        groups: Number of groups that the channels are split into; `channels` for a depthwise convolution.
        use_bias: Whether each filter has a bias.

    Raises:
        ValueError: a number below 1, or channels or filters not divisible by `groups`.
    """
    sizes = (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)
    if min(*sizes, channels, filters, groups) < 1:
        raise ValueError(
            "kernel_size, channels, filters and groups must be at least 1. "
            f"Received: {kernel_size}, {channels}, {filters}, {groups}"
        )
    if channels % groups or filters % groups:
        raise ValueError(f"channels and filters must be divisible by groups. Received: {channels}, {filters}, {groups}")
    return math.prod(sizes) * (channels // groups) * filters + (filters if use_bias else 0)
