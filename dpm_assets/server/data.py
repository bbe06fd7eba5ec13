"""A data directory of the embedded server: made whole or not at all, and its settings."""

import shutil
from pathlib import Path

from dpm_assets.server.binaries import Binaries
from dpm_assets.server.logins import ADMINISTRATOR
from dpm_assets.server.places import ServerUser
from dpm_assets.server.programs import run
from dpm_assets.server.state import ServerState, passwords
from dpm_assets.server.tuning import has_statement_statistics, machine_cores, server_settings, settings_text
from dpm_assets.server.user_files import append_text, replace_file


def data_major(data: Path) -> int | None:
    """The major version that wrote a data directory."""
    try:
        return int((data / "PG_VERSION").read_text().split(".")[0])
    except (OSError, ValueError):
        return None


def make_data(found: Binaries, state: ServerState, user: ServerUser | None, home: Path) -> None:
    """initdb beside the data directory and a rename, so that a kill leaves none that is half made."""
    root = Path(state.root)
    making, password_file = root / "data.new", root / "initdb.password"
    shutil.rmtree(making, ignore_errors=True)
    locale = ["--locale=C.UTF-8"]
    if found.major >= 17:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    try:
        replace_file(password_file, passwords(home)[ADMINISTRATOR], user)
        run(
            [found.program("initdb"), "-D", str(making), "-U", ADMINISTRATOR, "-E", "UTF8", "--auth=scram-sha-256",
             f"--pwfile={password_file}", "--data-checksums", "--no-instructions", *locale],
            user,
            home / "initdb.log",
        )  # fmt: skip
        included = "\ninclude_if_exists = 'dpm.conf'\ninclude_if_exists = 'custom.conf'\n"
        append_text(making / "postgresql.conf", included, user)
        making.rename(state.data)
    finally:
        password_file.unlink(missing_ok=True)
        shutil.rmtree(making, ignore_errors=True)


def write_settings(state: ServerState, user: ServerUser | None, memory: int) -> None:
    """dpm.conf, fitted to the machine; what custom.conf beside it says goes before it."""
    statistics = has_statement_statistics(Path(state.binaries))
    free = shutil.disk_usage(state.data).free
    chosen = server_settings(
        state.port, state.major, memory=memory, cores=machine_cores(), has_statements=statistics, free=free
    )
    if (state.data / "recovery.signal").exists():
        chosen["hot_standby"] = "off"  # while the log is replayed: who connects finds what was restored, or nobody
    replace_file(state.data / "dpm.conf", settings_text(chosen), user)
