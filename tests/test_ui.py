"""The UI in a browser, as an engineer on call uses it: the whole service is up, with six months of trades."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from dpm_assets.calendar import add_months, month_of, months_between, today
from dpm_assets.months import key_of
from tests.browser import keep_picture, opened_page
from tests.places import open_folder
from tests.service import Service, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("service")]

FIRST = add_months(month_of(today()), -6)
MONTHS = list(months_between(FIRST, add_months(FIRST, 5)))
GROUPS = ("schema", "partitions", "raw", "rollups", "views", "live_views", "monitor", "archive", "migration")
VIEW = "mv_daily_trading_stats"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with open_folder("ui") as folder:
        running = Service(folder, DPM_FIRST_MONTH=f"{FIRST:%Y-%m}")
        running.start()
        try:
            running.load_sample(20_000, 6, FIRST)
            yield running
        finally:
            if running.process:
                running.stop()


@pytest.fixture(scope="module")
def page(service: Service) -> Iterator[Page]:
    with opened_page(f"http://127.0.0.1:{service.port}") as page:
        yield page


def test_the_graph_shows_its_groups(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 560})
    page.goto("/asset-groups")
    for group in GROUPS:
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    expect(page.locator("path[marker-end]")).not_to_have_count(0)  # the edges come after the boxes
    keep_picture(page, "asset_graph")
    page.set_viewport_size({"width": 1280, "height": 820})


def test_an_asset_says_what_it_is_and_what_each_column_is_made_from(page: Page) -> None:
    page.goto(f"/assets/{VIEW}?view=overview")
    expect(page.get_by_text("One row a date: accounts, trades, rates")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_text("total_profit", exact=True))
    expect(row).to_contain_text("Sum of net, money.")
    expect(row.get_by_role("link", name="rollup_market_day")).to_have_attribute("href", "/assets/rollup_market_day")
    keep_picture(page, "asset")
    row.get_by_role("link", name="rollup_market_day").click()
    expect(page).to_have_url(re.compile("/assets/rollup_market_day"))


def test_a_range_of_months_is_backfilled_from_the_dialog(page: Page, service: Service) -> None:
    first, last = key_of(MONTHS[1]), key_of(MONTHS[4])
    page.goto(f"/assets/{VIEW}?view=partitions")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Show all partitions").click()  # it begins with those of the last 90 days
    chosen = page.get_by_role("textbox").last  # the dialog's, after the page's own
    chosen.fill(f"[{first}...{last}]")
    chosen.press("Enter")
    expect(page.get_by_text("4 partitions", exact=True).first).to_be_visible()
    keep_picture(page, "backfill")
    page.get_by_role("button", name="Launch backfill").click()
    page.get_by_role("link", name="View", exact=True).click()
    expect(page.get_by_text("100% completed")).to_be_visible(timeout=180_000)
    expect(page.get_by_text("In progress", exact=True)).to_have_count(1, timeout=120_000)  # the column's title alone
    runs = service.runs(
        "run_body::json->'tags'->>'dagster/asset_partition_range_start' = %s"
        " and run_body::json->'tags'->>'dagster/asset_partition_range_end' = %s",
        first,
        last,
    )
    assert [(status, backfill is not None) for _, status, backfill in runs] == [("SUCCESS", True)], (
        "four months, one run"
    )


def test_the_checks_of_a_view_are_green(page: Page) -> None:
    page.goto(f"/assets/{VIEW}?view=checks")
    expect(page.get_by_text("equals_recomputation").first).to_be_visible()
    page.get_by_role("button", name="Execute all").click()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(2, timeout=120_000)
    expect(page.get_by_text("Passed", exact=True)).to_be_visible()
    keep_picture(page, "checks")


def test_the_numbers_of_loads_are_plotted(page: Page) -> None:
    page.goto("/assets/raw_trades_closed?view=overview")
    page.get_by_role("button", name="Plots").click()
    for label in ("rows_inserted", "rows_rejected", "rows_per_second"):
        expect(page.get_by_text(label, exact=True).first).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    page.locator("canvas").first.scroll_into_view_if_needed()
    keep_picture(page, "plots")


def test_the_profit_of_a_month_is_a_picture(page: Page) -> None:
    page.goto(f"/assets/{VIEW}?view=overview")
    page.get_by_role("row").filter(has_text="daily_profit").get_by_text("[Show Markdown]").click()
    expect_picture(page, "net profit of each day of")
    keep_picture(page, "daily_profit")


def test_the_sizes_of_partitions_are_a_picture(page: Page, service: Service) -> None:
    page.goto("/assets/partition_statistics?view=overview")
    page.get_by_role("button", name="Materialize").first.click()
    done = "status = 'SUCCESS' and run_body like '%%partition_statistics%%'"
    wait_for(lambda: bool(service.runs(done)), 120, "the collection of statistics")
    page.reload()  # an open page shows that it was materialized, and not with what
    page.get_by_role("row").filter(has_text="raw_trades_closed/sizes").get_by_text("[Show Markdown]").click()
    expect_picture(page, "sizes of raw_trades_closed")
    keep_picture(page, "sizes")


def expect_picture(page: Page, words: str) -> None:
    """That the browser has drawn the picture, and not its place."""
    picture = page.get_by_role("img", name=words)
    expect(picture).to_be_visible()
    assert picture.evaluate("picture => picture.complete && picture.naturalWidth") >= 300


def test_schedules_and_sensors_say_what_they_do(page: Page) -> None:
    page.goto("/automation")
    for name in ("trade_changes_sensor", "landing_sensor", "monthly_rollover", "lag_watch"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.get_by_text("At 5 minutes past the hour").first).to_be_visible()
    keep_picture(page, "automation")
