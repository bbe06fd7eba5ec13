"""The report: Markdown with pictures beside it, one HTML file with figures in their place that needs nothing else, and what it
was written from for programs to read."""

import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from dpm_assets.bench.charts import pictures
from dpm_assets.bench.interactive import figures
from dpm_assets.bench.report_sections import sections
from dpm_assets.bench.results import Results
from dpm_assets.bench.store import FOLDED, folded

NAME = "schema_analysis_report"
_WORDS = {
    "queries": "Medians of every query in the four systems",
    "growth": "How six queries grow with the trades",
    "throughput": "Queries a second by connections",
    "storage": "Bytes a trade by kind",
    "loads": "Trades loaded a second",
    "refresh": "Seconds until all views are fresh",
}
_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px; display: block; overflow-x: auto; }
th, td { border: 1px solid #d5dbe1; padding: .25rem .6rem; text-align: left; vertical-align: top; }
th { background: #f2f4f6; }
img { max-width: 100%; }
code { background: #f2f4f6; padding: 0 .2em; }
"""


def write_report(results: Results, folder: Path) -> tuple[Path, Path]:
    """Write folder/schema_analysis_report.md, its pictures with results.json beside them, and the .html; returns the first and
    the last."""
    drawn = pictures(results)
    folder.mkdir(parents=True, exist_ok=True)
    images = folder / NAME
    images.mkdir(exist_ok=True)
    for old in images.glob("*.svg"):
        old.unlink()
    for name, svg in drawn.items():
        (images / f"{name}.svg").write_text(svg, encoding="utf-8")
    (images / FOLDED).write_text(folded(results.plan, results.stages), encoding="utf-8")
    linked = f"Every figure with all its runs, for programs: [{FOLDED}]({NAME}/{FOLDED})."
    text = f"{markdown(results, list(drawn))}\n{linked}\n"
    page = folder / f"{NAME}.md"
    page.write_text(text, encoding="utf-8")
    whole = folder / f"{NAME}.html"
    whole.write_text(html(text, figures(results)), encoding="utf-8")
    return page, whole


def markdown(results: Results, drawn: Sequence[str]) -> str:
    """The report, with a link to NAME/PICTURE.svg at the head of each section that has a picture."""
    parts = [f"# The schemas compared: {results.sizes[-1]:,} trades"]
    for section in sections(results):
        picture = f"\n![{_WORDS[section.picture]}]({NAME}/{section.picture}.svg)\n" if section.picture in drawn else ""
        parts.append(f"## {section.title}\n{picture}\n{section.text}")
    return "\n\n".join(parts) + "\n"


def inlined(text: str, drawn: dict[str, str]) -> str:
    """The Markdown with its pictures inside."""
    return re.sub(
        rf"\({NAME}/(\w+)\.svg\)",
        lambda match: f"(data:image/svg+xml;base64,{b64encode(drawn[match[1]].encode()).decode()})",
        text,
    )


def html(text: str, figures_of: dict[str, str]) -> str:
    """One page, a figure in the place of each picture that has one."""
    from markdown_it import MarkdownIt

    title = text.partition("\n")[0].removeprefix("# ")
    page = MarkdownIt("commonmark").enable("table").render(text)
    page = re.sub(
        rf'<p><img src="{NAME}/(\w+)\.svg" alt="[^"]*" /></p>', lambda match: figures_of.get(match[1], ""), page
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body>\n{page}</body></html>\n"
    )
