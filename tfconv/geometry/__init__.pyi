"""Convolution arithmetic, and the receptive field of each layer of a model."""

from .arithmetic import Window as Window
from .arithmetic import layers_needed as layers_needed
from .arithmetic import output_size as output_size
from .arithmetic import parameter_count as parameter_count
from .arithmetic import receptive_field as receptive_field
from .explanation import explain as explain
