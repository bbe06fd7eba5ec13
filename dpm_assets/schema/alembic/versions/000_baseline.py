"""The unpartitioned original. A database that holds it, or what comes after it, is recognised: nothing is done but stamped."""

from alembic import op

from dpm_assets.database import SCHEMA, run_file
from dpm_assets.errors import DpmError
from dpm_assets.schema.offline import BASELINE_TABLES, any_row
from dpm_assets.schema.revisions import driver
from dpm_assets.settings import sql_dir

revision = "000"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    there = driver(op).execute("select to_regclass(%s) is not null", [f"{SCHEMA}.raw_trades_closed"]).fetchone()
    if there != (True,):
        run_file(driver(op), sql_dir() / "schema_baseline.sql")


def downgrade() -> None:
    """Remove the tables; refused while one of them has rows, so that none is lost."""
    if table := any_row(driver(op)):
        raise DpmError(f"{table} holds rows: this downgrade would lose them. Take a dump and empty the tables first.")
    driver(op).execute(f"drop table {', '.join(f'{SCHEMA}.{table}' for table in BASELINE_TABLES)}".encode())
