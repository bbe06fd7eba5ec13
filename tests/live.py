"""The live views against the oracle: they have to equal it at any moment, whatever is pending."""

from psycopg import sql

from dpm_assets.refresh.engine import VIEWS
from dpm_assets.settings import sql_dir
from tests.interleaving import Connection

_DIFFERENCES = """
with expected as materialized (select * from ({oracle}) as o), found as materialized (table prop_trading_model.{view})
select 'missing', missing::text from (table expected except all table found) as missing
union all
select 'surplus', surplus::text from (table found except all table expected) as surplus
"""


def live_differences(conn: Connection) -> list[str]:
    """What the live views lack to equal the oracle, each in one snapshot."""
    found = []
    for name in VIEWS:
        live = name.replace("mv_", "live_", 1)
        oracle = (sql_dir() / "oracle" / f"{name}.sql").read_text(encoding="utf-8")
        query = sql.SQL(_DIFFERENCES).format(oracle=sql.SQL(oracle), view=sql.Identifier(live))
        found += [f"Difference in {live}: {kind} {row}" for kind, row in conn.execute(query)]
    return found
