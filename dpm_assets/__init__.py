"""A PostgreSQL trades warehouse for the Daily Profit Model of proprietary-trading firms, operated by Dagster.

`read_trades` and `read_metrics` read closed trades and daily metrics wherever their months and years are; they are loaded on
first use, with pyarrow.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpm_assets.partitions.cold.reading import read_metrics, read_trades

__all__ = ["read_metrics", "read_trades"]

# The pinned Dagster says at every import that backfill and freshness policies may still change; the pin is the answer.
warnings.filterwarnings("ignore", message=r".*is currently in (beta|preview)")


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("dpm_assets.partitions.cold.reading"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
