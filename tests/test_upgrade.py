"""`dpm server upgrade`: PostgreSQL 15's data served by the newest, with nothing missing, killed wherever it may be."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dpm_assets.backup.restore import check
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.binaries import program_folders
from dpm_assets.server.upgrade import upgrade
from tests.backup_victims import upgrading
from tests.cold import trades_read
from tests.command_line import dpm
from tests.places import open_folder
from tests.servers import OLDEST, SMALL, as_root, needs_oldest
from tests.survival import CHANGED_LEAVES, as_analyst, differences, fill, picture

pytestmark = [needs_oldest, pytest.mark.xdist_group("backup")]

STEPS = ("starting the old server", "dumping dpm", "dumping postgres", "making the new", "restoring dpm",
         "restoring postgres", "stopping the new")  # fmt: skip


@dataclass(frozen=True)
class Original:
    """A stopped server of PostgreSQL 15, to be copied, and what was seen in it."""

    home: Path
    seen: dict[str, Any]
    trades: list[tuple[str, str]]


@pytest.fixture(scope="module")
def original() -> Iterator[Original]:
    with open_folder("upgrade") as folder:
        server = EmbeddedServer(folder / "original", OLDEST, SMALL)
        server.start()
        fill(server, folder / "cold")
        with Database(server.url()) as db:
            trades = trades_read(db)
        with psycopg.connect(server.url("postgres"), autocommit=True) as conn:
            conn.execute("alter system set work_mem = '7MB'")
            conn.execute("alter role analyst set statement_timeout = '77s'")
        server.create_database("another")
        with psycopg.connect(server.url("another")) as conn:
            conn.execute("create unlogged table kept as select 'ü' as x")
        (server.state().data / "custom.conf").write_text("log_min_duration_statement = '9s'\n")
        seen = picture(server)
        server.stop()
        yield Original(server.home, seen, trades)


def copied(original: Path, copy: Path) -> Path:
    """A copy of a home, which belongs to whom the original belongs."""
    shutil.copytree(original, copy)
    for source in [original, *original.rglob("*")]:
        owner = source.stat()
        shutil.chown(copy / source.relative_to(original), owner.st_uid, owner.st_gid)
    state = copy / "server.json"
    state.write_text(state.read_text().replace(str(original), str(copy)))
    return copy


@pytest.fixture
def home(original: Original, tmp_path: Path) -> Iterator[Path]:
    yield copied(original.home, original.home.with_name(tmp_path.name))
    EmbeddedServer(original.home.with_name(tmp_path.name), None, SMALL).stop()
    shutil.rmtree(original.home.with_name(tmp_path.name))


@pytest.fixture(scope="module")
def not_switched(original: Original) -> Path:
    """A home whose upgrade was killed when it had noted that it would switch."""
    home = copied(original.home, original.home.with_name("not_switched"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dpm_assets.server.upgrade.end_switch", lambda _: False)
        upgrade(EmbeddedServer(home, None, SMALL), lambda _: None, jobs=2)
    return home


def upgraded(home: Path) -> EmbeddedServer:
    """The server that starts by itself now, which is of the newest version."""
    server = EmbeddedServer(home, None, SMALL)
    server.start()
    assert server.state().major > 15
    return server


def test_nothing_is_missing_after_the_upgrade(original: Original, home: Path) -> None:
    steps: list[str] = []
    assert upgrade(EmbeddedServer(home, None, SMALL), steps.append, jobs=2)
    server = upgraded(home)
    assert not differences(original.seen, picture(server))
    assert as_analyst(server, "select current_setting('statement_timeout')") == "77s"
    with psycopg.connect(server.url("another")) as conn:
        assert conn.execute("select x from kept").fetchone() == ("ü",)
        shown = "select current_setting('work_mem'), current_setting('log_min_duration_statement')"
        assert conn.execute(shown).fetchone() == ("7MB", "9s")
    with Database(server.url()) as db:
        assert trades_read(db) == original.trades
        with db.connection(None) as conn:
            assert conn.execute(CHANGED_LEAVES).fetchall() == [
                ("raw_trades_closed_2023_12",),
                ("raw_trades_closed_2024_03",),
            ]
            conn.execute("call prop_trading_model.refresh_warehouse()")
    verified = dpm(None, "verify", "--cold", home=home)
    assert verified.returncode == 0, verified.stdout
    assert not [*home.glob("upgrade*"), *Path(server.state().root).glob("upgrade*")]
    assert all(any(step in said for said in steps) for step in STEPS), "the steps that the test below kills it at"


def test_the_old_data_are_kept_and_still_served_by_the_old_programs(original: Original, home: Path) -> None:
    upgrade(EmbeddedServer(home, None, SMALL), lambda _: None, jobs=2)
    root = home / "postgres"
    shutil.rmtree(root / "data")
    (root / "data.15").rename(root / "data")
    server = EmbeddedServer(home, OLDEST, SMALL)
    server.start()
    assert not differences(original.seen, picture(server))


@pytest.mark.kill
def test_an_upgrade_that_is_killed_at_any_step_leaves_the_old_data_in_use_and_begins_again(
    original: Original, home: Path
) -> None:
    for step in STEPS:
        victim = upgrading(home, step)
        victim.join()
        assert victim.exitcode == -9, step
        assert (home / "postgres" / "data" / "PG_VERSION").read_text() == "15\n", step
    # With all of the new made, the old server is started once more, and written to.
    server = EmbeddedServer(home, None, SMALL)
    server.start()
    assert server.state().major == 15
    with psycopg.connect(server.service_url("dagster")) as conn:
        conn.execute("insert into runs values (51, 'LATER')")
    server.stop()
    assert upgrade(EmbeddedServer(home, None, SMALL), lambda _: None, jobs=2)
    found = picture(upgraded(home))
    assert found["dagster"].pop() == (51, "LATER")
    assert not differences(original.seen, found)


@pytest.mark.kill
@pytest.mark.parametrize(
    ("renamed", "by"), [("neither", "upgrade"), ("the old", "upgrade"), ("the old", "start"), ("both", "start")]
)
def test_a_switch_that_was_killed_is_ended_by_whoever_comes_next(
    original: Original, not_switched: Path, renamed: str, by: str
) -> None:
    home = copied(not_switched, original.home.with_name(f"{renamed.replace(' ', '_')}_renamed_then_{by}"))
    root = home / "postgres"
    if renamed != "neither":
        (root / "data").rename(root / "data.15")
    if renamed == "both":
        (root / "upgrade" / "data").rename(root / "data")
    if by == "upgrade":
        assert not upgrade(EmbeddedServer(home, None, SMALL), lambda _: None, jobs=2)
    server = upgraded(home)
    try:
        assert not differences(original.seen, picture(server))
    finally:
        server.stop()
    assert (root / "data.15" / "PG_VERSION").read_text() == "15\n"
    assert not (root / "upgrade").exists() and not (home / "switching.json").exists()


def test_a_running_server_is_not_upgraded(home: Path) -> None:
    server = EmbeddedServer(home, None, SMALL)
    server.start()
    with pytest.raises(DpmError, match="dpm server stop"):
        upgrade(server, lambda _: None, jobs=1)


def test_a_setting_that_the_new_version_does_not_know_stops_the_upgrade_before_the_switch(home: Path) -> None:
    custom = home / "postgres" / "data" / "custom.conf"
    custom.write_text("old_snapshot_threshold = '1h'\n")
    with pytest.raises(DpmError, match="old_snapshot_threshold"):
        upgrade(EmbeddedServer(home, None, SMALL), lambda _: None, jobs=1)
    server = EmbeddedServer(home, None, SMALL)
    server.start()
    assert server.state().major == 15


def test_old_data_of_an_earlier_upgrade_are_never_overwritten(home: Path) -> None:
    (home / "postgres" / "data.15").mkdir()
    with pytest.raises(DpmError, match=r"data\.15"):
        upgrade(EmbeddedServer(home, None, SMALL), lambda _: None, jobs=1)


@as_root
def test_a_link_in_the_place_of_the_new_data_gives_no_folder_away(home: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (home / "postgres" / "upgrade").symlink_to(tmp_path)
    with pytest.raises(DpmError, match="upgrade cannot be written"):
        upgrade(EmbeddedServer(home, None, SMALL), lambda _: None, jobs=1)
    assert tmp_path.stat().st_uid == 0 and tmp_path.stat().st_mode & 0o777 == 0o755


@as_root
def test_a_file_that_the_servers_user_cannot_read_is_not_carried_over(home: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of root\n")
    secret.chmod(0o600)
    custom = home / "postgres" / "data" / "custom.conf"

    def exchange(step: str) -> None:
        if "making the new" in step:
            custom.unlink()
            custom.symlink_to(secret)

    with pytest.raises(DpmError, match=r"custom\.conf cannot be written"):
        upgrade(EmbeddedServer(home, None, SMALL), exchange, jobs=2)
    assert (home / "postgres" / "data" / "PG_VERSION").read_text() == "15\n"


def test_data_of_the_newest_version_stay_as_they_are(home: Path) -> None:
    assert not upgrade(EmbeddedServer(home, OLDEST, SMALL), lambda _: None, jobs=1)
    assert (home / "postgres" / "data" / "PG_VERSION").read_text() == "15\n"


def test_each_database_is_backed_up_by_programs_of_its_own_server(
    home: Path, server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older server could not read what a newer pg_dump writes; the older pg_dump refuses the newer server."""
    EmbeddedServer(home, OLDEST, SMALL).start()
    monkeypatch.setenv("DPM_DAGSTER_URL", server.url("dagster"))
    ended = dpm(None, "backup", tmp_path / "backup", home=home)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    newer = server.state().major
    dumped = {database.folder: database for database in check(tmp_path / "backup").databases}
    assert {name: (one.server_major, one.dumped_by) for name, one in dumped.items()} == {
        "warehouse": (15, 15),
        "dagster": (newer, newer),
    }


def test_the_command_says_where_the_old_data_are(home: Path) -> None:
    ended = dpm(None, "server", "upgrade", home=home)
    assert ended.returncode == 0, ended.stderr
    assert str(home / "postgres" / "data.15") in ended.stdout
    again = dpm(None, "server", "upgrade", home=home)
    assert "newest PostgreSQL here already" in again.stdout


def test_data_without_programs_name_the_command(home: Path) -> None:
    version = home / "postgres" / "data" / "PG_VERSION"
    version.write_text("14\n")
    with pytest.raises(DpmError, match="dpm server upgrade --from"):
        EmbeddedServer(home, None, SMALL).start()
    version.write_text("15\n")
    wheel = next(folder for folder in program_folders() if folder != OLDEST)
    with pytest.raises(DpmError, match="with dpm server upgrade"):
        EmbeddedServer(home, wheel, SMALL).start()
