"""A year of daily metrics into the archive and back: `python -m bench.cold_years [--rows 2500000]`.

Makes a warehouse whose last whole year holds so many rows of metrics (10,000 accounts, as many days each; balances that follow
from the days' results), archives and restores it with `dpm`, in processes of their own, and measures time, peak memory and the
size of the file against the partition. Then one account is read from the file. The sample has no metrics, so it makes its own.
"""

import argparse
import tempfile
import time
from datetime import date
from pathlib import Path

import psycopg

from bench.cold import Figures, dpm
from bench.scratch import fresh_database, server_url
from dpm_assets.calendar import today
from dpm_assets.database import Database
from dpm_assets.partitions.cold.reading import read_metrics

ACCOUNTS = 10_000

_ROWS = """
insert into raw_metrics_daily (
    account_id, login, date, net_profit, gross_profit, gross_loss, total_trades, winning_trades, losing_trades, win_rate,
    profit_factor, lots_traded, volume_traded, commission, swap, balance_start, balance_end, equity_start, equity_end,
    ingestion_timestamp, source_api_endpoint, load_batch_id
)
select lpad(to_hex(account * 2654435761 %% 4294967296), 32, '0'), (100000 + account)::text, day,
    gain + loss - 0.7 * trades, gain, loss, trades, wins, trades - wins, round(100.0 * wins / trades, 2),
    case when loss < 0 then round(gain / -loss, 2) end, round((trades * lot)::numeric, 2),
    round((trades * lot * 104321)::numeric, 2),
    -0.7 * trades, case when trades %% 4 = 0 then round((-random())::numeric, 2) else 0 end,
    before, before + gain + loss - 0.7 * trades, before,
    before + gain + loss - 0.7 * trades + round((random() * 20 - 10)::numeric, 2),
    day + 1 + interval '1 hour', '/v2/metrics/daily', extract(doy from day)
from (
    select *, 10000 + coalesce(sum(gain + loss - 0.7 * trades) over (
        partition by account order by day rows between unbounded preceding and 1 preceding), 0) as before
    from (
        select account, day, trades, wins, (0.01 + account %% 50 * 0.02) as lot,
            round((wins * random() * 80)::numeric, 2) as gain, round(-((trades - wins) * random() * 75)::numeric, 2) as loss
        from (
            select account, day, trades, (random() * trades)::integer as wins
            from generate_series(1, %(accounts)s) as account
            cross join lateral (
                select (%(first)s::date + n)::date as day, 1 + (random() * random() * 20)::integer as trades
                from generate_series(0, %(days)s - 1) as n
            ) as days
        ) as counted
    ) as results
) as made
order by day, random()
"""


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rows", type=int, default=2_500_000)
    options = asked.parse_args()
    year = today().year - 1
    found = Figures()
    with (
        server_url(None) as server,
        fresh_database(server) as url,
        tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder,
        psycopg.connect(url, autocommit=True) as conn,
        Database(url, application_name="bench") as db,
    ):
        conn.execute("select ensure_metrics_years(%s)", [[year]])
        values = {"accounts": ACCOUNTS, "first": date(year, 1, 1), "days": options.rows // ACCOUNTS}
        conn.execute(_ROWS, values)
        conn.execute("vacuum (analyze) raw_metrics_daily")
        found["archive"], found["peak"] = dpm(url, Path(folder), "partitions", "archive", str(year))
        share = conn.execute("select 100.0 * bytes / partition_bytes, 1.0 * bytes / rows from cold_files").fetchone()
        found["share"], found["bytes a row"] = map(float, share or (100, 0))
        account = "".join(conn.execute("select lpad(to_hex(77 * 2654435761 % 4294967296), 32, '0')").fetchone() or ())
        read_metrics("nobody", db=db)
        began = time.perf_counter()
        rows = read_metrics(account, db=db).num_rows
        found["read"] = time.perf_counter() - began
        found["restore"], found["peak of a restore"] = dpm(url, Path(folder), "partitions", "restore", str(year))
        print(f"the account read has {rows} rows of {options.rows:,}")


if __name__ == "__main__":
    main()
