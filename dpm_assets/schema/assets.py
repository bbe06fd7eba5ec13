"""The asset `database_schema`. It has no months because a schema has none."""

import time

import dagster as dg

from dpm_assets.schema.apply import apply_schema, status
from dpm_assets.warehouse import Warehouse


@dg.asset(
    group_name="schema",
    kinds={"postgres", "sql"},
    metadata={"dagster/table_name": "prop_trading_model"},
    description=(
        "Every table, function, trigger, role and view of the warehouse, from sql/schema.sql. Applied only when the files "
        "differ from what the database has; applying again changes nothing."
    ),
)
def database_schema(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[None]:
    began = time.monotonic()
    applied = apply_schema(warehouse.db.url)
    found = status(warehouse.db)
    with warehouse.db.connection() as conn:
        counted = conn.execute(
            "select count(*) filter (where relkind in ('r', 'p') and not relispartition),"
            " count(*) filter (where relispartition and relkind = 'r'), count(*) filter (where relkind = 'm')"
            " from pg_class where relnamespace = 'prop_trading_model'::regnamespace"
        ).fetchone()
    assert counted is not None
    return dg.MaterializeResult(
        metadata={
            "applied": applied,
            "revision": found.revision or "",
            "files": found.digest or "",
            "tables": counted[0],
            "partitions": counted[1],
            "materialized_views": counted[2],
            "seconds": round(time.monotonic() - began, 3),
        }
    )
