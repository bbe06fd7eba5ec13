"""Setting up the schema and knowing which version of it a database has."""
