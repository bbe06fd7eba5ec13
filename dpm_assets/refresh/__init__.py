"""Keeping rollups and materialized views equal to the trades they summarize."""
