"""The alerts for a test: the sensor as the daemon evaluates it, on a warehouse of the test, with receivers of the test."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from dpm_assets.alerts.sensors import alert_database, alert_sensor
from dpm_assets.alerts.settings import alert_settings
from dpm_assets.database import Database
from dpm_assets.definitions import defs
from dpm_assets.settings import settings
from tests.receivers import Webhook, webhook

REPOSITORY = defs.get_repository_def()


def configure(**given: object) -> None:
    """Sets DPM_ALERT_* variables (None: unsets them); the test's fixture takes them back."""
    for name, value in given.items():
        if value is None:
            os.environ.pop(f"DPM_ALERT_{name.upper()}", None)
        else:
            os.environ[f"DPM_ALERT_{name.upper()}"] = str(value)
    alert_settings.cache_clear()


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[str, str | None]:
    """One evaluation of the sensor: what it says, and its cursor."""
    context = dg.build_sensor_context(instance, cursor=cursor, repository_def=REPOSITORY, sensor_name=alert_sensor.name)
    evaluated = alert_sensor.evaluate_tick(context)
    assert not evaluated.run_requests
    return evaluated.skip_message or "", evaluated.cursor


@dataclass
class Alerting:
    db: Database
    instance: dg.DagsterInstance
    log: Path
    webhook: Webhook
    cursor: str | None = None
    said: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def on(cls, db: Database, instance: dg.DagsterInstance, folder: Path) -> Iterator["Alerting"]:
        before = {name: value for name, value in os.environ.items() if name.startswith("DPM_ALERT_")}
        with webhook() as receiver:
            configure(log=folder / "alerts.log", webhook_url=receiver.url)
            with db.connection("dpm_refresher") as conn:
                conn.execute("call refresh_warehouse()")
            alert_database.cache_clear()
            try:
                yield cls(db, instance, folder / "alerts.log", receiver)
            finally:
                receiver.may_answer.set()
                alert_database().close()
                alert_database.cache_clear()
                configure(
                    **{n.removeprefix("DPM_ALERT_"): None for n in list(os.environ) if n.startswith("DPM_ALERT_")}
                )
                os.environ.update(before)
                alert_settings.cache_clear()

    def look(self) -> str:
        """One tick of the sensor; what it says."""
        said, self.cursor = tick(self.instance, self.cursor)
        self.said.append(said)
        return said

    def restart(self) -> None:
        """As if the daemon had been started anew, without even its cursor."""
        alert_database().close()
        alert_database.cache_clear()
        alert_settings.cache_clear()
        settings.cache_clear()
        self.cursor = None

    def execute(self, statement: str, *values: object) -> None:
        with self.db.connection(None) as conn:
            conn.execute(statement.encode(), values or None)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.db.connection(None) as conn:
            return conn.execute(query.encode()).fetchall()

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def change(self, minutes_ago: int) -> None:
        """A trade that no view shows yet, written so long ago."""
        self.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date)"
            " values (gen_random_uuid()::text, 'a', 'l', current_date)"
        )
        self.execute("update changed_account_days set changed_at = now() - make_interval(mins => %s)", minutes_ago)

    def refresh(self) -> None:
        self.execute("call refresh_warehouse()")
