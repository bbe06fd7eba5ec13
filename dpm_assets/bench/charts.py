"""The pictures of the report: Vega-Lite drawn to SVG on this machine, nothing fetched."""

from collections.abc import Sequence
from typing import Any

from dpm_assets.bench.growth import growth_of_queries
from dpm_assets.bench.queries import questions
from dpm_assets.bench.results import Results
from dpm_assets.bench.systems import BY_NAME, SYSTEMS
from dpm_assets.errors import DpmError

_TITLES = [system.title for system in SYSTEMS]
_COLOURS = ["#9aa5b1", "#4c78a8", "#f2a541", "#2a9d5c"]
_KINDS = [
    ("trades", "heap", "trades"), ("trades", "indexes", "indexes of trades"), ("views", None, "views"),
    ("rollups", None, "rollups"), ("bookkeeping", None, "bookkeeping"),
]  # fmt: skip
_GROWN = (
    "account_daily_metrics", "overview_100_accounts", "thirty_days_by_day", "symbol_performance", "one_month",
    "account_without_date",
)  # fmt: skip
Row = dict[str, Any]


def pictures(results: Results) -> dict[str, str]:
    """SVG text by name; one that has nothing to show is left out. Raises DpmError when the drawing library is missing."""
    drawn = {
        "queries": _bars(_query_rows(results), x="ms", y="query", title="Median, milliseconds (log)", step=11),
        "growth": _growth(_growth_rows(results)),
        "throughput": _throughput(_throughput_rows(results)),
        "storage": _storage(_storage_rows(results)),
        "loads": _bars(_load_rows(results), x="rate", y="load", title="Trades a second", step=18, log=False),
        "refresh": _bars(
            _refresh_rows(results), x="seconds", y="after", title="Seconds until all views are fresh (log)", step=18
        ),
    }
    return {name: _svg(chart) for name, chart in drawn.items() if chart is not None}


def _altair() -> Any:
    try:
        import altair
        import vl_convert  # noqa: F401  # draws what altair describes
    except ImportError:
        raise DpmError(
            "The pictures need altair and vl-convert-python. Install them: pip install 'dpm-assets[bench]'."
        ) from None
    return altair


def _svg(chart: Any) -> str:
    import vl_convert

    configured = (
        chart.configure(font="sans-serif", background="white")
        .configure_axis(labelFontSize=12, titleFontSize=12, labelLimit=260)
        .configure_legend(labelFontSize=12, titleFontSize=12, orient="top", title=None)
        .configure_header(labelFontSize=12, titleFontSize=12)
        .configure_view(stroke="#dddddd")
    )
    return str(vl_convert.vegalite_to_svg(configured.to_dict()))


def _colour(alt: Any, titles: Sequence[str]) -> Any:
    known = dict(zip(_TITLES, _COLOURS, strict=True)) | {"dbt, incremental model": "#8a5fbf"}
    return alt.Color("system:N", scale=alt.Scale(domain=list(titles), range=[known[title] for title in titles]))


def _titles_in(data: list[Row]) -> list[str]:
    there = {row["system"] for row in data}
    return [title for title in (*_TITLES, "dbt, incremental model") if title in there]


def _bars(data: list[Row], *, x: str, y: str, title: str, step: int, log: bool = True) -> Any:
    """Bars of the systems beside each other, for every y."""
    if not data:
        return None
    alt = _altair()
    titles = _titles_in(data)
    scale = alt.Scale(type="log", domainMin=min(row[x] for row in data) / 2) if log else alt.Scale()
    order = list(dict.fromkeys(row[y] for row in data))
    return (
        alt.Chart(alt.Data(values=data))
        .mark_bar()
        .encode(
            x=alt.X(f"{x}:Q", scale=scale, title=title, axis=alt.Axis(format="~s" if not log else "~g")),
            x2=alt.datum(min(row[x] for row in data) / 2) if log else alt.Undefined,
            y=alt.Y(f"{y}:N", sort=order, title=None),
            yOffset=alt.YOffset("system:N", sort=titles),
            color=_colour(alt, titles),
        )
        .properties(width=560, height={"step": step * len(titles)})
    )


def _growth(data: list[Row]) -> Any:
    if len({row["trades"] for row in data}) < 2:
        return None
    alt = _altair()
    titles = _titles_in(data)
    return (
        alt.Chart(alt.Data(values=data))
        .mark_line(point=True)
        .encode(
            x=alt.X(
                "trades:Q", scale=alt.Scale(type="log"), title="Trades (log)", axis=alt.Axis(format="~s", tickCount=4)
            ),
            y=alt.Y("ms:Q", scale=alt.Scale(type="log"), title="Median, ms (log)", axis=alt.Axis(format="~g")),
            color=_colour(alt, titles),
            facet=alt.Facet("query:N", columns=2, sort=list(_GROWN), title=None),
        )
        .properties(width=300, height=180)
    )


def _throughput(data: list[Row]) -> Any:
    if not data:
        return None
    alt = _altair()
    titles = _titles_in(data)
    return (
        alt.Chart(alt.Data(values=data))
        .mark_bar()
        .encode(
            x=alt.X("clients:O", title="Connections", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("system:N", sort=titles),
            y=alt.Y("per_second:Q", scale=alt.Scale(type="log", domainMin=1), title="Queries a second (log)"),
            y2=alt.datum(1),
            color=_colour(alt, titles),
            column=alt.Column("set:N", title=None, sort=["summary", "busy", "dashboard"]),
        )
        .properties(width=220, height=260)
    )


def _storage(data: list[Row]) -> Any:
    alt = _altair()
    order = list(dict.fromkeys(row["system"] for row in data))
    kinds = [title for _, _, title in _KINDS] + ["Parquet files"]
    return (
        alt.Chart(alt.Data(values=data))
        .transform_calculate(place=f"indexof({kinds!r}, datum.kind)")
        .mark_bar()
        .encode(
            x=alt.X("bytes:Q", title="Bytes a trade", stack=True),
            y=alt.Y("system:N", sort=order, title=None),
            color=alt.Color("kind:N", scale=alt.Scale(domain=kinds, scheme="tableau10")),
            order=alt.Order("place:Q"),
        )
        .properties(width=560, height={"step": 30})
    )


def _query_rows(results: Results) -> list[Row]:
    return [
        {"query": query.name, "system": BY_NAME[system].title, "ms": median}
        for query in questions().queries
        for system in results.queries.get(query.name, {})
        if (median := results.median(query, system)) is not None
    ]


def _growth_rows(results: Results) -> list[Row]:
    return [
        {"query": name, "system": BY_NAME[system].title, "trades": size, "ms": ms}
        for name, systems in growth_of_queries(results).items()
        if name in _GROWN
        for system, grown in systems.items()
        for size, ms in zip(results.sizes, grown["ms"], strict=True)
        if ms
    ]


def _throughput_rows(results: Results) -> list[Row]:
    return [
        {"system": system.title, "set": name, "clients": int(clients), "per_second": found["per_second"]}
        for system in SYSTEMS
        for name, by_clients in results.stages.get(f"throughput.{system.name}", {"sets": {}})["sets"].items()
        for clients, found in by_clients.items()
    ]


def _storage_rows(results: Results) -> list[Row]:
    stored = [(system.title, results.load(system.name, results.last)["storage"]) for system in SYSTEMS]
    if cold := results.stages.get("storage_cold"):
        stored.append(("production, old months cold", cold))
    found = []
    for title, one in stored:
        for kind, part, kind_title in _KINDS:
            sizes = one["kinds"].get(kind, {})
            size = sum(value for name, value in sizes.items() if part in (None, name))
            found.append({"system": title, "kind": kind_title, "bytes": size / one["trades"]})
        found.append({"system": title, "kind": "Parquet files", "bytes": one.get("parquet", 0) / one["trades"]})
    return found


def _load_rows(results: Results) -> list[Row]:
    found = []
    for system in SYSTEMS:
        if rate := results.load_rate(system.name):
            found.append({"load": "the history", "system": system.title, "rate": rate})
        if more := results.stages.get(f"more.{system.name}"):
            rate = more["trades"] / more["seconds"]
            found.append({"load": "into a month that is there", "system": system.title, "rate": rate})
    return sorted(found, key=lambda row: str(row["load"]), reverse=True)


def _refresh_rows(results: Results) -> list[Row]:
    measured = [(system.title, results.stages.get(f"refresh.{system.name}"), "median", 1000) for system in SYSTEMS]
    dbt = results.stages.get("dbt")
    measured.append(("dbt, incremental model", dbt if dbt and not dbt["reason"] else None, "total", 1))
    names = {"small": "1,000 trades", "day": "a day's trades", "everything": "everything anew"}
    return [
        {"after": said, "system": title, "seconds": found[name][key] / unit}
        for name, said in names.items()
        for title, found, key, unit in measured
        if found
    ]
