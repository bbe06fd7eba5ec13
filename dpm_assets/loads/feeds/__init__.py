"""What a file means: one declaration for each feed. `docs/adding_a_feed.md` shows how to add one."""

from dataclasses import replace

from dpm_assets.errors import DpmError
from dpm_assets.loads.feeds.feed import Column, Feed, Partitions, squash
from dpm_assets.loads.feeds.metrics import ALLTIME_METRICS, DAILY_METRICS, HOURLY_METRICS
from dpm_assets.loads.feeds.snapshots import ACCOUNTS, PLANS, REGIMES
from dpm_assets.loads.feeds.trades import OPEN_TRADES, TRADES
from dpm_assets.loads.feeds.types import ColumnType, Day, Flag, Json, Moment, Number, Text, Vector, Whole
from dpm_assets.settings import settings

FEEDS: dict[str, Feed] = {
    feed.name: feed
    for feed in (TRADES, OPEN_TRADES, DAILY_METRICS, HOURLY_METRICS, ALLTIME_METRICS, ACCOUNTS, PLANS, REGIMES)
}


def feed_named(name: str) -> Feed:
    """Raises DpmError with the feeds there are when there is none of this name."""
    if name not in FEEDS:
        raise DpmError(f"There is no feed {name!r}. The feeds are {', '.join(FEEDS)}.")
    return FEEDS[name]


def as_set_up(feed: Feed) -> Feed:
    """The feed with the time zone and the trading day's beginning that DPM_FEED_TIMEZONES and DPM_FEED_DAY_CUTOFFS give it.

    Raises DpmError when they name a feed that there is not.
    """
    zones, cutoffs = settings().feed_timezones, settings().feed_day_cutoffs
    for name in (*zones, *cutoffs):
        feed_named(name)
    return replace(
        feed,
        time_zone=zones.get(feed.name, feed.time_zone),
        day_cutoff=cutoffs.get(feed.name, feed.day_cutoff),
    )


__all__ = [
    "ACCOUNTS",
    "ALLTIME_METRICS",
    "DAILY_METRICS",
    "FEEDS",
    "HOURLY_METRICS",
    "OPEN_TRADES",
    "PLANS",
    "REGIMES",
    "TRADES",
    "Column",
    "ColumnType",
    "Day",
    "Feed",
    "Flag",
    "Json",
    "Moment",
    "Number",
    "Partitions",
    "Text",
    "Vector",
    "Whole",
    "as_set_up",
    "feed_named",
    "squash",
]
