"""The stage of the permutations: a small warehouse that is put back before each, and the sessions that play on it."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import Any

import psycopg

from dpm_assets.database import Database
from tests.history import differences, set_today
from tests.interleaving import SECONDS, Connection
from tests.live import live_differences

TODAY = date(2024, 3, 15)
JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)
MONTHS = [JANUARY, FEBRUARY, MARCH]
SPARE = "raw_trades_closed_2023_05"
"""A month of trades that stands beside the table, to be attached."""

# Two symbols, four accounts, nine days: about the edges of the trailing windows, one of them after today. The commission
# is another one each time, so that the refresh has every number to change.
_TRADES = """
insert into raw_trades_closed
    (trade_id, account_id, login, symbol, side, open_time, close_time, trade_date, lots, volume_usd, profit, commission)
select 't' || row_number() over (), account, 'l' || right(account, 1), symbol, 'buy', day::timestamp,
    day + interval '90 min', day, 1.5, 1000, 3.25 * (extract(day from day) - 10) + length(symbol),
    (select -1 - count(*) from refresh_log)
from unnest(array['a1', 'a2', 'a3', 'a4']) as account
cross join unnest(array['EURUSD', 'GOLD']) as symbol
cross join unnest(array['2024-01-10', '2024-01-31', '2024-02-05', '2024-02-14', '2024-02-15', '2024-03-08', '2024-03-09',
    '2024-03-15', '2024-03-16']::date[]) as day
"""
_OTHERS = """
delete from raw_accounts_data;
delete from raw_plans_data;
delete from raw_regimes_daily;
insert into raw_accounts_data (account_id, login, plan_id, starting_balance, current_balance, ingestion_timestamp)
values ('a1', 's1', 'p1', 1000, 1100, '2024-01-01'), ('a9', 's9', 'p2', 1000, 900, '2024-01-01');
insert into raw_plans_data (plan_id, plan_name, ingestion_timestamp) values ('p1', 'Small', '2024-01-01');
insert into raw_regimes_daily (date, summary, ingestion_timestamp)
values ('2024-02-05', '{"market_sentiment": "calm"}', '2024-01-01'), ('2024-02-06', null, '2024-01-01');
"""
_SPARE_TRADES = f"""
create table {SPARE} (like raw_trades_closed including all);
alter table {SPARE} owner to dpm_owner;
insert into {SPARE} (trade_id, account_id, login, trade_date, profit)
values ('s1', 'a1', 'l1', '2023-05-05', 7), ('s2', 'a5', 'l5', '2023-05-06', -7);
"""
_LEAVES = """
select c.relname::text, i.inhparent is not null as attached, coalesce(i.inhdetachpending, false) as pending
from pg_class as c left join pg_inherits as i on i.inhrelid = c.oid
where c.relnamespace = 'prop_trading_model'::regnamespace and c.relkind = 'r' and c.relname ~ '^raw_trades_closed_20(23|24)'
"""


class Stage:
    """A warehouse on TODAY with its sessions: the refresher, a writer, an observer, and those that hold the others up."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.db = Database(url, application_name="stage")
        self.holder, self.second, self.refresher, self.writer, self.observer = (self._session() for _ in range(5))
        self._pool = ThreadPoolExecutor(4)
        set_today(self.observer, TODAY)
        self.observer.execute("select ensure_trade_months(%s)", [MONTHS])

    def _session(self) -> Connection:
        opened = psycopg.connect(self.url, autocommit=True, prepare_threshold=None)
        opened.execute("set lock_timeout = '10s'")
        return opened

    def close(self) -> None:
        """Ends the sessions, whatever they hold."""
        for conn in (self.holder, self.second, self.refresher, self.writer, self.observer):
            conn.close()
        self._pool.shutdown()
        self.db.close()

    def restore(self) -> None:
        """The same trades as ever, all of them pending: what the last permutation left is deleted, the rest written anew."""
        set_today(self.observer, TODAY)
        for leaf, attached, pending in self.observer.execute(_LEAVES).fetchall():
            if pending:
                self.observer.execute(f"alter table raw_trades_closed detach partition {leaf} finalize")
            if not attached or pending or leaf not in {f"raw_trades_closed_{month:%Y_%m}" for month in MONTHS}:
                self.observer.execute(f"drop table {leaf}")
        self.observer.execute("select ensure_trade_months(%s)", [MONTHS])
        with self.observer.transaction():
            self.observer.execute("delete from raw_trades_closed")
            self.observer.execute(_TRADES)
            self.observer.execute(_OTHERS)
            self.observer.execute(_SPARE_TRADES)

    def send_off(self, conn: Connection, statement: str) -> Future[Any]:
        """Runs a statement of a session beside the test; its result is the first row."""

        def run() -> Any:
            cursor = conn.execute(statement.encode())
            return cursor.fetchone() if cursor.description else None

        return self._pool.submit(run)

    def send_off_call(self, call: Callable[[], Any]) -> Future[Any]:
        return self._pool.submit(call)

    def blocked(self, conn: Connection, by: Connection) -> bool:
        """Whether a session waits for a lock of another (or behind one that does)."""
        row = self.observer.execute(
            "select %s = any (pg_blocking_pids(%s))", [by.info.backend_pid, conn.info.backend_pid]
        ).fetchone()
        return bool(row and row[0])

    def wait_until_blocked(self, conn: Connection, by: Connection, unless: Future[Any], where: str) -> None:
        """Returns once a session waits for another; an AssertionError if what it does ends before."""
        give_up = time.monotonic() + SECONDS
        while not self.blocked(conn, by):
            if unless.done():
                unless.result()
                raise AssertionError(f"it ended without ever standing {where}")
            assert time.monotonic() < give_up, f"it never stood {where}"
            time.sleep(0.002)

    def logged(self) -> dict[str, int]:
        """How many rows the logs of changed account-days, months and inputs hold, and how many months are pending."""
        row = self.observer.execute(
            "select (select count(*) from changed_account_days), (select count(*) from changed_months),"
            " (select count(*) from changed_inputs), (select cardinality(months) from pending_changes())"
        ).fetchone()
        assert row
        return dict(zip(("keys", "months", "inputs", "leaves"), row, strict=True))

    def settle(self) -> list[str]:
        """One more refresh; what is still pending then, and what does not equal the oracle: nothing, if all is well."""
        self.observer.execute("call refresh_warehouse()")
        left = self.observer.execute("select keys, months, inputs, views from pending_changes()").fetchone()
        if left != (0, [], [], []):
            return [f"still pending: {left}"]
        return differences(self.db)

    def settle_after_writes_to_leaves(self) -> list[str]:
        """The same once each leaf was written by its own name: whoever made it, it has its triggers by now."""
        for leaf, attached, pending in self.observer.execute(_LEAVES).fetchall():
            if attached and not pending:
                self.observer.execute(f"update {leaf} set profit = profit + 1")
        return self.settle()

    def live_differences(self) -> list[str]:
        """What the live views lack to equal the oracle: nothing, whatever is pending."""
        return live_differences(self.observer)
