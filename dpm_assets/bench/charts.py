"""The pictures of the report: Vega-Lite drawn to SVG on this machine, nothing fetched."""

from collections.abc import Sequence
from typing import Any

from dpm_assets.bench.chart_rows import (
    COLOURS,
    GROWN,
    KIND_TITLES,
    SETS,
    Row,
    growth_rows,
    load_rows,
    query_rows,
    refresh_rows,
    storage_rows,
    throughput_rows,
    titles_in,
)
from dpm_assets.bench.results import Results
from dpm_assets.errors import DpmError


def pictures(results: Results) -> dict[str, str]:
    """SVG text by name; one that has nothing to show is left out. Raises DpmError when the drawing library is missing."""
    drawn = {
        "queries": _bars(query_rows(results), x="ms", y="query", title="Median, milliseconds (log)", step=11),
        "growth": _growth(growth_rows(results)),
        "throughput": _throughput(throughput_rows(results)),
        "storage": _storage(storage_rows(results)),
        "loads": _bars(load_rows(results), x="rate", y="load", title="Trades a second", step=18, log=False),
        "refresh": _bars(
            refresh_rows(results), x="seconds", y="after", title="Seconds until all views are fresh (log)", step=18
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
    return alt.Color("system:N", scale=alt.Scale(domain=list(titles), range=[COLOURS[title] for title in titles]))


def _bars(data: list[Row], *, x: str, y: str, title: str, step: int, log: bool = True) -> Any:
    """Bars of the systems beside each other, for every y."""
    if not data:
        return None
    alt = _altair()
    titles = titles_in(data)
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
        .properties(width=560, height={"step": step})
    )


def _growth(data: list[Row]) -> Any:
    if len({row["trades"] for row in data}) < 2:
        return None
    alt = _altair()
    titles = titles_in(data)
    return (
        alt.Chart(alt.Data(values=data))
        .mark_line(point=True)
        .encode(
            x=alt.X(
                "trades:Q", scale=alt.Scale(type="log"), title="Trades (log)", axis=alt.Axis(format="~s", tickCount=4)
            ),
            y=alt.Y("ms:Q", scale=alt.Scale(type="log"), title="Median, ms (log)", axis=alt.Axis(format="~g")),
            color=_colour(alt, titles),
            facet=alt.Facet("query:N", columns=2, sort=list(GROWN), title=None),
        )
        .properties(width=300, height=180)
    )


def _throughput(data: list[Row]) -> Any:
    if not data:
        return None
    alt = _altair()
    titles = titles_in(data)
    return (
        alt.Chart(alt.Data(values=data))
        .mark_bar()
        .encode(
            x=alt.X("clients:O", title="Connections", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("system:N", sort=titles),
            y=alt.Y("per_second:Q", scale=alt.Scale(type="log", domainMin=0.1), title="Queries a second (log)"),
            y2=alt.datum(0.1),
            color=_colour(alt, titles),
            column=alt.Column("set:N", title=None, sort=list(SETS)),
        )
        .properties(width=220, height=260)
    )


def _storage(data: list[Row]) -> Any:
    alt = _altair()
    order = list(dict.fromkeys(row["system"] for row in data))
    return (
        alt.Chart(alt.Data(values=data))
        .transform_calculate(place=f"indexof({KIND_TITLES!r}, datum.kind)")
        .mark_bar()
        .encode(
            x=alt.X("bytes:Q", title="Bytes a trade", stack=True),
            y=alt.Y("system:N", sort=order, title=None),
            color=alt.Color("kind:N", scale=alt.Scale(domain=KIND_TITLES, scheme="tableau10")),
            order=alt.Order("place:Q"),
        )
        .properties(width=560, height={"step": 30})
    )
