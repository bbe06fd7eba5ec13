"""The whole service in the foreground: server, schema, Dagster's code server, daemon and UI."""
