"""Where examples come from: sources, splits, normalisation, the order of an epoch. Only what trains imports this."""

from __future__ import annotations

from nnspec.data.dataset import Dataset, count
from nnspec.data.errors import DataError, MissingData
from nnspec.data.loading import load_data
from nnspec.data.memory import NOTHING, Memory, read_inputs
from nnspec.data.order import batches, epoch_order
from nnspec.data.sources import column_names

__all__ = [
    "NOTHING",
    "DataError",
    "Dataset",
    "Memory",
    "MissingData",
    "batches",
    "column_names",
    "count",
    "epoch_order",
    "load_data",
    "read_inputs",
]
