"""Devices, workers and what they exchange."""

from . import strategy as strategy
