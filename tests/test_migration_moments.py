"""What happens in the last moment before a cutover and a rollback, between what is looked at and the lock on both tables."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.migration import swap
from dpm_assets.migration.following import LITTLE
from dpm_assets.migration.start import copy_everything
from dpm_assets.server import EmbeddedServer
from tests.baselines import application_url
from tests.interleaving import Connection, session
from tests.migrated import misplaced
from tests.migrating import migrating

pytestmark = pytest.mark.sql

T = "prop_trading_model.raw_trades_closed"
Way = Callable[..., None]
_WAYS: tuple[Way, ...] = (swap.cutover, swap.rollback)


@dataclass
class Migration:
    """A dirty baseline whose every month is copied, and a session in it."""

    db: Database
    conn: Connection

    def go(self, way: Way, **options: float) -> None:
        way(self.db, lambda _: None, **options)

    def bring_before(self, way: Way) -> None:
        """To where this way can be gone."""
        if way is swap.rollback:
            self.go(swap.cutover)

    def partitioned(self) -> bool:
        """Whether programs use the new tables."""
        query = f"select relkind = 'p' from pg_class where oid = '{T}'::regclass"
        return self.conn.execute(query.encode()).fetchone() == (True,)

    def insert(self, trade: str, account: str = "a1") -> None:
        self.conn.execute(
            f"insert into {T} (trade_id, account_id, login, trade_date) values (%s, %s, 'l', '2024-02-02')".encode(),
            [trade, account],
        )


@pytest.fixture
def migration(server: EmbeddedServer) -> Iterator[Migration]:
    with (
        migrating(server, "start", dirty=True) as url,
        Database(url, application_name="tests") as db,
        session(url, autocommit=True) as conn,
    ):
        yield Migration(db, conn)


class LastMoments:
    """Steps, each of which is done right before an attempt asks for its lock; `attempts` counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.attempts = 0
        self.steps: list[Callable[[], object]] = []
        lock = swap._lock

        def step_then_lock(*arguments: Any) -> float:
            self.attempts += 1
            if self.steps:
                self.steps.pop(0)()
            return lock(*arguments)

        monkeypatch.setattr(swap, "_lock", step_then_lock)


@pytest.fixture
def last_moments(monkeypatch: pytest.MonkeyPatch) -> LastMoments:
    return LastMoments(monkeypatch)


def rows(conn: Connection) -> list[tuple[object, ...]]:
    """Trades that stand in both tables or ought to."""
    return conn.execute(
        f"select id, account_id, trade_date, profit from {T} where account_id <> 'd1' order by id".encode()
    ).fetchall()


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("account_days", [LITTLE // 2, 5 * LITTLE])
def test_what_is_written_comes_along_under_the_lock_or_with_another_attempt(
    migration: Migration,
    last_moments: LastMoments,
    way: Way,
    account_days: int,
) -> None:
    migration.bring_before(way)

    def write() -> None:
        migration.conn.execute("begin isolation level repeatable read")  # which the log of either side is written for
        migration.conn.execute(
            f"update {T} as t set profit = 1234 from (select account_id, trade_date from {T} where account_id <> 'd1'"
            " group by 1, 2 limit %s) as k where (t.account_id, t.trade_date) = (k.account_id, k.trade_date)".encode(),
            [account_days],
        )
        migration.conn.execute("commit")
        written.extend(rows(migration.conn))

    written: list[tuple[object, ...]] = []
    last_moments.attempts, last_moments.steps = 0, [write]
    migration.go(way)
    assert rows(migration.conn) == written
    assert last_moments.attempts > (account_days > LITTLE)
    if way is swap.cutover:
        assert not misplaced(migration.conn)


# What is done in the last moment, and what is true afterwards when a trade of account 'after' is inserted.
_LATE = {
    "a view": (
        f"create view public.late as select account_id from {T}",
        "select count(*) = 1 from public.late where account_id = 'after'",
    ),
    "a view of a view": (
        "create view public.later as select account_id from public.trades",
        "select count(*) = 1 from public.later where account_id = 'after'",
    ),
    "another definition of a view": (
        f"create or replace view public.replaced as select account_id || '!' as account_id from {T}",
        "select count(*) = 1 from public.replaced where account_id = 'after!'",
    ),
    "a grant on a view": (
        "grant select on public.trades to trading_app",
        "select has_table_privilege('trading_app', 'public.trades', 'select')",
    ),
    "another body of a function": (
        "create or replace function public.counted() returns bigint language sql"
        f" begin atomic select -count(*) from {T} where account_id = 'after'; end",
        "select public.counted() = -1",
    ),
    "a grant": (
        f"grant truncate on {T} to trading_app",
        f"select has_table_privilege('trading_app', '{T}', 'truncate')",
    ),
    "a grant on a column": (
        f"grant references (profit) on {T} to trading_app",
        f"select has_column_privilege('trading_app', '{T}', 'profit', 'references')",
    ),
    "a grant on the sequence": (
        f"grant update on sequence {T}_id_seq to trading_app",
        f"select has_sequence_privilege('trading_app', pg_get_serial_sequence('{T}', 'id'), 'update')",
    ),
}
_BEFORE = (
    f"create view public.trades as select account_id::text from {T};"
    f" create view public.replaced as select account_id::text from {T};"
    f" create function public.counted() returns bigint language sql begin atomic select count(*) from {T}; end"
)


@pytest.mark.parametrize("what", _LATE)
def test_what_comes_to_hang_on_the_tables_comes_along(
    migration: Migration, last_moments: LastMoments, what: str
) -> None:
    made, works = _LATE[what]
    migration.conn.execute(_BEFORE.encode())
    last_moments.steps = [lambda: migration.conn.execute(made.encode())]
    migration.go(swap.cutover)
    assert not last_moments.steps
    migration.insert("x", "after")
    assert migration.conn.execute(works.encode()).fetchone() == (True,)


def test_what_comes_to_hang_on_the_tables_goes_back(migration: Migration, last_moments: LastMoments) -> None:
    migration.conn.execute(_BEFORE.encode())
    migration.go(swap.cutover)
    last_moments.steps = [lambda: [migration.conn.execute(made.encode()) for made, _ in _LATE.values()]]
    migration.go(swap.rollback)
    assert not last_moments.steps
    migration.insert("x", "after")
    failing = [
        what for what, (_, works) in _LATE.items() if migration.conn.execute(works.encode()).fetchone() != (True,)
    ]
    assert not failing


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize(
    ("made", "named"),
    [
        (f"alter table {T} add column desk text default 'fx'", "desk"),
        ("create publication late for table prop_trading_model.raw_trades_closed", "late"),
        (f"alter table {T} disable trigger migration_update", "of the migration's log"),
    ],
    ids=["a column", "a publication", "a log that ends"],
)
def test_what_cannot_come_along_stops_it(
    migration: Migration, last_moments: LastMoments, way: Way, made: str, named: str
) -> None:
    migration.bring_before(way)
    last_moments.steps = [lambda: migration.conn.execute(made.encode())]
    with pytest.raises(DpmError, match=named):
        migration.go(way)
    assert migration.partitioned() == (way is swap.rollback)


@pytest.mark.parametrize("way", _WAYS)
def test_a_transaction_that_would_miss_the_last_writes_by_its_snapshot_is_waited_for(
    migration: Migration, way: Way
) -> None:
    migration.bring_before(way)
    with session(application_url(migration.db.url)) as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select 1")
        seen = rows(migration.conn)
        migration.conn.execute(f"update {T} set profit = 1234 where account_id = 'a1'".encode())
        with pytest.raises(DpmError, match=r"began long ago go on: session \d+"):
            migration.go(way, patience=0.3)
        assert rows(reader) == seen
    migration.go(way)
    assert migration.partitioned() == (way is swap.cutover)


@pytest.mark.parametrize("way", _WAYS)
def test_an_attempt_that_takes_too_long_lets_go_of_the_tables_and_is_made_again(migration: Migration, way: Way) -> None:
    migration.bring_before(way)
    migration.conn.execute(
        "create sequence public.attempts; grant usage on sequence public.attempts to public;"
        " create function public.be_slow_once() returns trigger language plpgsql as $$ begin"
        " if nextval('public.attempts') = 1 then perform pg_sleep(5); end if; return null; end $$;"
        " create trigger be_slow_once after update on prop_trading_model_migration.state"
        " for each statement execute function public.be_slow_once()"
    )
    migration.go(way)
    row = migration.conn.execute("select last_value > 1 from public.attempts").fetchone()
    assert row == (True,)
    assert migration.partitioned() == (way is swap.cutover)


def test_a_month_that_is_not_verified_any_more_keeps_the_cutover_waiting(
    migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's verify has found it to differ since it was copied."""

    def copy_then_find_a_difference(*arguments: Any) -> None:
        copy_everything(*arguments)
        migration.conn.execute("select prop_trading_model_migration.reset_part('raw_trades_closed', '2024-02-01')")

    monkeypatch.setattr(swap, "copy_everything", copy_then_find_a_difference)
    with pytest.raises(DpmError, match="2024-02 of raw_trades_closed"):
        migration.go(swap.cutover)
    assert not migration.partitioned()


def test_a_partition_that_is_made_goes_back_with_what_was_written_straight_to_it(
    migration: Migration, last_moments: LastMoments
) -> None:
    def write() -> None:
        migration.conn.execute("select prop_trading_model.ensure_trade_months('{2025-07-01}')")
        migration.conn.execute(
            f"insert into {T}_2025_07 (trade_id, account_id, login, trade_date) values ('x', 'a1', 'l', '2025-07-09')".encode()
        )

    migration.go(swap.cutover)
    last_moments.steps = [write]
    migration.go(swap.rollback)
    assert migration.conn.execute(f"select trade_id from {T} where trade_date = '2025-07-09'".encode()).fetchall() == [
        ("x",)
    ]


def test_there_is_no_way_back_once_the_original_cannot_count_on(migration: Migration) -> None:
    migration.go(swap.cutover)
    migration.conn.execute(f"select setval('{T}_id_seq', 2147483646)".encode())
    migration.go(swap.rollback)
    migration.insert("the last")
    migration.go(swap.cutover)
    migration.insert("one more")
    with pytest.raises(DpmError, match="no way back"):
        migration.go(swap.rollback)
    assert migration.partitioned()
