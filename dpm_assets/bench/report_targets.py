"""What the report says first: in short what came out, and each target with what bounds those that were missed."""

from collections import Counter

from dpm_assets.bench.bounds import BOUNDS, CLAIMED
from dpm_assets.bench.queries import questions
from dpm_assets.bench.report_tables import table, times_faster
from dpm_assets.bench.results import Results
from dpm_assets.bench.targets import judge, slower_than_original

_DEVELOPMENT = (
    "What bounds those that were missed, and what was tried. The figures in this list are of development runs on 2 cores with"
    " PostgreSQL 18, most with months of 0.5 to 2.5 million trades, and where they say so of the run of 81 million trades; those"
    " of this run are in the tables below:"
)


def in_short(results: Results) -> str:
    """A sentence for each thing that somebody decides by: speed, what gets slower, room, freshness."""
    met = Counter(one.met for one in judge(results))
    unmeasured = f", {met[None]} not measured" if met[None] else ""
    sentences = [
        f"{met[True]} of {met.total()} targets are met, {met[False]} missed{unmeasured}.",
        _speed(results),
        _slower(results),
        _room(results),
        _freshness(results),
    ]
    return "\n".join(f"- {sentence}" for sentence in sentences if sentence)


def targets_section(results: Results) -> str:
    said = {True: "met", False: "**missed**", None: "not measured"}
    judged = judge(results)
    rows = [[one.target, CLAIMED.get(one.target, ""), one.bound, one.measured, said[one.met]] for one in judged]
    missed = [
        f"- **{one.target}**: {BOUNDS[one.target]}" for one in judged if one.met is False and one.target in BOUNDS
    ]
    bounded = "\n".join(["", "", _DEVELOPMENT, "", *missed]) if missed else ""
    return (
        "*Claimed* is what was claimed for the optimized schemas that came before this one; what the original itself takes"
        " stands under Queries, Loads and Storage.\n\n"
        f"{table(['target', 'claimed', 'asked', 'measured', ''], rows)}{bounded}"
    )


def _speed(results: Results) -> str:
    factors = sorted(
        (factor, query.name)
        for query in questions().queries
        if len(query.forms) > 1 and {"dated", "history"} & query.tags and "point" not in query.tags
        for factor in [results.factor(query)]
        if factor is not None
    )
    if not factors:
        return ""
    (least, slow), (most, fast) = factors[0], factors[-1]
    return (
        f"Aggregates out of rollups and views are {times_faster(least)} (`{slow}`) to {times_faster(most)} (`{fast}`) as fast as"
        " the original answers them from its trades."
    )


def _slower(results: Results) -> str:
    found = slower_than_original(results)
    if not found:
        return "No query of the original, sent as it is, takes more than twice as long."
    query, _, worst = max(found, key=lambda one: one[2])
    return (
        f"{len({one.name for one, _, _ in found})} of {len(questions().queries)} queries of the original, sent as they are, take"
        f" more than twice as long, at most {worst:.1f} times (`{query.name}`)."
    )


def _room(results: Results) -> str:
    stored = {
        name: results.load(name, results.last)["storage"]["bytes_a_trade"] for name in ("baseline", "v2", "production")
    }
    original = stored["baseline"]
    cold = results.stages.get("storage_cold")
    with_cold = f", {100 * cold['bytes_a_trade'] / original:.0f} % with {cold['months']} months cold" if cold else ""
    unmade = " without its views, which were not made in time" if results.views_stopped_at else ""
    return (
        f"A trade takes {stored['production']:.0f} bytes with rollups and views, {100 * stored['production'] / original:.0f} % of"
        f" the original's {original:.0f}{with_cold}; v2 takes {100 * stored['v2'] / original:.0f} %{unmade}."
    )


def _freshness(results: Results) -> str:
    ours, theirs = (results.stages.get(f"refresh.{name}", {}) for name in ("production", "v2"))
    if "day" not in ours or "everything" not in theirs:
        return ""
    if results.views_stopped_at:
        v2 = (
            f"v2's were not made in {results.plan['longest']:g} s at {results.views_stopped_at:,} trades, and not tried with"
            " more"
        )
    else:
        more = "more than " if theirs["everything"].get("stopped") else ""
        v2 = f"v2 takes {more}{theirs['everything']['median'] / 1000:,.0f} s for any"
    return (
        f"All views are fresh {ours['small']['median'] / 1000:.1f} s after {ours['small']['trades']:,} new trades and"
        f" {ours['day']['median'] / 1000:.1f} s after a day's {ours['day']['trades']:,}; {v2}."
    )
