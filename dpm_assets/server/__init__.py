"""The embedded PostgreSQL: find binaries, init, start, stop."""

from dpm_assets.server.embedded import EmbeddedServer

__all__ = ["EmbeddedServer"]
