"""The pictures of the report as figures that a reader can look into: values at the pointer, zoom, systems hidden by a click.

Plotly draws them in the browser; it comes with them, so nothing is fetched.
"""

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

_LOG: dict[str, Any] = {"type": "log", "dtick": 1}


def figures(results: Results) -> dict[str, str]:
    """HTML by the picture's name, the first with Plotly itself; what has nothing to show is left out.

    Raises DpmError when Plotly is missing.
    """
    go = _plotly()
    drawn = {
        "queries": _bars(go, query_rows(results), x="ms", y="query", axis={"title": "Median, milliseconds", **_LOG}),
        "growth": _panels(
            go, growth_rows(results) if len(results.sizes) > 1 else [], panel="query", order=GROWN, columns=2,
            x="trades", y="ms", words=("Trades", "Milliseconds"),
        ),
        "throughput": _panels(
            go, throughput_rows(results), panel="set", order=SETS, columns=3, x="clients", y="per_second",
            words=("Connections", "Queries a second"),
        ),
        "storage": _storage(go, storage_rows(results)),
        "loads": _bars(go, load_rows(results), x="rate", y="load", axis={"title": "Trades a second"}),
        "refresh": _bars(go, refresh_rows(results), x="seconds", y="after", axis={"title": "Seconds", **_LOG}),
    }  # fmt: skip
    found: dict[str, str] = {}
    for name, figure in drawn.items():
        if figure is None:
            continue
        legend = {"orientation": "h", "yref": "container", "y": 1, "yanchor": "top"}
        figure.update_layout(template="plotly_white", legend=legend, margin={"t": 70, "b": 50})
        found[name] = figure.to_html(
            full_html=False, include_plotlyjs=not found, div_id=f"figure-{name}", config={"displaylogo": False}
        )
    return found


def _plotly() -> Any:
    try:
        import plotly.graph_objects
    except ImportError:
        raise DpmError("The figures need plotly. Install it: pip install 'dpm-assets[bench]'.") from None
    return plotly.graph_objects


def _bars(go: Any, data: list[Row], *, x: str, y: str, axis: dict[str, Any]) -> Any:
    """Bars of the systems beside each other, for every y; the first on top."""
    if not data:
        return None
    titles = titles_in(data)
    figure = go.Figure()
    for title in titles:
        rows = [row for row in data if row["system"] == title]
        figure.add_bar(
            x=[row[x] for row in rows], y=[row[y] for row in rows], name=title, orientation="h",
            marker_color=COLOURS[title],
        )  # fmt: skip
    order = list(dict.fromkeys(row[y] for row in data))
    figure.update_layout(height=140 + 14 * len(titles) * len(order), xaxis=axis, margin={"l": 220})
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=order)
    return figure


def _panels(
    go: Any, data: list[Row], *, panel: str, order: Sequence[str], columns: int, x: str, y: str, words: tuple[str, str]
) -> Any:
    """A small plot for each of the panels, logarithmic both ways."""
    if not data:
        return None
    from plotly.subplots import make_subplots

    there = [name for name in order if any(row[panel] == name for row in data)]
    lines = -(-len(there) // columns)
    figure = make_subplots(lines, columns, subplot_titles=there)
    named: set[str] = set()
    for place, name in enumerate(there):
        for title in titles_in(data):
            rows = [row for row in data if row[panel] == name and row["system"] == title]
            if not rows:
                continue
            figure.add_trace(
                go.Scatter(
                    x=[row[x] for row in rows], y=[row[y] for row in rows], name=title, mode="lines+markers",
                    line_color=COLOURS[title], legendgroup=title, showlegend=title not in named,
                ),
                place // columns + 1, place % columns + 1,
            )  # fmt: skip
            named.add(title)
    figure.update_xaxes(type="log", title=words[0])
    figure.update_yaxes(type="log")
    figure.update_yaxes(title=words[1], col=1)
    figure.update_layout(height=120 + 260 * lines)
    return figure


def _storage(go: Any, data: list[Row]) -> Any:
    order = list(dict.fromkeys(row["system"] for row in data))
    figure = go.Figure()
    for kind in KIND_TITLES:
        rows = [row for row in data if row["kind"] == kind]
        figure.add_bar(x=[row["bytes"] for row in rows], y=[row["system"] for row in rows], name=kind, orientation="h")
    figure.update_layout(barmode="stack", height=160 + 40 * len(order), xaxis={"title": "Bytes a trade"})
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=order)
    return figure
