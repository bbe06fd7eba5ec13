"""A PostgreSQL trades warehouse for the Daily Profit Model of proprietary-trading firms, operated by Dagster."""
