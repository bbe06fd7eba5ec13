"""Which database this warehouse is in."""

from dpm_assets.errors import DpmError
from dpm_assets.server.embedded import EmbeddedServer
from dpm_assets.server.programs import forget_other_servers
from dpm_assets.settings import settings


def embedded_server() -> EmbeddedServer:
    """The embedded server of this warehouse's home, running or not; this process speaks to no other from now on."""
    forget_other_servers()
    return EmbeddedServer(settings().home, settings().pg_bin)


def warehouse_url(administrator: bool = False) -> str:
    """DPM_DATABASE_URL if it is set, else the embedded server's; as the service unless the administrator is asked for.

    Raises DpmError when the embedded server is not running.
    """
    own = settings().database_url
    if own is not None:
        return own.get_secret_value()
    server = embedded_server()
    if not server.running():
        raise DpmError(
            "The embedded server is not running. Start it with dpm server start (or the whole service with dpm up), "
            "or set DPM_DATABASE_URL to use a server of your own."
        )
    return server.url() if administrator else server.service_url()
