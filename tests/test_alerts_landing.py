"""The alert on failed runs, for loads of the landing folder: files that went well do not speak for one that is stuck."""

from pathlib import Path

import pytest

from dpm_assets.definitions import defs
from dpm_assets.settings import settings
from tests.alerting import Alerting
from tests.trade_rows import trade, write

pytestmark = pytest.mark.sql


@pytest.fixture
def trades(alerting: Alerting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of trades in a landing folder whose files count as quiet at once."""
    monkeypatch.setenv("DPM_LANDING", str(tmp_path / "landing"))
    monkeypatch.setattr("dpm_assets.loads.landing.QUIET_SECONDS", 0.0)
    settings.cache_clear()
    folder = tmp_path / "landing" / "trades"
    folder.mkdir(parents=True)
    return folder


def load(alerting: Alerting, path: Path) -> bool:
    """A run with one file, as the landing sensor launches it; whether it succeeded."""
    config = {"ops": {"load_files": {"config": {"files": [str(path)]}}}}
    job = defs.resolve_job_def("load_landing")
    return job.execute_in_process(instance=alerting.instance, run_config=config, raise_on_error=False).success


def told(alerting: Alerting) -> list[str]:
    return [event for event, name in alerting.webhook.told if name == "run failure"]


def test_a_file_that_is_stuck_is_told_until_it_has_left_whatever_became_of_others(
    alerting: Alerting, trades: Path
) -> None:
    """Its month is on its way into the archive. Another file that was refused has left the folder."""
    alerting.execute(
        "insert into partition_state (parent_table, lower, state) values ('raw_trades_closed', '2024-01-01', 'archiving')"
    )
    late = write(trades / "late.csv", trade("T1", "2024-01-05"))
    assert not load(alerting, late)
    alerting.look()
    assert load(alerting, write(trades / "good.csv", trade("T2")))
    alerting.look()
    assert told(alerting) == ["opened"]
    assert not load(alerting, write(trades / "bad.csv", "red,1", header="colour,size"))
    assert load(alerting, write(trades / "next.csv", trade("T3")))
    alerting.look()
    assert told(alerting) == ["opened"]
    late.unlink()
    alerting.look()
    assert told(alerting) == ["opened", "resolved"]


def test_a_file_that_was_stuck_and_is_loaded_is_over(alerting: Alerting, trades: Path) -> None:
    alerting.execute(
        "insert into partition_state (parent_table, lower, state) values ('raw_trades_closed', '2024-01-01', 'archiving')"
    )
    late = write(trades / "late.csv", trade("T1", "2024-01-05"))
    assert not load(alerting, late)
    alerting.look()
    alerting.execute("delete from partition_state where state = 'archiving'")
    assert load(alerting, late)
    alerting.look()
    assert told(alerting) == ["opened", "resolved"]
