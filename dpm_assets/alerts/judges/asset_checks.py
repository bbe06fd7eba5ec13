"""Asset checks whose last result is a failure."""

from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from dpm_assets.alerts.conditions import Condition, Look

JUDGED_ELSEWHERE = {"no_change_waits", "months_are_ready"}
"""By freshness and missing partitions, every time that the alerts look."""


def failed_checks(look: Look) -> list[Condition]:
    """A check that is being evaluated counts as it ended before; one that never ended does not count."""
    storage = look.instance.event_log_storage
    keys = [key for key in look.repository.asset_graph.asset_check_keys if key.name not in JUDGED_ELSEWHERE]
    latest = storage.get_latest_asset_check_execution_by_key(keys)
    found = []
    for key in sorted(latest, key=str):
        record = latest[key]
        if record.status is Status.PLANNED:
            ended = storage.get_asset_check_execution_history(key, limit=1, status={Status.SUCCEEDED, Status.FAILED})
            record = ended[0] if ended else record
        if record.status is Status.FAILED and record.evaluation is not None:
            found.append(_condition(key, record.run_id, record.evaluation))
    return found


def _condition(key: dg.AssetCheckKey, run_id: str, evaluation: Any) -> Condition:
    name = f"{key.asset_key.to_user_string()}: {key.name}"
    said = f": {evaluation.description}" if evaluation.description else ""
    return Condition(
        alert="asset check",
        key=f"asset check: {name}",
        severity="warning" if evaluation.severity is dg.AssetCheckSeverity.WARN else "error",
        summary=f"The check {key.name} of {key.asset_key.to_user_string()} failed{said or '.'}",
        remedy=f"See the check in the UI (run {run_id[:8]}): its metadata says what it found; it passes at its next run.",
        details={"asset": key.asset_key.to_user_string(), "check": key.name, "run_id": run_id},
    )
