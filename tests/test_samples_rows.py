"""The rows of a sample: they pass every check of the warehouse, fit each other, and look like a real firm's."""

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dpm_assets.samples.symbols import INSTRUMENTS
from tests.sample_files import Row, rows_of, write_two_months

pytestmark = pytest.mark.xdist_group("samples")


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")


def decimals(text: str) -> int:
    return len(text.partition(".")[2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    write_two_months(out)
    return out


@pytest.fixture(scope="module")
def trades(folder: Path) -> list[Row]:
    return rows_of(folder / "trades")


def test_every_row_passes_the_checks_of_the_warehouse(folder: Path, trades: list[Row]) -> None:
    for row in trades + rows_of(folder / "corrections") + rows_of(folder / "late"):
        opened, closed, ingested = (moment(row[name]) for name in ("open_time", "close_time", "ingestion_timestamp"))
        assert opened < closed < ingested
        assert closed.date().isoformat() == row["trade_date"]
        assert row["side"] in ("buy", "sell")
        for name in ("open_price", "close_price", "stop_loss", "take_profit"):
            assert not row[name] or (Decimal(row[name]) > 0 and decimals(row[name]) <= 5)
        assert row["open_price"] and row["close_price"]
        assert Decimal(row["lots"]) >= Decimal("0.01") and decimals(row["lots"]) <= 2
        assert Decimal(row["volume_usd"]) >= 0 >= Decimal(row["commission"])
        assert all(decimals(row[name]) <= 2 for name in ("volume_usd", "profit", "commission", "swap"))
        assert row["source_api_endpoint"] == "v2/trades/closed"
        assert row["symbol"].startswith(row["std_symbol"])
        assert 10 <= len(row["trade_id"]) <= 14


def test_profit_has_the_sign_and_swap_the_nights_of_its_position(trades: list[Row]) -> None:
    for row in trades:
        gain = Decimal(row["close_price"]) - Decimal(row["open_price"])
        gain = gain if row["side"] == "buy" else -gain
        profit = Decimal(row["profit"])
        assert profit * gain > 0 or abs(profit) < Decimal("0.01")
        if row["open_time"][:10] == row["trade_date"]:
            assert Decimal(row["swap"]) == 0
        value = Decimal(row["volume_usd"])
        assert abs(profit - value * gain / Decimal(row["open_price"])) <= Decimal("0.02") + value / 1_000
    swaps = [Decimal(row["swap"]) for row in trades]
    assert sum(swap < 0 for swap in swaps) > 2 * sum(swap > 0 for swap in swaps) > 0


def test_stops_lie_on_their_side_of_the_open_and_some_are_missing(trades: list[Row]) -> None:
    for row in trades:
        sign = 1 if row["side"] == "buy" else -1
        opened = Decimal(row["open_price"])
        assert not row["stop_loss"] or (opened - Decimal(row["stop_loss"])) * sign > 0
        assert not row["take_profit"] or (Decimal(row["take_profit"]) - opened) * sign > 0
    assert 0.2 < sum(not row["stop_loss"] for row in trades) / len(trades) < 0.5
    assert 0.3 < sum(not row["take_profit"] for row in trades) / len(trades) < 0.6


def test_activity_has_the_shape_of_a_real_firm(folder: Path, trades: list[Row]) -> None:
    days = Counter((row["account_id"], row["trade_date"]) for row in trades)
    assert 5 <= len(trades) / len(days) <= 9
    symbols = defaultdict(set)
    for row in trades:
        symbols[row["account_id"], row["trade_date"]].add(row["std_symbol"])
    assert 1.3 < sum(map(len, symbols.values())) / len(symbols) < 1.9
    accounts = rows_of(folder / "accounts")
    active = Counter(row["account_id"] for row in trades)
    assert active.keys() <= {row["account_id"] for row in accounts}
    assert 0.1 < 1 - len(active) / len(accounts) < 0.6
    busiest = sum(count for _, count in active.most_common(len(accounts) // 10))
    assert busiest > 0.3 * len(trades)


def test_weekends_are_quiet_and_know_crypto_only(trades: list[Row]) -> None:
    crypto = {one.name for one in INSTRUMENTS if one.crypto}
    sizes: dict[bool, list[int]] = {True: [], False: []}
    for day, count in Counter(row["trade_date"] for row in trades).items():
        sizes[date.fromisoformat(day).weekday() >= 5].append(count)
    weekend, weekday = (sum(sizes[quiet]) / len(sizes[quiet]) for quiet in (True, False))
    assert 0 < weekend < weekday / 20
    for row in trades:
        if date.fromisoformat(row["trade_date"]).weekday() >= 5 or moment(row["open_time"]).weekday() >= 5:
            assert row["std_symbol"] in crypto


def test_prices_walk_but_stay_near_what_the_instrument_costs(trades: list[Row]) -> None:
    usual = {one.name: Decimal(one.price) for one in INSTRUMENTS}
    for row in trades:
        assert Decimal("0.3") < Decimal(row["close_price"]) / usual[row["std_symbol"]] < 3
    assert len({row["close_price"] for row in trades if row["std_symbol"] == "EURUSD"}) > 100


def test_accounts_fit_their_trades_and_their_checks(folder: Path, trades: list[Row]) -> None:
    net: dict[str, Decimal] = defaultdict(Decimal)
    first: dict[str, str] = {}
    logins = {}
    for row in trades:
        net[row["account_id"]] += sum(Decimal(row[name]) for name in ("profit", "commission", "swap"))
        first[row["account_id"]] = min(row["open_time"], first.get(row["account_id"], "9"))
        logins[row["account_id"]] = row["login"]
    plans = {row["plan_id"]: row for row in rows_of(folder / "plans")}
    accounts = rows_of(folder / "accounts")
    assert len({row["login"] for row in accounts}) == len(accounts)
    assert {row["phase"] for row in accounts} == {"Phase 1", "Phase 2", "Funded", "Demo"}
    assert {row["status"] for row in accounts} == {"Active", "Inactive", "Breached", "Passed"}
    for row in accounts:
        name = row["account_id"]
        assert Decimal(row["current_balance"]) == max(Decimal(row["starting_balance"]) + net[name], Decimal(0))
        assert logins.get(name, row["login"]) == row["login"]
        assert row["created_at"] <= first.get(name, "9")
        assert row["created_at"] <= row["updated_at"] <= row["ingestion_timestamp"] == "2024-03-01 00:00:00"
        assert Decimal(plans[row["plan_id"]]["starting_balance"]) == Decimal(row["starting_balance"])
        assert row["breached"] == ("1" if row["status"] == "Breached" else "0")
        assert row["is_drawdown_relative"] in ("true", "false")


def test_corrections_are_newer_versions_of_trades_and_some_move(folder: Path, trades: list[Row]) -> None:
    before = {row["trade_id"]: row for row in trades}
    corrections = rows_of(folder / "corrections")
    assert len(corrections) == len({row["trade_id"] for row in corrections}) == 300
    for row in corrections:
        old = before[row["trade_id"]]
        assert row["account_id"] == old["account_id"]
        assert row["ingestion_timestamp"] > old["ingestion_timestamp"]
        assert row["commission"] != old["commission"]
        assert date(2024, 1, 1) <= date.fromisoformat(row["trade_date"]) <= date(2024, 2, 29)
    moved = [row for row in corrections if row["trade_date"] != before[row["trade_id"]]["trade_date"]]
    assert 30 < len(moved) < 150
    changed = [row for row in corrections if row["profit"] != before[row["trade_id"]]["profit"]]
    assert len(changed) > 250


def test_late_trades_are_new_and_arrive_a_week_after_their_close(folder: Path, trades: list[Row]) -> None:
    late = rows_of(folder / "late")
    assert len(late) == 200
    assert not {row["trade_id"] for row in late} & {row["trade_id"] for row in trades}
    for row in late:
        assert moment(row["ingestion_timestamp"]) - moment(row["close_time"]) >= timedelta(days=7)
