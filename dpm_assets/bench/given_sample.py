"""A sample that is there already, as `dpm sample` writes one, instead of one that is made for the run."""

import re
from dataclasses import replace
from pathlib import Path

from dpm_assets.bench.plan import LEAST_MONTHS, Plan
from dpm_assets.calendar import parse_month
from dpm_assets.errors import DpmError

_FIRST_COLUMNS = "trade_id,account_id,login,"
_IDS = re.compile(r"([0-9A-Z]{3})[0-9A-Z]{3}\d{7},A\1\d{6},")


def of_sample(plan: Plan, folder: Path) -> Plan:
    """The plan with the first of a sample's trades: their months and seed instead of those that were asked for.

    Raises DpmError when the folder does not hold what `dpm sample` writes; whether it has trades enough shows when they are
    taken.
    """
    files = sorted((folder / "trades").glob("trades_*.csv"))
    if not files or any(len(list((folder / feed).glob("*.csv"))) != 1 for feed in ("accounts", "plans")):
        raise DpmError(f"{folder} holds no sample. Make one with dpm sample --out {folder}.")
    with files[0].open(encoding="utf-8") as file:
        header, first = file.readline(), file.readline()
    ids = _IDS.match(first)
    if not header.startswith(_FIRST_COLUMNS) or ids is None:
        raise DpmError(f"{files[0]} was not written by dpm sample. Make a sample with dpm sample --out {folder}.")
    months = {path.name.removeprefix("trades_")[:7] for path in files}
    if len(months) < LEAST_MONTHS:
        raise DpmError(
            f"{folder} has {len(months)} months, and those older than six are measured cold. Give one of more."
        )
    return replace(plan, sample=folder, start=parse_month(min(months)), months=len(months), seed=int(ids[1], 36))
