"""Whatever names, orders, delimiters and forms of times a file uses, the same rows come out."""

import gzip
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads import header as headers
from dpm_assets.loads.feeds import FEEDS, TRADES, Day, Feed, Moment, Whole, squash
from dpm_assets.loads.header import detect_feed
from dpm_assets.loads.load import load_file
from dpm_assets.loads.rejects import RejectLimit
from dpm_assets.loads.source import look_at
from dpm_assets.loads.times import parse_time
from tests.trade_rows import COLUMNS, HEADER, rows, trade, value, write

CAMEL = (
    "tradeId,accountId,login,symbol,side,openTime,closeTime,openPrice,closePrice,stopLoss,takeProfit,lots,volumeUSD,"
    "profit,commission,swap"
)
_STORED = (
    "select trade_id, account_id, login, symbol, std_symbol, side, open_time, close_time, trade_date, open_price,"
    " close_price, stop_loss, take_profit, lots, volume_usd, profit, commission, swap from raw_trades_closed"
)


def reversed_columns(line: str) -> str:
    return ",".join(reversed(line.split(",")))


VARIANTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "the API's camelCase": (CAMEL, lambda row: row),
    "any case": (HEADER.upper(), lambda row: row),
    "spaced": (HEADER.replace("_", " ").title(), lambda row: row),
    "any order": (reversed_columns(HEADER), reversed_columns),
    "tabs": (HEADER.replace(",", "\t"), lambda row: row.replace(",", "\t")),
    "semicolons": (HEADER.replace(",", ";"), lambda row: row.replace(",", ";")),
    "quoted": ('"' + HEADER.replace(",", '","') + '"', lambda row: '"' + row.replace(",", '","') + '"'),
    "blanks around values": (HEADER.replace(",", " , "), lambda row: " " + row.replace(",", " , ") + " "),
    "broker's times": (HEADER, lambda row: row.replace("2025-03-03T", "2025.03.03 ")),
    "zoned times": (HEADER, lambda row: row.replace(":00:00", ":00:00.000+00:00")),
    "times in Z": (HEADER, lambda row: row.replace(":00:00", ":00:00Z")),
    "NULL for nothing": (HEADER, lambda row: row.replace(",0,0,", ",NULL,\\N,")),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_a_file_store_the_same_trades(db: Database, tmp_path: Path, variant: str) -> None:
    given = [trade("T1"), trade("T2", side="sell", profit="-3.50")]
    load_file(db, write(tmp_path / "plain.csv", *given))
    expected = rows(db, _STORED + " order by trade_id")
    header, changed = VARIANTS[variant]
    result = load_file(db, write(tmp_path / "variant.csv", *(changed(row) for row in given), header=header))
    assert (result.feed, result.rows_duplicate, result.rows_read, result.rejects) == ("trades", 2, 2, [])
    assert rows(db, _STORED + " order by trade_id") == expected


def test_every_baseline_and_camel_case_name_is_known() -> None:
    for feed in FEEDS.values():
        for column in feed.columns:
            head, *rest = column.name.split("_")
            assert feed.headers[squash(head + "".join(part.title() for part in rest))] == column.name
    irregular = {("trades", "volumeUSD"): "volume_usd", ("open_trades", "unrealizedPnL"): "unrealized_pnl",
                 ("alltime_metrics", "averageRRR"): "average_rrr"}  # fmt: skip
    assert all(FEEDS[feed].headers[squash(name)] == column for (feed, name), column in irregular.items())
    spreadsheet = ("Plan ID", "PlanID", "Type", "Profit Target %", "Max Daily Drawdown %")
    assert [FEEDS["plans"].headers[squash(name)] for name in spreadsheet] == [
        "plan_id", "plan_id", "plan_type", "profit_target_pct", "max_daily_drawdown_pct",
    ]  # fmt: skip


def test_the_declared_columns_are_those_of_the_tables(db: Database) -> None:
    for feed in FEEDS.values():
        types = dict(
            rows(
                db,
                "select attname::text, format_type(atttypid, atttypmod) from pg_attribute where attnum > 0"
                " and attrelid = ('prop_trading_model.' || %s)::regclass",
                feed.table,
            )
        )
        for column in feed.columns:
            declared = column.type.sql.replace("varchar", "character varying")
            assert types[column.name].replace("timestamp without time zone", "timestamp") == declared
        assert set(types) - set(feed.by_name) == {"id", "load_batch_id"}


def test_gzip_is_read_as_it_is(db: Database, tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.csv", trade("T1"), trade("T2", lots="x"))
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    result = load_file(db, tmp_path / "packed.csv.gz")
    assert (result.rows_inserted, [line for line, _ in result.rejects]) == (1, [3])


def test_the_header_tells_the_feed(tmp_path: Path) -> None:
    assert detect_feed(look_at(write(tmp_path / "t.csv"))) == "trades"
    assert detect_feed(look_at(write(tmp_path / "c.csv", header=CAMEL))) == "trades"
    assert detect_feed(look_at(write(tmp_path / "a.csv", header="accountId,login,planId,currentBalance"))) == "accounts"
    assert detect_feed(look_at(write(tmp_path / "p.csv", header="Plan ID,Plan Name,Type"))) == "plans"
    with pytest.raises(
        DpmError, match=r"There is no feed 'deals'\. The feeds are trades, open_trades, daily_metrics, "
    ):
        headers.read_header(look_at(tmp_path / "t.csv"), "deals")


@pytest.mark.parametrize(
    ("header", "feed"),
    [
        ("trade_id,account_id,login,symbol,side,close_time,lots,profit", "trades"),
        ("trade_id,account_id,login,symbol,side,trade_date,lots,profit", "trades"),
        ("tradeId,accountId,login,symbol,side,lots,unrealizedPnL", "open_trades"),
        ("tradeId,accountId,login,symbol,side,openTime,openPrice,currentPrice,lots,profit", "open_trades"),
        ("accountId,login,date,netProfit", "daily_metrics"),
        ("account_id,login,date,net_profit,total_trades,profit_factor,commission,swap", "daily_metrics"),
        ("accountId,login,date,hour,netProfit", "hourly_metrics"),
        ("account_id,login,date,hour,net_profit,profit_factor,commission,swap,balance_end", "hourly_metrics"),
        ("accountId,login,netProfit", "alltime_metrics"),
        ("accountId,login,averageRRR,netProfit,maxDrawdownPct", "alltime_metrics"),
        ("account_id,login", "accounts"),
        ("accountId,login,planId,maxDrawdownPct,startingBalance", "accounts"),
        ("PlanID,Plan Name,Profit Target %,Max Daily Drawdown %,Profit Split %", "plans"),
        ("date,summary", "regimes"),
        ("date,vectorDailyRegime,marketNews,createdAt", "regimes"),
    ],
)
def test_feeds_that_share_columns_are_told_apart(tmp_path: Path, header: str, feed: str) -> None:
    assert detect_feed(look_at(write(tmp_path / "some.csv", header=header))) == feed


@pytest.mark.parametrize(
    ("feed", "header", "foreign"),
    [
        ("daily_metrics", "account_id,login,date,hour,net_profit", "hour"),
        ("alltime_metrics", "accountId,login,Date,netProfit", "Date"),
        ("open_trades", "tradeId,accountId,login,symbol,side,closeTime,lots,currentPrice", "closeTime"),
    ],
)
def test_a_file_of_another_feed_is_refused_where_its_rows_would_be_taken_for_others(
    tmp_path: Path, feed: str, header: str, foreign: str
) -> None:
    """Hours loaded as days would replace one another."""
    with pytest.raises(DpmError, match=f"the column '{foreign}' tells that this is no file of the feed {feed}"):
        headers.read_header(look_at(write(tmp_path / "some.csv", header=header)), feed)


def test_a_feed_may_be_given_where_the_header_fits_two(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", header="trade_id,account_id,login,symbol,side,lots,profit,unrealized_pnl,trade_date"
    )
    with pytest.raises(DpmError, match="fits the feeds open_trades and trades"):
        detect_feed(look_at(path))
    assert headers.read_header(look_at(path), "trades").feed.name == "trades"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2025-03-03T10:15:00", "2025-03-03 10:15:00"),
        ("2025-03-03 10:15", "2025-03-03 10:15:00"),
        ("2025-03-03", "2025-03-03 00:00:00"),
        ("2025.03.03 10:15:00", "2025-03-03 10:15:00"),
        ("2025-03-03T10:15:00Z", "2025-03-03 10:15:00"),
        ("2025-03-03T10:15:00.123456Z", "2025-03-03 10:15:00.123456"),
        ("2025-03-03T10:15:00.1234567", "2025-03-03 10:15:00.123457"),
        ("2025-03-03T10:15:00+02:00", "2025-03-03 08:15:00"),
        ("2025-03-03T10:15:00-0530", "2025-03-03 15:45:00"),
        ("2025-03-03 10:15:00 +02", "2025-03-03 08:15:00"),
        ("2025-03-03T00:30:00+02:00", "2025-03-02 22:30:00"),
    ],
)
@pytest.mark.parametrize("beside", ["2025-03-03T00:00:00", "2025-03-03T00:00:00Z", "not a time"])
def test_times_are_stored_in_utc_whatever_stands_beside_them(
    db: Database, tmp_path: Path, written: str, stored: str, beside: str
) -> None:
    header = "trade_id,account_id,login,symbol,side,close_time,lots,profit"
    given = [f"T1,A1,1,EURUSD,buy,{written},1,1", f"T2,A1,1,EURUSD,buy,{beside},1,1"]
    load_file(db, write(tmp_path / "one.csv", *given, header=header))
    expected = datetime.fromisoformat(stored)
    assert rows(db, "select close_time, trade_date from raw_trades_closed where trade_id = 'T1'") == [
        (expected, expected.date())
    ]


def test_a_feed_may_declare_its_time_zone_and_when_its_trading_day_begins(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brokers at UTC+2 in winter: midnight there is 22:00 UTC; here the trading day begins at 01:00 of theirs."""
    declared = {**vars(TRADES), "time_zone": "Europe/Athens", "day_cutoff": timedelta(hours=1)}
    broker = Feed(**{name: declared[name] for name in Feed.__dataclass_fields__})
    monkeypatch.setitem(FEEDS, "trades", broker)
    given = [trade("T1", close_time="2025-03-04 00:30:00"), trade("T2", close_time="2025-03-04 01:00:00")]
    zoned = trade("T3", close_time="2025-03-03T23:00:00Z")
    load_file(db, write(tmp_path / "local.csv", *given))
    load_file(db, write(tmp_path / "zoned.csv", zoned, trade("T4", close_time="2025-03-04 01:00:00")))
    assert rows(db, "select trade_id, close_time, trade_date from raw_trades_closed order by trade_id") == [
        ("T1", datetime(2025, 3, 3, 22, 30), date(2025, 3, 3)),
        ("T2", datetime(2025, 3, 3, 23, 0), date(2025, 3, 4)),
        ("T3", datetime(2025, 3, 3, 23, 0), date(2025, 3, 4)),
        ("T4", datetime(2025, 3, 3, 23, 0), date(2025, 3, 4)),
    ]


def test_rows_until_tomorrow_are_taken(db: Database, tmp_path: Path) -> None:
    today: date = value(db, "select (now() at time zone 'utc')::date")
    given = [trade(f"T{days}", (today + timedelta(days=days)).isoformat()) for days in (0, 1, 2)]
    result = load_file(db, write(tmp_path / "one.csv", *given))
    assert (result.rows_inserted, [line for line, _ in result.rejects]) == (2, [4])


def test_a_declaration_is_consistent() -> None:
    for feed in FEEDS.values():
        assert set(feed.identity) <= set(feed.by_name)
        assert all(name in feed.by_name for group in feed.required for name in group)
        assert not feed.dated_by or isinstance(feed.by_name[feed.dated_by].type, Day)
        assert all(isinstance(feed.by_name[name].type, Moment) for pair in feed.in_order for name in pair)
        assert all(
            isinstance(feed.by_name[name].type, Whole) for parts, total in feed.within for name in (*parts, total)
        )
        assert set(feed.covers) | set(feed.snapshots_of) <= set(feed.by_name)
        assert not {squash(name) for name in feed.foreign} & set(feed.headers)
        assert not feed.partitions or feed.by_name[feed.partitions.by].needed
    assert set(COLUMNS) <= set(TRADES.by_name)


@pytest.mark.parametrize("text", ["", "ten", "-1", "101%", "10 rows", "1.5"])
def test_a_limit_that_is_none_is_said_in_a_sentence(text: str) -> None:
    with pytest.raises(DpmError, match=r"is no limit of rejects\. Write a share such as 10%, or a count such as 500"):
        RejectLimit.parse(text)


@pytest.mark.parametrize("text", ["", "10:15", "2025-13-01", "2025-01-01T10", "2025-01-01T10:15.5", "1899-12-31"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_time(text, timezone.utc) is None
