"""What the report says of loads, storage, refreshes, many clients, and other ways to have such figures."""

from typing import Any

from dpm_assets.bench.queries import questions
from dpm_assets.bench.report_tables import NAMES, TITLES, profile, table, with_spread
from dpm_assets.bench.results import Results
from dpm_assets.bench.systems import BY_NAME
from dpm_assets.bench.throughput import WARM_UP


def loads_section(results: Results) -> str:
    def rate(value: float | None) -> str:
        return "" if value is None else f"{value:,.0f}"

    rows = []
    for name, title in zip(NAMES, TITLES, strict=True):
        more = results.stages.get(f"more.{name}")
        rows.append([title, rate(results.load_rate(name)), rate(more and more["trades"] / more["seconds"])])
    new, there = results.load_rate("production", False), results.load_rate("production", True)
    text = table(["trades/s", "the history, until it can be queried", "into the last month, one file"], rows) + (
        f"\n\nProduction reads, checks and counts every row; files of months that were not there it takes as many at a time as"
        f" there are cores, and indexes a month when it is filled: {rate(new)} trades/s by the clock. Files that a step's end had"
        f" cut, of months that were there, it takes one by one: {rate(there) or 'none'} trades/s. Its load into"
        " the last month comes when the months older than six are archived. The others take a bare `COPY` on one connection"
        + (
            f", and only their first {_largest_indexed(results):,} trades, with every index in place, are counted: more are"
            f" taken without indexes, the original's at {rate(_bulk_rate(results))} trades/s, building these after it not timed."
            if _bulk(results)
            else "."
        )
    )
    more = results.stages.get("more.production")
    if not more or not more.get("profile"):
        return text
    return (
        f"{text}\n\nProduction's load into a month that is there, {more['seconds']:.1f} s, by its statements; reading, judging"
        f" and sending the rows took the loader {more['loader_cpu']:.1f} s of a core, beside the `COPY`:\n\n"
        + profile(more["profile"])
    )


def _bulk(results: Results) -> bool:
    return any(results.load("baseline", step)["bulk"] for step in range(len(results.sizes)))


def _bulk_rate(results: Results) -> float | None:
    loads = [results.load("baseline", step) for step in range(len(results.sizes))]
    files = [file for load in loads if load["bulk"] for file in load["files"] if file["seconds"]]
    took = sum(file["seconds"] for file in files)
    return sum(file["trades"] for file in files) / took if took else None


def _largest_indexed(results: Results) -> int:
    sizes = [size for step, size in enumerate(results.sizes) if not results.load("baseline", step)["bulk"]]
    return max(sizes)


def storage_section(results: Results) -> str:
    rows = []
    stored = [(title, results.load(name, results.last)["storage"]) for name, title in zip(NAMES, TITLES, strict=True)]
    if cold := results.stages.get("storage_cold"):
        stored.append((f"production, {cold['months']} months cold", cold))
    original = stored[0][1]["bytes_a_trade"]
    for title, one in stored:
        kinds, trades = one["kinds"], one["trades"]
        parts = [
            sum(kinds.get(kind, {}).get(part, 0) for part in which) / trades
            for kind, which in (("trades", ["heap"]), ("trades", ["indexes"]), ("views", ["heap", "indexes"]),
                                ("rollups", ["heap", "indexes"]), ("bookkeeping", ["heap", "indexes"]))
        ]  # fmt: skip
        parts.append(one.get("parquet", 0) / trades)
        rows.append(
            [
                title,
                *(f"{part:,.0f}" for part in parts),
                f"{one['bytes_a_trade']:,.0f}",
                f"{100 * one['bytes_a_trade'] / original:.0f} %",
            ]
        )
    head = [
        "bytes a trade",
        "trades",
        "their indexes",
        "views",
        "rollups",
        "bookkeeping",
        "Parquet",
        "all",
        "of the original",
    ]
    return table(head, rows) + (
        "\n\nTrades and what is made of them; accounts, plans and metrics, which are the same everywhere, are left out."
        " *Bookkeeping* is the log of changes, the ledger of loads and what the refresh works with. Cold is measured after the"
        " refreshes; its files count, and what remains is divided by all trades, those in files too."
    )


def refresh_section(results: Results) -> str:
    rows = [_first_refresh(results)]
    for name, said in (
        ("nothing", "nothing new"),
        ("small", "1,000 trades"),
        ("day", "a day's trades"),
        ("everything", "everything anew"),
    ):
        row = [said]
        for system in ("v2", "production"):
            found = results.stages.get(f"refresh.{system}", {}).get(name)
            trades = f" [{found['trades']:,} trades]" if found and found.get("trades") else ""
            row.append(f"{_seconds(found)}{trades}" if found else "")
        dbt = results.stages.get("dbt", {"reason": "absent"})
        row.append(
            ""
            if dbt["reason"] or name not in dbt
            else f"{dbt[name]['total']:,.2f} (the model alone {dbt[name]['model']:,.2f})"
        )
        rows.append(row)
    return table(
        [
            "seconds",
            "v2: REFRESH CONCURRENTLY of five views",
            "production: rollups and five views",
            "dbt: one incremental model",
        ],
        rows,
    ) + (
        "\n\nv2 recomputes all views whatever has changed: when one refresh took more than 10 s it was not repeated, stands for"
        " everything too, and that after a day was left out. dbt was run once each. Fewer trades than 1,000 are all that the"
        f" accounts drawn had. v2's views have {results.plan['longest']:g} s in all, then they are stopped, and are not tried"
        " with more trades: that is the > in its column then. A statement of dbt has 900 s; production's refresh has no limit,"
        " but for everything anew. The picture leaves out what was stopped. The original and v1 have nothing to refresh."
        + _profile_of_day(results)
    )


def _first_refresh(results: Results) -> list[str]:
    """After the last step of the history was loaded; v2's plain refresh."""
    new = results.sizes[-1] - (results.sizes[-2] if results.last else 0)
    cells = []
    for system in ("v2", "production"):
        found = results.load(system, results.last)
        took = found["refresh_seconds"]
        cells.append(
            "not tried" if took is None else f"{'> ' if found['refresh_stopped'] else ''}{took:,.1f} (one run)"
        )
    return [f"{new:,} trades of history, by `REFRESH` in v2", *cells, ""]


def _profile_of_day(results: Results) -> str:
    found = results.stages.get("refresh.production", {}).get("day", {}).get("profile")
    if not found:
        return ""
    return (
        "\n\nProduction's refresh after a day once more, by the statements inside it (each with those inside itself;"
        f" `pg_stat_statements`):\n\n{profile(found)}"
    )


def _seconds(found: dict[str, Any]) -> str:
    if found.get("stopped"):
        months = f", when {found['months']} months were done" if "months" in found else ""
        return f"> {found['median'] / 1000:,.0f}{months}"
    if len(found["runs"]) == 1:
        return f"{found['median'] / 1000:,.3f} (one run)"
    return f"{found['median'] / 1000:,.3f} ({found['min'] / 1000:,.3f} to {found['max'] / 1000:,.3f})"


def throughput_section(results: Results) -> str:
    found = {name: results.stages.get(f"throughput.{name}") for name in NAMES}
    reason = next((one["reason"] for one in found.values() if one and one["reason"]), None)
    if reason or not any(found.values()):
        return f"Not measured: {reason or 'no stage of it is there'}."
    said = {
        "summary": "one account's summary or month",
        "busy": "an account's summary, month, daily metrics or features of a day, or an overview of 100 accounts",
        "dashboard": "30 days by day, or symbol performance, from the views",
    }
    rows = [
        [
            name,
            BY_NAME[system].title,
            clients,
            f"{one['per_second']:,.0f}" if one["per_second"] >= 100 else f"{one['per_second']:,.1f}",
            f"{one['transactions']:,}",
            *(f"{one[p]:,.2f}" for p in ("p50_ms", "p95_ms", "p99_ms")),
            _cores(one.get("cores")),
        ]
        for name in said
        for system, stage in found.items()
        if stage
        for clients, one in stage["sets"].get(name, {}).items()
    ]
    left_out = "".join(
        f" *{name}* of {BY_NAME[system].title} with {count} connections did not come to an end."
        for system, stage in found.items()
        for name, count in (stage or {}).get("left_out", {}).items()
    )
    words = "; ".join(f"*{name}*: {text}" for name, text in said.items())
    return (
        f"pgbench with prepared statements, {results.plan['throughput_seconds']} s each and before that"
        f" {WARM_UP:g} s for each connection that are not counted, on the same machine, right after the server was stopped for"
        " the queries from the disk: the first rows of a set read what later ones find in memory. What has begun in"
        " that time is waited for and counts: where queries take seconds the rate holds that wait, and a p99 of fewer than 100 is"
        " about the slowest. Where the cores are not busy, the disk was waited for. Each transaction"
        f" is one query about an account drawn from all of them. {words}. Latencies of every transaction out of its"
        f" logs.{left_out}\n\n"
        + table(
            ["set", "system", "connections", "queries/s", "counted", "p50, ms", "p95, ms", "p99, ms", "cores busy"],
            rows,
        )
    )


def _cores(cores: dict[str, float] | None) -> str:
    return f"{cores['all']:.1f}, pgbench {cores['programs']:.1f}" if cores else ""


def others_section(results: Results) -> str:
    duck = results.stages.get("duckdb")
    text = _duckdb(results, duck) if duck else "DuckDB was not measured."
    dbt = results.stages.get("dbt", {"reason": "the stage is not there"})
    if dbt["reason"]:
        return f"{text}\n\ndbt was not measured: {dbt['reason']}."
    late = dbt["sees_a_correction_of"]
    seen = "seen" if late["seen"] else "**not** seen"
    return (
        f"{text}\n\ndbt {dbt['version']} keeps one rollup (account, day, symbol) of the original as an incremental model:"
        f" {dbt['everything']['total']:,.1f} s for all, {dbt['small']['total']:,.1f} s after 1,000 trades,"
        f" {dbt['day']['total']:,.1f} s after a day's. Its model looks three days back from its newest day, as is"
        f" usual: a correction of {late['day']} was {seen}; one from before those three days never is."
    )


def _duckdb(results: Results, duck: dict[str, Any]) -> str:
    rows = [
        [query.title, with_spread(results.times(query, "baseline")), with_spread(results.times(query, "production")),
         with_spread(duck["queries"].get(query.name))]
        for query in questions().queries
        if query.name in duck["queries"]
    ]  # fmt: skip
    return (
        f"The same rows as a Parquet file a month, in the order of time: written in {duck['write_seconds']:,.1f} s,"
        f" {duck['bytes_a_trade']:,.0f} bytes a trade; read by one DuckDB process with all cores. It takes no writes meanwhile"
        " and keeps no views.\n\n"
        + table(["ms", TITLES[0], "production, rollups or views where it has them", "DuckDB"], rows)
    )
