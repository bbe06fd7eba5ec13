"""Partitioned trades and metrics, the ledger of loads, the change log."""

from alembic import op

from dpm_assets.database import run_file
from dpm_assets.schema.apply import act_as_owner
from dpm_assets.schema.frozen import PARTITIONING
from dpm_assets.schema.offline import drop, made_by, run_migration
from dpm_assets.schema.revisions import driver
from dpm_assets.settings import sql_dir

revision = "001"
down_revision = "000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_migration(driver(op), PARTITIONING)
    act_as_owner(driver(op))


def downgrade() -> None:
    """Back to the original, with every row; refused while months are archived. The ledger of loads, with its quarantine, goes."""
    run_migration(driver(op), "parts/back_begin.sql")
    drop(driver(op), made_by(PARTITIONING))
    run_migration(driver(op), "parts/back_aside.sql")
    run_migration(driver(op), "parts/back_in_place.sql")
    run_file(driver(op), sql_dir() / "schema_baseline.sql")
    run_migration(driver(op), "parts/back_rows.sql")
