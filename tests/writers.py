"""What writers do to the warehouse of the stage: each by name, with the trace that it has to leave for the refresh."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tests.history import set_today
from tests.interleaving import Connection, session
from tests.stage import SPARE, TODAY, Stage

Trace = Literal["keys", "months", "inputs", "leaves", "none"]
COLUMNS = "(trade_id, account_id, login, trade_date, profit)"
FEBRUARY_LEAF = "raw_trades_closed_2024_02"
A1 = "account_id = 'a1' and trade_date = '2024-02-05'"


@dataclass(frozen=True)
class Writer:
    """Statements of one transaction (or, not `in_transaction`, on their own), and where their change has to be noted.

    `waits`: takes a lock that conflicts with reading, so it may have to wait for a refresh that has read the rows.
    `must_wait`: another refresh, which waits for the first in any case.
    """

    name: str
    write: str | Callable[[Stage, Connection], None]
    trace: Trace = "keys"
    in_transaction: bool = True
    level: str = "read committed"
    two_phase: bool = False
    rolls_back: bool = False
    waits: bool = False
    must_wait: bool = False

    def run(self, stage: Stage) -> None:
        """Its statements, without beginning or ending their transaction."""
        if callable(self.write):
            self.write(stage, stage.writer)
        else:
            stage.writer.execute(self.write.encode())


def _copy(stage: Stage, conn: Connection) -> None:
    with conn.cursor().copy(f"copy raw_trades_closed {COLUMNS} from stdin") as copy:
        copy.write_row(["c1", "a2", "l", "2024-02-14", "17.25"])
        copy.write_row(["c2", "a6", "l", "2024-01-10", "-3"])


def _let_midnight_pass(stage: Stage, conn: Connection) -> None:
    set_today(conn, TODAY + timedelta(days=1))


def _leave_a_detach_pending(stage: Stage, conn: Connection) -> None:
    """A concurrent detach waits for whoever reads the table; one that is given up there stays half done."""
    with session(stage.url) as reader:
        reader.execute("select count(*) from raw_trades_closed")
        detached = stage.send_off(conn, f"alter table raw_trades_closed detach partition {FEBRUARY_LEAF} concurrently")
        while not detached.done() and not stage.blocked(conn, by=reader):
            pass
        stage.observer.execute("select pg_cancel_backend(%s)", [conn.info.backend_pid])
        assert detached.exception(20), "the detach was not left pending"


INSERT = Writer("an insert", f"insert into raw_trades_closed {COLUMNS} values ('n1', 'a1', 'l', '2024-02-05', 40)")
UPDATE = Writer("an update of a measure", f"update raw_trades_closed set profit = profit * 2 + 1 where {A1}")
MOVE = Writer("a move to another month", f"update raw_trades_closed set trade_date = '2024-03-09' where {A1}")
DELETE = Writer("a delete", f"delete from raw_trades_closed where {A1}")
COPY = Writer("a copy", _copy)
MERGE = Writer(
    "a merge",
    "merge into raw_trades_closed as t using (values ('a1', date '2024-02-05', 'm1'), ('a2', '2024-03-08', 'm2')) as i"
    " (account_id, trade_date, trade_id) on t.account_id = i.account_id and t.trade_date = i.trade_date"
    " when matched and i.account_id = 'a1' then delete when matched then update set profit = -1"
    f" when not matched then insert {COLUMNS} values (i.trade_id, i.account_id, 'l', i.trade_date, 1)",
)
NEWEST_DAY_GOES = Writer("the newest day going", "delete from raw_trades_closed where trade_date = '2024-03-15'")
TRUNCATE_LEAF = Writer("a truncate of a leaf", f"truncate {FEBRUARY_LEAF}", "months", waits=True)
TRUNCATE_PARENT = Writer("a truncate of the parent", "truncate raw_trades_closed", "months", waits=True)
ACCOUNTS = Writer(
    "a load of accounts",
    "insert into raw_accounts_data (account_id, login, starting_balance, current_balance)"
    " values ('a1', 'new', 1000, 1300), ('a7', 'l7', 5, 4)",
    "inputs",
)
PLANS = Writer("a load of plans", "insert into raw_plans_data (plan_id, plan_name) values ('p1', 'Other')", "inputs")
REGIME_CORRECTED = Writer(
    "a regime corrected",
    """insert into raw_regimes_daily (date, summary) values ('2024-02-05', '{"market_sentiment": "fear"}')""",
    "inputs",
)
MIDNIGHT = Writer("midnight", _let_midnight_pass, "none")
ATTACH = Writer(
    "an attach",
    f"alter table raw_trades_closed attach partition {SPARE} for values from ('2023-05-01') to ('2023-06-01')",
    "leaves",
)
DETACH = Writer("a detach", f"alter table raw_trades_closed detach partition {FEBRUARY_LEAF}", "leaves", waits=True)
DETACH_CONCURRENTLY = Writer(
    "a concurrent detach",
    f"alter table raw_trades_closed detach partition {FEBRUARY_LEAF} concurrently",
    "leaves",
    in_transaction=False,
    waits=True,
)
DETACH_PENDING = Writer("a detach left pending", _leave_a_detach_pending, "leaves", in_transaction=False)
DROP = Writer("a drop of a leaf", f"drop table {FEBRUARY_LEAF}", "leaves", waits=True)
REWRITE = Writer("a rewrite of a leaf", f"vacuum full {FEBRUARY_LEAF}", "leaves", in_transaction=False, waits=True)
TWO_PHASE = Writer("a prepared transaction", UPDATE.write, two_phase=True)
PLAYS_REPLICA = Writer("a writer that plays replica", f"set local session_replication_role = replica; {UPDATE.write}")
INTO_A_LEAF = (
    Writer("an insert into a leaf", f"insert into {FEBRUARY_LEAF} {COLUMNS} values ('n3', 'a2', 'l', '2024-02-05', 4)"),
    Writer("an update of a leaf", f"update {FEBRUARY_LEAF} set profit = 0 where {A1}"),
    Writer("a delete from a leaf", f"delete from {FEBRUARY_LEAF} where account_id = 'a1'"),
)

WRITERS = (
    INSERT,
    UPDATE,
    MOVE,
    DELETE,
    COPY,
    MERGE,
    NEWEST_DAY_GOES,
    Writer(
        "an insert of a new account and month",
        "create table theirs partition of raw_trades_closed for values from ('2023-07-01') to ('2023-08-01');"
        " alter table theirs owner to dpm_owner; alter table theirs rename to raw_trades_closed_2023_07;"
        f" insert into raw_trades_closed {COLUMNS} values ('n2', 'a8', 'l', '2023-07-07', -40)",
        waits=True,
    ),
    Writer("a move within the month", f"update raw_trades_closed set trade_date = '2024-02-06' where {A1}"),
    Writer("a change of the account", f"update raw_trades_closed set account_id = 'a3' || symbol where {A1}"),
    Writer("a change of the symbol", f"update raw_trades_closed set std_symbol = 'SILVER' where {A1}"),
    Writer(
        "an upsert",
        f"insert into raw_trades_closed {COLUMNS} select trade_id, account_id, login, trade_date, 9"
        f" from raw_trades_closed where {A1}"
        " on conflict (account_id, trade_date, trade_id) do update set profit = excluded.profit, login = 'again'",
    ),
    *INTO_A_LEAF,
    Writer("an update of everything", "update raw_trades_closed set commission = coalesce(commission, 0) - 1"),
    TRUNCATE_LEAF,
    TRUNCATE_PARENT,
    ATTACH,
    DETACH,
    DETACH_CONCURRENTLY,
    DETACH_PENDING,
    DROP,
    REWRITE,
    Writer("a rollback", DELETE.write, "none", rolls_back=True),
    Writer(
        "a rollback to a savepoint",
        f"savepoint s; delete from raw_trades_closed where account_id = 'a2'; rollback to s; {DELETE.write}",
    ),
    TWO_PHASE,
    PLAYS_REPLICA,
    Writer("a writer at repeatable read", UPDATE.write, level="repeatable read"),
    Writer("a writer at serializable", UPDATE.write, level="serializable"),
    ACCOUNTS,
    PLANS,
    Writer(
        "a regime inserted",
        """insert into raw_regimes_daily (date, summary) values ('2024-03-09', '{"liquidity_state": "thin"}')""",
        "inputs",
    ),
    REGIME_CORRECTED,
    Writer("an account deleted", "delete from raw_accounts_data where account_id = 'a1'", "inputs"),
    MIDNIGHT,
)

# Another refresh, with a change before it: it may not begin before the first has ended.
SECOND_REFRESH = Writer(
    "a second refresh", "call refresh_warehouse()", "none", in_transaction=False, must_wait=True, waits=True
)
SECOND_REBUILD = Writer(
    "a rebuild", "select rebuild_month('2024-02-01')", "none", in_transaction=False, must_wait=True, waits=True
)
SECOND_VIEWS = Writer(
    "a refresh of views", "select refresh_views()", "none", in_transaction=False, must_wait=True, waits=True
)
REFRESHES = (SECOND_REFRESH, SECOND_REBUILD, SECOND_VIEWS)
