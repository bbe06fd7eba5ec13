"""The refresh, the materialized views, the live views."""

from alembic import op

from dpm_assets.schema.apply import act_as_owner
from dpm_assets.schema.frozen import MATERIALIZED_VIEWS, PARTITIONING
from dpm_assets.schema.offline import drop, made_by, run_migration
from dpm_assets.schema.revisions import driver

revision = "002"
down_revision = "001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_migration(driver(op), MATERIALIZED_VIEWS)
    act_as_owner(driver(op))


def downgrade() -> None:
    """Remove what shows and refreshes; the rollups stay, and the change log goes on telling what they do not hold."""
    drop(driver(op), made_by(MATERIALIZED_VIEWS).without(made_by(PARTITIONING)))
