"""The UI in a browser, as an engineer on call uses it: the whole service is up, with six months of trades."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from dpm_assets.calendar import add_months, month_of, months_between, today
from dpm_assets.months import key_of
from tests.browser import keep_picture, opened_page
from tests.places import open_folder
from tests.service import Service

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
    page.goto("/asset-groups")
    for group in GROUPS:
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    keep_picture(page, "asset_graph")


def test_an_asset_says_what_it_is_and_what_each_column_is_made_from(page: Page) -> None:
    page.goto(f"/assets/{VIEW}?view=overview")
    expect(page.get_by_text("One row a date: accounts, trades, rates")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_text("total_profit", exact=True))
    expect(row).to_contain_text("Net: profit with commission and swap.")
    expect(row.get_by_role("link", name="rollup_market_day")).to_have_attribute("href", "/assets/rollup_market_day")
    keep_picture(page, "asset")
    row.get_by_role("link", name="rollup_market_day").click()
    expect(page).to_have_url(lambda url: "/assets/rollup_market_day" in url)


def test_a_range_of_months_is_backfilled_from_the_dialog(page: Page, service: Service) -> None:
    before = service.runs("status = 'SUCCESS'")
    page.goto(f"/assets/{VIEW}?view=partitions")
    page.get_by_role("button", name="Materialize").first.click()
    chosen = page.get_by_test_id("choose-partitions-dialog").get_by_role("textbox").first
    chosen.fill(f"[{key_of(MONTHS[1])}...{key_of(MONTHS[4])}]")
    chosen.press("Enter")
    expect(page.get_by_text("4 partitions").first).to_be_visible()
    keep_picture(page, "backfill")
    page.get_by_test_id("launch-button").click()
    page.goto("/runs?view=backfills")
    expect(page.get_by_text("Completed").first).to_be_visible(timeout=60_000)
    [(run, *_)] = set(service.runs("status = 'SUCCESS'")) - set(before)
    assert run
