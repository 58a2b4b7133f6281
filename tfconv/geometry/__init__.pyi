"""Convolution arithmetic, and what each layer of a model sees of its input."""

from .arithmetic import Window as Window
from .arithmetic import layers_needed as layers_needed
from .arithmetic import output_size as output_size
from .arithmetic import parameter_count as parameter_count
from .arithmetic import receptive_field as receptive_field
from .explanation import explain as explain
