"""What the report says of the queries."""

from dpm_assets.bench.growth import growth_of_bytes, growth_of_queries
from dpm_assets.bench.queries import questions
from dpm_assets.bench.report_tables import NAMES, TITLES, milliseconds, table, times_faster, with_spread
from dpm_assets.bench.results import Results
from dpm_assets.bench.systems import BY_NAME
from dpm_assets.bench.targets import REASONS, slower_than_original


def queries_section(results: Results) -> str:
    rows = []
    for query in questions().queries:
        best = query.best(BY_NAME["production"].forms)
        ours = with_spread(results.times(query, "production"))
        raw = with_spread(results.times(query, "production", "raw")) if best != "raw" else ours
        factor = results.factor(query)
        others = [with_spread(results.times(query, name)) for name in NAMES[:3]]
        rows.append(
            [f"{query.title} `{query.name}`", *others, raw, ours if best != "raw" else "", times_faster(factor)]
        )
    head = ["ms", *TITLES[:3], "production, raw trades", "production, rollups or views", "original / production"]
    v2 = (
        "too, since its views were not made in time"
        if results.views_stopped_at
        else "from its materialized views where it has one for the question"
    )
    words = (
        "*One run* is the first, with whatever was in memory then, so it may be slower than the one from the disk below: a"
        " factor over it favours what was asked more often. The"
        f" original and v1 answer from the trades; v2 {v2}. Raw forms"
        " of what reads all there is were not asked where there is a view. The statements are in"
        " `sql/maintenance/performance_tests.sql`."
    )
    return f"{table(head, rows)}\n\n{words}{_without_index(results)}"


def _without_index(results: Results) -> str:
    found = results.stages.get("without_index.baseline")
    if not found:
        return ""
    rows = [
        [f"{query.title} `{query.name}`", with_spread(results.times(query, "baseline")), with_spread(found[query.name]),
         with_spread(results.times(query, "production", "raw"))]
        for query in questions().queries
        if query.name in found
    ]  # fmt: skip
    return (
        "\n\nThe original has an index of dates, and its rows came in the order of dates. Without it"
        " and the one of account and date, which PostgreSQL 18 would skip through:\n\n"
        + table(["ms, raw trades", "original", "original without its index of dates", "production"], rows)
    )


def slower_section(results: Results) -> str:
    found = slower_than_original(results)
    if not found:
        return "No query of the original takes more than twice as long."
    rows = [
        [f"`{query.name}` ({form})", f"{slowness:,.1f} x", REASONS.get(query.name, "**no reason is known**")]
        for query, form, slowness in found
    ]
    return "Sent as they are, these take more than twice as long:\n\n" + table(
        ["query", "of the original's time", "why"], rows
    )


def plans_section(results: Results) -> str:
    rows = []
    for query in questions().queries:
        for system, form in (("baseline", None), ("production", "raw"), ("production", None)):
            times = results.times(query, system, form)
            if times is None or (form == "raw" and query.best(BY_NAME[system].forms) == "raw"):
                continue
            plan = times["plan"]
            if plan is None:
                rows.append([f"`{query.name}`", BY_NAME[system].title, *([""] * 4), "stopped"])
                continue
            shown = f"{BY_NAME[system].title}{', raw' if form == 'raw' else ''}"
            counts = [plan[name] for name in ("scanned", "rows_read", "buffers_hit", "buffers_read")]
            rows.append(
                [f"`{query.name}`", shown, *(f"{count:,}" for count in counts), milliseconds(plan["planning_ms"])]
            )
    head = [
        "query",
        "system",
        "tables and partitions scanned",
        "rows read",
        "8 kB buffers found",
        "and read",
        "planning, ms",
    ]
    return table(head, rows) + (
        "\n\nOut of `EXPLAIN (ANALYZE, BUFFERS)`, planned anew; the whole plans are kept as JSON under `plans/` of the run's"
        " folder. Where a query names no date, the partitions scanned are the months with trades, the running one and those"
        " made ahead, which are empty."
    )


def cold_section(results: Results) -> str:
    found = results.cold()
    if found["reason"]:
        return f"Not measured: {found['reason']}."
    titles = {query.name: query.title for query in questions().queries}
    rows = [
        [titles[name], *(with_spread(systems.get(system)) for system in NAMES)]
        for name, systems in found["queries"].items()
    ]
    return (
        "The server stopped and the system's cache of its files given up before each run; connecting is not counted, reading"
        " the catalogue is. Up to 3 runs, none left out; each system in its best form, so production out of rollups and views"
        " where it has them.\n\n" + table(["ms", *TITLES], rows)
    )


def growth_section(results: Results) -> str:
    if len(results.sizes) < 2:
        return "One size was measured."
    grown = growth_of_queries(results)
    rows = []
    for query in questions().queries:
        cells = []
        for name in NAMES:
            one = grown.get(query.name, {}).get(name)
            if one is None:
                cells.append("")
                continue
            cells.append(f"{one['exponent']} ({' → '.join(milliseconds(ms) or '-' for ms in one['ms'])})")
        rows.append([f"`{query.name}`", *cells])
    sizes = " → ".join(f"{size:,}" for size in results.sizes)
    rows.append(["bytes on disk", *(str(growth_of_bytes(results, name)) for name in NAMES)])
    return (
        f"The exponent of a power law through the medians at {sizes} trades (in brackets, ms): 0 stays the same, 1 grows with the"
        " trades. The tables are extended in the order of time, so a month, a quarter or a year of the first steps may be a part"
        " of one; of what takes less than 2 ms the exponent is mostly noise"
        + (", and from two sizes it is a ratio and no law" if len(results.sizes) == 2 else "")
        + ".\n\n"
        + table(["exponent", *TITLES], rows)
    )
