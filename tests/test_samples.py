"""Samples: the same bytes for the same arguments, exact counts, rows that pass every check of the warehouse."""

import csv
import errno
import os
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from dpm_assets.errors import DpmError
from dpm_assets.samples import SampleSummary, write_sample
from dpm_assets.samples import slices as slicing
from dpm_assets.samples.commands import sample as sample_command
from dpm_assets.samples.files import CsvFile
from dpm_assets.samples.symbols import INSTRUMENTS

Row = dict[str, str]

TRADES = 30_000
START = date(2024, 1, 1)
COLUMNS = (
    "trade_id,account_id,login,symbol,std_symbol,side,open_time,close_time,trade_date,open_price,close_price,stop_loss,"
    "take_profit,lots,volume_usd,profit,commission,swap,ingestion_timestamp,source_api_endpoint"
)


def rows_of(folder: Path) -> list[Row]:
    found: list[Row] = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            found += csv.DictReader(file)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")


def decimals(text: str) -> int:
    return len(text.partition(".")[2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    write_sample(out, trades=TRADES, months=2, start=START, seed=1, corrections=300, late=200)
    return out


@pytest.fixture(scope="module")
def trades(folder: Path) -> list[Row]:
    return rows_of(folder / "trades")


def test_the_same_arguments_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, trades=TRADES, months=2, start=START, seed=1, corrections=300, late=200)
    assert contents(tmp_path) == contents(folder)


def test_the_bytes_are_the_same_on_every_machine(tmp_path: Path) -> None:
    """The digest changes only with the sample's own rules; elsewhere it must be what it is here."""
    write_sample(tmp_path, trades=20_000, months=3, seed=7, accounts=900, corrections=100, late=100)
    digest = sha256(b"".join(text for _, text in sorted(contents(tmp_path).items()))).hexdigest()
    assert digest == "db0cfec7ca245fc6bc709dab0525b32c36dcdb99a5a97e68e302b50c70f21328"


def test_corrections_and_late_trades_leave_the_trades_themselves_alone(folder: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, trades=TRADES, months=2, start=START, seed=1)
    plain = contents(tmp_path)
    assert set(contents(folder)) - set(plain) == {"corrections/corrections_2024-01.csv", "late/late_2024-01.csv"}
    assert plain.items() <= contents(folder).items()


@pytest.mark.parametrize(("wanted", "months"), [(1, 1), (1, 12), (7, 1), (1_000, 3), (12_345, 2)])
def test_there_are_exactly_as_many_trades_as_asked_for(tmp_path: Path, wanted: int, months: int) -> None:
    told: list[int] = []
    summary = write_sample(tmp_path, trades=wanted, months=months, progress=told.append)
    rows = rows_of(tmp_path / "trades")
    assert len(rows) == len({row["trade_id"] for row in rows}) == wanted
    assert summary.trades == told[-1] == wanted
    assert summary.files == len(contents(tmp_path))
    assert summary.accounts == len(rows_of(tmp_path / "accounts"))
    assert summary.plans == len(rows_of(tmp_path / "plans")) == 12


def test_a_day_larger_than_a_slice_is_whole_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicing, "SLICE_ROWS", 700)
    write_sample(tmp_path, trades=40_000, months=1, accounts=300)
    rows = rows_of(tmp_path / "trades")
    assert len({row["trade_id"] for row in rows}) == 40_000
    closes = [row["close_time"] for row in rows]
    assert closes == sorted(closes)


def test_a_large_month_is_cut_into_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpm_assets.samples.writing.FILE_ROWS", 1_500)
    monkeypatch.setattr(slicing, "SLICE_ROWS", 1_000)
    write_sample(tmp_path, trades=5_000, months=1)
    names = sorted(path.name for path in (tmp_path / "trades").iterdir())
    assert names == ["trades_2024-01.csv", "trades_2024-01_002.csv", "trades_2024-01_003.csv"]
    assert len(rows_of(tmp_path / "trades")) == 5_000


def test_files_are_by_month_in_order_of_close_under_the_columns_names(folder: Path, trades: list[Row]) -> None:
    assert sorted(path.name for path in (folder / "trades").iterdir()) == ["trades_2024-01.csv", "trades_2024-02.csv"]
    for path in (folder / "trades").iterdir():
        heading, *lines = path.read_text().splitlines()
        assert heading == COLUMNS
        assert {line.split(",")[8][:7] for line in lines} == {path.stem.removeprefix("trades_")}
    closes = [row["close_time"] for row in trades]
    assert closes == sorted(closes)


def test_ids_of_two_seeds_never_meet(folder: Path, trades: list[Row], tmp_path: Path) -> None:
    write_sample(tmp_path, trades=5_000, months=2, start=START, seed=2, late=500)
    others = rows_of(tmp_path / "trades") + rows_of(tmp_path / "late")
    assert not {row["trade_id"] for row in others} & {row["trade_id"] for row in trades}
    ours = {row["account_id"] for row in rows_of(folder / "accounts")}
    assert not {row["account_id"] for row in rows_of(tmp_path / "accounts")} & ours


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


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"trades": 0}, "at least 1"),
        ({"months": 0}, "at least 1"),
        ({"seed": -1}, "Choose one from 0"),
        ({"seed": 10**6}, "Choose one from 0"),
        ({"accounts": 0}, "Ask for 1 to"),
        ({"corrections": 101}, "Ask for 0 to 100"),
        ({"late": -1}, "0 or more"),
        ({"start": date(1960, 1, 1)}, "years 1971"),
        ({"months": 2_000}, "years 1971"),
        ({"trades": 900_000_000, "months": 1}, "Ask for more months"),
    ],
)
def test_arguments_out_of_range_are_refused_with_the_remedy(tmp_path: Path, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(DpmError, match=says):
        write_sample(tmp_path / "out", **{"trades": 100, "months": 1, **wrong})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["trades/mine.csv", "accounts/a.csv.part", "notes.txt"])
def test_a_folder_that_holds_files_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(DpmError, match=r"holds files already .*new or empty folder"):
        write_sample(tmp_path, trades=10, months=1)
    assert contents(tmp_path) == {name: b"mine"}


def test_empty_feed_folders_are_welcome(tmp_path: Path) -> None:
    (tmp_path / "trades").mkdir()
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "other.csv").write_text("another feed")
    assert isinstance(write_sample(tmp_path, trades=10, months=1), SampleSummary)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(DpmError, match=r"cannot be written to .*out.*Name a folder"):
        write_sample(tmp_path / "out", trades=10, months=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DpmError, match="Name a folder that you may write to"):
        write_sample(tmp_path / "out", trades=10, months=1)


def fail_after(monkeypatch: pytest.MonkeyPatch, writes: int, error: BaseException) -> None:
    write = CsvFile.write
    left = [writes]

    def failing(self: CsvFile, heading: bytes, text: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise error
        write(self, heading, text)

    monkeypatch.setattr(CsvFile, "write", failing)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_after(monkeypatch, 2, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(DpmError, match=r"No space is left .* fewer trades"):
        write_sample(tmp_path, trades=1_000, months=3)
    assert contents(tmp_path) == {}


def test_an_interrupted_sample_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_after(monkeypatch, 2, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, trades=1_000, months=3)
    assert contents(tmp_path) == {}


def test_the_command_writes_a_sample_and_says_what_it_wrote(tmp_path: Path) -> None:
    app = Typer()
    app.command()(sample_command)
    options = ["--trades", "500", "--months", "2", "--start", "2023-11", "--seed", "3", "--accounts", "40"]
    result = CliRunner().invoke(app, [*options, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "500 trades, 40 accounts and 12 plans in 4 files" in result.output
    assert {row["trade_date"][:7] for row in rows_of(tmp_path / "out" / "trades")} == {"2023-11", "2023-12"}
    bad = CliRunner().invoke(app, ["--start", "2023-13", "--out", str(tmp_path / "bad")])
    assert isinstance(bad.exception, DpmError)
    assert "2023-13" in str(bad.exception)
