"""What the pictures of the report show: a row for each bar or point."""

from typing import Any

from dpm_assets.bench.growth import growth_of_queries
from dpm_assets.bench.queries import questions
from dpm_assets.bench.results import Results
from dpm_assets.bench.systems import BY_NAME, SYSTEMS

DBT = "dbt, incremental model"
COLOURS = dict(
    zip(
        [*(system.title for system in SYSTEMS), DBT],
        ["#9aa5b1", "#4c78a8", "#f2a541", "#2a9d5c", "#8a5fbf"],
        strict=True,
    )
)
KINDS = [
    ("trades", "heap", "trades"), ("trades", "indexes", "indexes of trades"), ("views", None, "views"),
    ("rollups", None, "rollups"), ("bookkeeping", None, "bookkeeping"),
]  # fmt: skip
PARQUET = "Parquet files"
KIND_TITLES = [title for _, _, title in KINDS] + [PARQUET]
SETS = ("summary", "busy", "dashboard")
GROWN = (
    "account_daily_metrics", "overview_100_accounts", "thirty_days_by_day", "symbol_performance", "one_month",
    "account_without_date",
)  # fmt: skip
Row = dict[str, Any]


def titles_in(data: list[Row]) -> list[str]:
    """The systems that rows are about, in their order."""
    there = {row["system"] for row in data}
    return [title for title in COLOURS if title in there]


def query_rows(results: Results) -> list[Row]:
    return [
        {"query": query.name, "system": BY_NAME[system].title, "ms": median}
        for query in questions().queries
        for system in results.queries.get(query.name, {})
        if (median := results.median(query, system)) is not None
    ]


def growth_rows(results: Results) -> list[Row]:
    return [
        {"query": name, "system": BY_NAME[system].title, "trades": size, "ms": ms}
        for name, systems in growth_of_queries(results).items()
        if name in GROWN
        for system, grown in systems.items()
        for size, ms in zip(results.sizes, grown["ms"], strict=True)
        if ms
    ]


def throughput_rows(results: Results) -> list[Row]:
    return [
        {"system": system.title, "set": name, "clients": int(clients), "per_second": found["per_second"]}
        for system in SYSTEMS
        for name, by_clients in results.stages.get(f"throughput.{system.name}", {"sets": {}})["sets"].items()
        for clients, found in by_clients.items()
    ]


def storage_rows(results: Results) -> list[Row]:
    stored = [(system.title, results.load(system.name, results.last)["storage"]) for system in SYSTEMS]
    if cold := results.stages.get("storage_cold"):
        stored.append(("production, old months cold", cold))
    found = []
    for title, one in stored:
        for kind, part, kind_title in KINDS:
            sizes = one["kinds"].get(kind, {})
            size = sum(value for name, value in sizes.items() if part in (None, name))
            found.append({"system": title, "kind": kind_title, "bytes": size / one["trades"]})
        found.append({"system": title, "kind": PARQUET, "bytes": one.get("parquet", 0) / one["trades"]})
    return found


def load_rows(results: Results) -> list[Row]:
    found = []
    for system in SYSTEMS:
        if rate := results.load_rate(system.name):
            found.append({"load": "the history", "system": system.title, "rate": rate})
        if more := results.stages.get(f"more.{system.name}"):
            rate = more["trades"] / more["seconds"]
            found.append({"load": "into a month that is there", "system": system.title, "rate": rate})
    return sorted(found, key=lambda row: str(row["load"]), reverse=True)


def refresh_rows(results: Results) -> list[Row]:
    measured = [(system.title, results.stages.get(f"refresh.{system.name}"), "median", 1000) for system in SYSTEMS]
    dbt = results.stages.get("dbt")
    measured.append((DBT, dbt if dbt and not dbt["reason"] else None, "total", 1))
    names = {"small": "1,000 trades", "day": "a day's trades", "everything": "everything anew"}
    return [
        {"after": said, "system": title, "seconds": found[name][key] / unit}
        for name, said in names.items()
        for title, found, key, unit in measured
        if found and name in found and not found[name].get("stopped")
    ]
