"""What the trades of a system take on disk, by kind."""

from typing import Any

from dpm_assets.bench.systems import Connection

# Accounts, plans and what else is the same everywhere is left out; free space maps and the like count with the heap.
_SIZES = """
select
    case
        when c.relname like 'raw\\_trades\\_closed%' then 'trades'
        when c.relkind = 'm' then 'views'
        when c.relname like 'rollup\\_%' then 'rollups'
        else 'bookkeeping'
    end as kind,
    sum(pg_table_size(c.oid))::bigint as heap, sum(pg_indexes_size(c.oid))::bigint as indexes
from pg_class as c
where c.relnamespace = 'prop_trading_model'::regnamespace and c.relkind in ('r', 'm')
    and c.relname !~ '^(raw_(?!trades_closed)|stg_|feature_|model_|pipeline_|query_)'
group by 1
"""


def storage(conn: Connection, trades: int) -> dict[str, Any]:
    """Bytes by kind: trades, rollups, views (each heap and indexes), bookkeeping; total, and its share of each of `trades`."""
    sizes = {kind: {"heap": heap, "indexes": indexes} for kind, heap, indexes in conn.execute(_SIZES).fetchall()}
    total = sum(part["heap"] + part["indexes"] for part in sizes.values())
    return {"kinds": sizes, "bytes": total, "trades": trades, "bytes_a_trade": round(total / trades, 1)}
