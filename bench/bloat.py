"""What refreshing leaves behind: `python -m bench.bloat [--trades 200000] [--refreshes 1000] [--psql]`.

Makes a warehouse on a server with the embedded server's settings (autovacuum among them), changes some trades of 20
account-days and refreshes, again and again, and prints the size of every rollup and view, indexes included, against its
size when it is written anew (VACUUM FULL). Exits with 1 if one of them is larger than 1.5 times that. The refreshes are
those of `dpm refresh`, which vacuums what is worn; with --psql they are `call refresh_warehouse()`, and autovacuum is alone.
"""

import argparse
import sys
import time

import psycopg
from psycopg import sql

from bench.warehouses import loaded_warehouse
from dpm_assets.database import Database
from dpm_assets.refresh import engine

LARGEST = 1.5
CHANGE = """
update raw_trades_closed as t set profit = coalesce(t.profit, 0) + 0.01
from (
    select account_id, trade_date from rollup_account_symbol_day
    where trade_date = as_of_date() - %(number)s %% 25
    group by account_id, trade_date order by md5(account_id || %(number)s) limit 20
) as k
where t.account_id = k.account_id and t.trade_date = k.trade_date and t.trade_date = as_of_date() - %(number)s %% 25
"""
SIZES = """
select c.relname::text, sum(pg_relation_size(part.relid) + indexes.bytes)::bigint
from pg_class as c
cross join lateral (
    select relid from pg_partition_tree(c.oid) where isleaf union select c.oid
) as part (relid)
cross join lateral (
    select coalesce(sum(pg_relation_size(indexrelid)), 0) as bytes from pg_index where indrelid = part.relid
) as indexes
where c.relnamespace = 'prop_trading_model'::regnamespace and c.relname::text = any (%s)
group by c.relname
"""


def sizes(conn: psycopg.Connection) -> dict[str, int]:
    """Bytes of every rollup (all of its partitions) and view with indexes, without the maps of free space (32 kB each)."""
    return dict(conn.execute(SIZES, [[*engine.ROLLUPS, *engine.VIEWS]]).fetchall())


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--trades", type=int, default=200_000)
    asked.add_argument("--months", type=int, default=3)
    asked.add_argument("--refreshes", type=int, default=1_000)
    asked.add_argument("--psql", action="store_true", help="refresh by SQL alone: only autovacuum vacuums")
    options = asked.parse_args()
    with (
        loaded_warehouse(options.trades, options.months) as url,
        psycopg.connect(url, autocommit=True) as conn,
        Database(url, application_name="bloat") as db,
    ):
        began = time.monotonic()
        for number in range(options.refreshes):
            conn.execute(CHANGE, {"number": number})
            if options.psql:
                conn.execute("call refresh_warehouse()")
            else:
                list(engine.refresh(db))
        print(f"{options.refreshes:,} refreshes in {time.monotonic() - began:.0f} s")
        worn = sizes(conn)
        for name in worn:
            conn.execute(sql.SQL("vacuum full {}").format(sql.Identifier(name)))
        fresh = sizes(conn)
    too_large = 0
    for name in (*engine.ROLLUPS, *engine.VIEWS):
        ratio = worn[name] / fresh[name]
        too_large += ratio > LARGEST
        print(f"{name:<32} {worn[name] / 1024:>10,.0f} kB, fresh {fresh[name] / 1024:>10,.0f} kB: {ratio:.2f} x")
    sys.exit(f"{too_large} of them are larger than {LARGEST} x their fresh size" if too_large else 0)


if __name__ == "__main__":
    main()
