"""Backups of the warehouse and of Dagster's own database, and their restore."""
