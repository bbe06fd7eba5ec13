"""Where the UI listens: on this machine alone unless somebody says otherwise, and then with a warning."""

import socket

import pytest

from dpm_assets.errors import DpmError
from dpm_assets.service.ui import Ui
from dpm_assets.settings import Settings


def test_the_ui_listens_on_this_machine_alone_and_may_do_everything_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DPM_HOST", "DPM_READ_ONLY_UI"):
        monkeypatch.delenv(name, raising=False)
    chosen = Settings()  # type: ignore[call-arg]
    assert (chosen.host, chosen.read_only_ui) == ("127.0.0.1", False)
    ui = Ui(chosen.host, 3000, chosen.read_only_ui)
    assert ui.arguments() == ["-h", "127.0.0.1", "-p", "3000"]
    assert list(ui.warnings()) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_an_address_of_this_machine_alone_needs_no_warning(host: str) -> None:
    assert list(Ui(host, 3000).warnings()) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "dpm.example.com", "localhost.example.com"])
def test_an_address_that_others_reach_is_warned_of(host: str) -> None:
    [warning] = Ui(host, 3000).warnings()
    assert host in warning and "start, stop and delete runs" in warning and "docs/security.md" in warning
    [warning] = Ui(host, 3000, read_only=True).warnings()
    assert "see everything" in warning and "start" not in warning


def test_settings_open_and_close_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPM_HOST", "::")
    monkeypatch.setenv("DPM_READ_ONLY_UI", "1")
    chosen = Settings()  # type: ignore[call-arg]
    ui = Ui(chosen.host, 8080, chosen.read_only_ui)
    assert ui.arguments() == ["-h", "::", "-p", "8080", "--read-only"]
    assert ui.url == "http://[::]:8080"


def test_a_port_that_is_taken_is_named_wherever_the_ui_is_to_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "0.0.0.0", "localhost"):
            with pytest.raises(DpmError, match=f"Something listens on {host}:{port} already"):
                Ui(host, port).refuse_taken()
    Ui("127.0.0.1", port).refuse_taken()


@pytest.mark.parametrize("host", ["192.0.2.7", "no-such-name.invalid"])
def test_an_address_of_another_machine_is_refused_before_anything_is_started(host: str) -> None:
    with pytest.raises(DpmError, match=f"The UI cannot listen on {host}: .* --host or DPM_HOST"):
        Ui(host, 1).refuse_taken()
