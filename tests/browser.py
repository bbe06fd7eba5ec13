"""Debian's Chromium for a test of the UI, and the pictures of it that the documentation shows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = Path(os.environ.get("DPM_CHROMIUM", "/usr/bin/chromium"))
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
LARGEST = 200_000
PATIENCE_MS = 30_000


@contextmanager
def opened_page(address: str) -> Iterator[Page]:
    """A page of a browser of its own; paths are relative to `address`."""
    if not CHROMIUM.exists():
        pytest.fail(
            f"There is no Chromium at {CHROMIUM}: apt-get install chromium, or name another one in DPM_CHROMIUM."
        )
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        try:
            page = browser.new_page(
                base_url=address,
                viewport={"width": 1280, "height": 820},
                color_scheme="light",
                locale="en-GB",
                timezone_id="UTC",
                reduced_motion="reduce",
            )
            page.set_default_timeout(PATIENCE_MS)
            yield page
        finally:
            browser.close()


def keep_picture(page: Page, name: str) -> None:
    """With DPM_SCREENSHOTS, writes what the page shows to docs/images/NAME.png."""
    if not os.environ.get("DPM_SCREENSHOTS"):
        return
    IMAGES.mkdir(parents=True, exist_ok=True)
    picture = page.screenshot(type="png", animations="disabled", caret="hide")
    assert len(picture) < LARGEST, f"{name}.png would have {len(picture):,} bytes"
    (IMAGES / f"{name}.png").write_bytes(picture)
