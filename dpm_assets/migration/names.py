"""The schemas that a migration works in, beside the warehouse's own, and the tables that it copies."""

from typing import Literal

MIGRATION = "prop_trading_model_migration"
"""Its bookkeeping and functions."""

NEXT = "prop_trading_model_next"
"""The successors until the cutover, and again after a rollback."""

OLD = "prop_trading_model_old"
"""The originals after the cutover."""

Moved = Literal["raw_trades_closed", "raw_metrics_daily"]
MOVED: tuple[Moved, ...] = ("raw_trades_closed", "raw_metrics_daily")
