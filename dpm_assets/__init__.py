"""A PostgreSQL trades warehouse for the Daily Profit Model of proprietary-trading firms, operated by Dagster."""

import warnings

# The pinned Dagster says at every import that backfill and freshness policies may still change; the pin is the answer.
warnings.filterwarnings("ignore", message=r".*is currently in (beta|preview)")
