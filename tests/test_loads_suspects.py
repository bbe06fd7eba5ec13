"""The search for the old copies of a load's trades finds every one and nothing else, whatever its filter lets through."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import Database
from dpm_assets.loads import chunks, old_copies, suspects
from dpm_assets.loads.load import load_file
from tests.trade_rows import many, rows, trade, value, write

pytestmark = pytest.mark.sql

KEYS = "select account_id, trade_id, trade_date::text from raw_trades_closed"
COUNT = 15_000


@pytest.fixture(autouse=True)
def no_file_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "FIRST_ROWS", 1)


def load_older(db: Database, tmp_path: Path, day: str) -> tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]]:
    """Older trades from 1 to 89 days before: those that a file of that day replaces, and those that stay, because they are too
    far away or of another account."""
    replaced: set[tuple[str, str, str]] = set()
    staying: set[tuple[str, str, str]] = set()
    lines = []
    for number in range(300):
        before = 1 + number % 89
        old = (date.fromisoformat(day) - timedelta(days=before)).isoformat()
        for account in (f"A{number % 100}", f"B{number}"):
            lines.append(trade(f"T{number}", old, account_id=account))
            among = replaced if account.startswith("A") and before <= 45 else staying
            among.add((account, f"T{number}", old))
    load_file(db, write(tmp_path / "older.csv", *lines))
    assert set(rows(db, KEYS)) == replaced | staying
    return replaced, staying


def everything_is_a_suspect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "_BITS_A_KEY", 0)


def too_many_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_copies, "LARGEST", 0)


def too_many_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_copies, "_FEW", 0)


def accounts_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trades of other accounts with the same trade_id have the same hash, as any two keys may."""

    def hash_of(row: str) -> sql.Composed:
        return sql.SQL("hashtextextended({}.trade_id, 0)").format(sql.SQL(row))

    monkeypatch.setattr(suspects, "hash_of", hash_of)
    monkeypatch.setattr(old_copies, "hash_of", hash_of)


@pytest.mark.parametrize(
    "search",
    [lambda _: None, everything_is_a_suspect, too_many_to_hold, too_many_to_name, accounts_do_not_count],
    ids=["as it is", "all pass", "joined", "not named", "hashes of two"],
)
@pytest.mark.parametrize("day", ["2025-03-20", "2025-04-01"], ids=["month there", "month that is not there"])
def test_exactly_the_old_copies_near_are_replaced(
    db: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    search: Callable[[pytest.MonkeyPatch], None],
    day: str,
) -> None:
    replaced, staying = load_older(db, tmp_path, day)
    search(monkeypatch)
    result = load_file(db, many(tmp_path / "new.csv", COUNT, day))
    assert (result.path_taken, result.rows_updated) == ("direct", len(replaced))
    new = {(f"A{number % 100}", f"T{number}", day) for number in range(COUNT)}
    assert set(rows(db, KEYS)) == new | staying
    kept = rows(db, "select key->>'account_id', key->>'trade_id', before->>'trade_date' from load_corrections")
    assert set(kept) == replaced


def test_an_old_copy_is_found_that_bears_the_number_of_the_load(db: Database, tmp_path: Path) -> None:
    """As one from another warehouse may, or one from an archive that is newer than the database after a recovery."""
    older = load_file(db, write(tmp_path / "older.csv", trade("T7", "2025-02-20", account_id="A7")))
    with db.connection(None) as conn:
        conn.execute("update raw_trades_closed set load_batch_id = %s", [older.batch_id + 1])
    result = load_file(db, many(tmp_path / "new.csv", COUNT))
    assert (result.batch_id, result.rows_updated) == (older.batch_id + 1, 1)
    assert rows(db, f"{KEYS} where trade_id = 'T7'") == [("A7", "T7", "2025-03-03")]


@pytest.mark.parametrize("full_history", [False, True])
def test_full_history_replaces_the_copies_far_away_too(db: Database, tmp_path: Path, full_history: bool) -> None:
    load_file(db, write(tmp_path / "older.csv", trade("T7", "2024-01-05", account_id="A7")))
    result = load_file(db, many(tmp_path / "new.csv", COUNT), full_history=full_history)
    assert (result.path_taken, result.rows_updated) == ("direct", int(full_history))
    assert value(db, "select count(*) from raw_trades_closed where trade_id = 'T7'") == 2 - full_history


def test_trades_whose_hashes_are_equal_are_merged_and_none_is_lost(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "hash_of", lambda row: sql.SQL("(length({}.trade_id))::bigint").format(sql.SQL(row)))
    result = load_file(db, many(tmp_path / "new.csv", COUNT))
    assert (result.path_taken, result.rows_inserted) == ("merged", COUNT)
    assert value(db, "select count(*) from raw_trades_closed") == COUNT


def test_the_filter_lets_all_of_the_loads_pass_and_one_in_forty_of_others() -> None:
    drawn = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 120_000, dtype=np.int64)
    own, others = drawn[:20_000], drawn[20_000:]
    places = 1 << (len(own) * suspects._BITS_A_KEY).bit_length()
    bits = np.unpackbits(np.frombuffer(suspects._filter(own, places), np.uint8), bitorder="little")

    def passing(hashes: suspects.Hashes) -> int:
        return int((bits[hashes & (places - 1)] & bits[(hashes >> 32) & (places - 1)]).sum())

    assert passing(own) == len(own)
    assert 0 < passing(others) < len(others) / 40


def test_a_server_that_logs_all_statements_logs_no_filter(db: Database, tmp_path: Path, database_url: str) -> None:
    """A filter of a month is megabytes, and slow statements are logged with their parameters."""
    load_older(db, tmp_path, "2025-04-01")
    sent: list[str] = []

    class Noting(psycopg.Cursor[tuple[Any, ...]]):
        def stream(self, query: Any, params: Any = None, **more: Any) -> Iterator[tuple[Any, ...]]:
            sent.append(str((query, params)))
            return super().stream(query, params, **more)

        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            sent.append(str((query, params)))
            return super().execute(query, params, **more)

    with psycopg.connect(database_url, cursor_factory=Noting) as conn:
        own = sql.SQL("from prop_trading_model.raw_trades_closed as n where true")
        others = sql.SQL("from prop_trading_model.raw_trades_closed as r where true")
        found = suspects.suspects(conn, own, others, {"first_id": 0})
    assert (found.repeated, len(found.hashes)) == (False, 600)
    assert any("get_bit" in each for each in sent)
    assert max(map(len, sent)) < len(suspects._filter(found.hashes, 1 << 14))
