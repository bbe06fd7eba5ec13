"""The warehouse: partitioned trades and metrics, change log, rollups, views."""

from typing import Any

import psycopg
from alembic import op

from dpm_assets.database import run_file
from dpm_assets.errors import DpmError
from dpm_assets.schema.apply import act_as_owner, refuse_baseline
from dpm_assets.settings import sql_dir

revision = "001"
down_revision = None
branch_labels = None
depends_on = None

# Views before tables before functions: each may be used by what comes before it.
_DROP_ALL = """
select statement from (
    select 1, format('drop materialized view if exists %s cascade', c.oid::regclass) from pg_class as c
    where c.relnamespace = 'prop_trading_model'::regnamespace and c.relkind = 'm'
    union all
    select 2, format('drop view if exists %s cascade', c.oid::regclass) from pg_class as c
    where c.relnamespace = 'prop_trading_model'::regnamespace and c.relkind = 'v'
    union all
    select 3, format('drop table if exists %s cascade', c.oid::regclass) from pg_class as c
    where c.relnamespace = 'prop_trading_model'::regnamespace and c.relkind in ('r', 'p')
        and not c.relispartition and c.relname <> 'alembic_version'
    union all
    select 4, format('drop routine if exists %s cascade', p.oid::regprocedure) from pg_proc as p
    where p.pronamespace = 'prop_trading_model'::regnamespace
) as drops (place, statement)
order by place
"""


# A file of the archive is worth nothing to a database that does not know of it.
_ANY_TRADE = """
select from prop_trading_model.raw_trades_closed union all select from prop_trading_model.cold_files limit 1
"""


def _driver() -> psycopg.Connection[Any]:
    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def upgrade() -> None:
    """Make every object of sql/schema.sql; refuses a database that holds the unpartitioned original."""
    refuse_baseline(_driver())
    run_file(_driver(), sql_dir() / "schema.sql")
    act_as_owner(_driver())


def downgrade() -> None:
    """Remove every object except the version table; refused while there are trades, so that none is lost."""
    if _driver().execute(_ANY_TRADE).fetchone() is not None:
        raise DpmError(
            "raw_trades_closed holds trades: this downgrade would lose them. Take a dump and empty it first."
        )
    for (statement,) in _driver().execute(_DROP_ALL).fetchall():
        _driver().execute(statement)
