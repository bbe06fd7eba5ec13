"""Two good rows of every feed, as the values stand in a CSV file."""

import csv
from pathlib import Path

from dpm_assets.loads.feeds import FEEDS

Row = dict[str, str]

_TRADE = dict(
    trade_id="T1", account_id="A1", login="1001", symbol="EURUSD.x", std_symbol="EURUSD", side="buy",
    open_time="2025-03-03 10:00:00", open_price="1.100000", stop_loss="1.09", take_profit="", lots="0.10",
    volume_usd="11000.00", commission="-0.70", swap="-0.05", ingestion_timestamp="2025-03-04 01:00:00.123456",
    source_api_endpoint="/v2/trades",
)  # fmt: skip
_CLOSED = _TRADE | dict(close_time="2025-03-03 11:00:00", trade_date="2025-03-03", close_price="1.101", profit="10.00")
_OPEN = _TRADE | dict(trade_date="2025-03-03", current_price="1.0999999", unrealized_pnl="-12.345")
_RESULTS = dict(
    account_id="A1", login="1001", net_profit="-12.50", gross_profit="100", gross_loss="-112.50", total_trades="7",
    winning_trades="3", losing_trades="4", win_rate="42.857",
)  # fmt: skip
_FLOWS = dict(lots_traded="1.2345", volume_traded="123456789.01")
_SEEN = dict(ingestion_timestamp="2025-03-04 01:00:00", source_api_endpoint="/v2/metrics")
_DAY = _RESULTS | _FLOWS | _SEEN | dict(
    date="2025-03-03", profit_factor="0.89", commission="-7", swap="0", balance_start="10000", balance_end="9987.50",
    equity_start="10000.00", equity_end="",
)  # fmt: skip
_HOUR = _RESULTS | _FLOWS | _SEEN | dict(date="2025-03-03", hour="0")
_ALL = _RESULTS | _SEEN | dict(
    profit_factor="0.89", average_win="33.33", average_loss="-28.125", average_rrr="1.19", expectancy="-1.79",
    sharpe_ratio="-0.31", sortino_ratio="-0.4", max_drawdown="250", max_drawdown_pct="2.5",
)  # fmt: skip
_ACCOUNT = dict(
    account_id="A1", login="1001", trader_id="R1", plan_id="P1", starting_balance="10000.00", current_balance="9987.5",
    current_equity="9990", profit_target_pct="8", max_daily_drawdown_pct="5", max_drawdown_pct="10.00",
    max_leverage="100", is_drawdown_relative="true", breached="0", is_upgraded="1", phase="Phase 1", status="Active",
    created_at="2025-01-01 00:00:00", updated_at="2025-03-03 23:59:59.5", ingestion_timestamp="2025-03-04 01:00:00",
    source_api_endpoint="/v2/accounts",
)  # fmt: skip
_PLAN = dict(
    plan_id="P1", plan_name='Two step, "10k"', plan_type="2-step", starting_balance="10000", profit_target="800",
    profit_target_pct="8", max_drawdown="1000", max_drawdown_pct="10", max_daily_drawdown="500",
    max_daily_drawdown_pct="5", max_leverage="100", is_drawdown_relative="false", min_trading_days="5",
    max_trading_days="", profit_split_pct="80", ingestion_timestamp="2025-01-01 00:00:00",
)  # fmt: skip
_REGIME = dict(
    date="2025-03-03",
    market_news='[{"headline": "Söder: \\"Zölle\\"", "score": -0.25}]',
    instruments='{"EURUSD": {"atr": 0.00613, "trend": null}, "XAUUSD": {"atr": 1e2, "closed": true}}',
    country_economic_indicators="{}",
    news_analysis='{"nested": [[1, [2, [3]]], "back\\\\slash", "tab\\t"]}',
    summary='{"market_sentiment": "bullish", "volatility_regime": "low", "liquidity_state": "normal"}',
    vector_daily_regime="[0.1,-2.5,3]",
    created_at="2025-03-03 22:00:00", updated_at="", ingestion_timestamp="2025-03-04 01:00:00",
)  # fmt: skip

ROWS: dict[str, list[Row]] = {
    "trades": [_CLOSED, _CLOSED | dict(trade_id="T2", side="sell", swap="", std_symbol="")],
    "open_trades": [_OPEN, _OPEN | dict(trade_id="T2", side="sell", current_price="", trade_date="")],
    "daily_metrics": [_DAY, _DAY | dict(date="2024-12-31", equity_end="1", total_trades="")],
    "hourly_metrics": [_HOUR, _HOUR | dict(hour="23", win_rate="")],
    "alltime_metrics": [_ALL, _ALL | dict(account_id="A2", profit_factor="")],
    "accounts": [_ACCOUNT, _ACCOUNT | dict(account_id="A2", plan_id="", is_drawdown_relative="")],
    "plans": [_PLAN, _PLAN | dict(plan_id="P2", max_trading_days="30", plan_name="")],
    "regimes": [_REGIME, _REGIME | dict(date="2025-03-04", market_news="", vector_daily_regime="[]")],
}

assert set(ROWS) == set(FEEDS)


def write_rows(path: Path, given: list[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, given[0])
        writer.writeheader()
        writer.writerows(given)
    return path
