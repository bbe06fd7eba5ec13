"""What the server's user may put into the folder of the data leads root, who starts the server, nowhere else."""

import json
from pathlib import Path

import pytest

from dpm_assets.errors import DpmError
from tests.servers import MakeServer, as_root

pytestmark = pytest.mark.xdist_group("server")


@as_root
def test_settings_are_written_through_no_link(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    server.stop()
    secret = home.with_name("secret")
    secret.write_text("of root\n")
    written = server.state().data / "dpm.conf"
    written.unlink()
    written.symlink_to(secret)
    assert server.start()
    assert secret.read_text() == "of root\n" and secret.stat().st_uid == 0
    assert not written.is_symlink()


@as_root
def test_a_folder_in_the_place_of_the_data_gets_no_file(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    server.stop()
    of_root = home.with_name("of_root")
    of_root.mkdir()
    data = server.state().data
    data.rename(data.with_name("elsewhere"))
    data.symlink_to(of_root)
    with pytest.raises(DpmError, match=r"dpm\.conf cannot be written"):
        server.start()
    assert not list(of_root.iterdir())


def test_a_note_among_the_data_does_not_begin_a_switch(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    server.stop()
    root = Path(server.state().root)
    (root / "upgrade" / "data").mkdir(parents=True)
    (root / "switching.json").write_text(json.dumps({"kept": "../../moved"}))
    assert server.start()
    assert not home.with_name("moved").exists()
