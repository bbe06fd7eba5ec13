"""The snapshots that trades are read against: accounts, plans, and market regimes by date. History is kept."""

from dpm_assets.loads.feeds.feed import ENDPOINT, INGESTED, Column, Feed
from dpm_assets.loads.feeds.types import (
    COUNT,
    ID,
    MONEY,
    PERCENT,
    RATIO,
    Day,
    Flag,
    Json,
    Moment,
    Text,
    Vector,
    Whole,
)

ACCOUNTS = Feed(
    name="accounts",
    table="raw_accounts_data",
    description="Snapshots of the accounts; history is kept, latest_accounts shows the newest.",
    columns=(
        Column("account_id", ID, needed=True),
        Column("login", ID, needed=True),
        Column("trader_id", ID),
        Column("plan_id", ID),
        Column("starting_balance", MONEY),
        Column("current_balance", MONEY),
        Column("current_equity", MONEY),
        Column("profit_target_pct", PERCENT),
        Column("max_daily_drawdown_pct", PERCENT),
        Column("max_drawdown_pct", PERCENT),
        Column("max_leverage", RATIO),
        Column("is_drawdown_relative", Flag()),
        Column("breached", Whole(), default="0"),
        Column("is_upgraded", Whole(), default="0"),
        Column("phase", Text(50, choices=("Phase 1", "Phase 2", "Funded", "Demo"))),
        Column("status", Text(50, choices=("Active", "Inactive", "Breached", "Passed"))),
        Column("created_at", Moment()),
        Column("updated_at", Moment()),
        INGESTED,
        ENDPOINT,
    ),
    identity=("account_id", "ingestion_timestamp"),
    required=(("account_id",), ("login",)),
    snapshots_of=("account_id",),
)

PLANS = Feed(
    name="plans",
    table="raw_plans_data",
    description="Snapshots of the plans; history is kept, latest_plans shows the newest.",
    columns=(
        Column("plan_id", ID, needed=True),
        Column("plan_name", ID),
        Column("plan_type", Text(100), also=("Type",)),
        Column("starting_balance", MONEY),
        Column("profit_target", MONEY),
        Column("profit_target_pct", PERCENT),
        Column("max_drawdown", MONEY),
        Column("max_drawdown_pct", PERCENT),
        Column("max_daily_drawdown", MONEY),
        Column("max_daily_drawdown_pct", PERCENT),
        Column("max_leverage", RATIO),
        Column("is_drawdown_relative", Flag()),
        Column("min_trading_days", COUNT),
        Column("max_trading_days", COUNT),
        Column("profit_split_pct", PERCENT),
        INGESTED,
    ),
    identity=("plan_id", "ingestion_timestamp"),
    required=(("plan_id",),),
    snapshots_of=("plan_id",),
)

_DOCUMENTS = (
    Column("market_news", Json()),
    Column("instruments", Json()),
    Column("country_economic_indicators", Json()),
    Column("news_analysis", Json()),
    Column("summary", Json()),
)

REGIMES = Feed(
    name="regimes",
    table="raw_regimes_daily",
    description="Market regimes by date as jsonb; the newest of a date counts, latest_regimes_daily shows it.",
    columns=(
        Column("date", Day(in_warehouse=True), needed=True),
        *_DOCUMENTS,
        Column("vector_daily_regime", Vector()),
        Column("created_at", Moment()),
        Column("updated_at", Moment()),
        INGESTED,
    ),
    identity=("date", "ingestion_timestamp"),
    required=(("date",), (*(column.name for column in _DOCUMENTS), "vector_daily_regime")),
    snapshots_of=("date",),
)
