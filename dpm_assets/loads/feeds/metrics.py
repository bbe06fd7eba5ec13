"""The metrics that the trading API computes itself: by account-day, by hour, and for all time. History is kept."""

from dpm_assets.loads.feeds.feed import ENDPOINT, INGESTED, Column, Feed, Partitions
from dpm_assets.loads.feeds.types import COUNT, GAIN, ID, LOSS, MONEY, PERCENT, RATIO, Day, Number, Whole

_LOTS = Number(18, 4)
_TRADES_ADD_UP = (("winning_trades", "losing_trades"), "total_trades")
_RESULTS = (
    Column("net_profit", MONEY),
    Column("gross_profit", GAIN),
    Column("gross_loss", LOSS),
    Column("total_trades", COUNT),
    Column("winning_trades", COUNT),
    Column("losing_trades", COUNT),
    Column("win_rate", PERCENT),
)
_ANY_RESULT = tuple(column.name for column in _RESULTS)

DAILY_METRICS = Feed(
    name="daily_metrics",
    table="raw_metrics_daily",
    description="The API's own metrics of each account-day; history is kept, latest_metrics_daily shows the newest.",
    columns=(
        Column("account_id", ID, needed=True),
        Column("login", ID, needed=True),
        Column("date", Day(in_warehouse=True), needed=True),
        *_RESULTS,
        Column("profit_factor", RATIO),
        Column("lots_traded", _LOTS),
        Column("volume_traded", MONEY),
        Column("commission", MONEY),
        Column("swap", MONEY),
        Column("balance_start", MONEY),
        Column("balance_end", MONEY),
        Column("equity_start", MONEY),
        Column("equity_end", MONEY),
        INGESTED,
        ENDPOINT,
    ),
    identity=("account_id", "date", "ingestion_timestamp"),
    required=(("account_id",), ("login",), ("date",), _ANY_RESULT),
    foreign=("hour",),
    partitions=Partitions(by="date", every="year"),
    snapshots_of=("account_id", "date"),
    within=(_TRADES_ADD_UP,),
)

HOURLY_METRICS = Feed(
    name="hourly_metrics",
    table="raw_metrics_hourly",
    description="The API's own metrics of each account and hour; history is kept.",
    columns=(
        Column("account_id", ID, needed=True),
        Column("login", ID, needed=True),
        Column("date", Day(in_warehouse=True), needed=True),
        Column("hour", Whole(least=0, most=23), needed=True),
        *_RESULTS,
        Column("lots_traded", _LOTS),
        Column("volume_traded", MONEY),
        INGESTED,
        ENDPOINT,
    ),
    identity=("account_id", "date", "hour", "ingestion_timestamp"),
    required=(("account_id",), ("login",), ("date",), ("hour",), _ANY_RESULT),
    snapshots_of=("account_id", "date", "hour"),
    within=(_TRADES_ADD_UP,),
)

ALLTIME_METRICS = Feed(
    name="alltime_metrics",
    table="raw_metrics_alltime",
    description="The API's own metrics of each account's whole life; history is kept.",
    columns=(
        Column("account_id", ID, needed=True),
        Column("login", ID, needed=True),
        *_RESULTS,
        Column("profit_factor", RATIO),
        Column("average_win", MONEY),
        Column("average_loss", MONEY),
        Column("average_rrr", RATIO),
        Column("expectancy", MONEY),
        Column("sharpe_ratio", RATIO),
        Column("sortino_ratio", RATIO),
        Column("max_drawdown", MONEY),
        Column("max_drawdown_pct", PERCENT),
        INGESTED,
        ENDPOINT,
    ),
    identity=("account_id", "ingestion_timestamp"),
    required=(("account_id",), ("login",), _ANY_RESULT),
    foreign=("date", "hour"),
    snapshots_of=("account_id",),
    within=(_TRADES_ADD_UP,),
)
