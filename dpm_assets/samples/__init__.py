"""Realistic synthetic trades, accounts and plans for the demo, the tests and the benchmarks.

The names are loaded on first use, so that `dpm` does not import numpy and pyarrow for its other commands.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpm_assets.samples.writing import SampleSummary, write_sample

__all__ = ["SampleSummary", "write_sample"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("dpm_assets.samples.writing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
