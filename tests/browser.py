"""A report in headless Chromium, and everything that it asked for or complained of."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = 375
PATIENCE_MS = 300_000.0
"""Before a browser is given up: tests are not to fail because the machine is busy."""


def find_chromium() -> str | None:
    """The program of the system, under any of its names."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@contextmanager
def run_chromium(program: str) -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS, timeout=PATIENCE_MS)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page with what it asked for (`requests`) and complained of (`complaints`)."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def colour_of(self, selector: str, name: str = "color") -> str:
        """A computed style of the first such element."""
        return self.page.eval_on_selector(selector, f"element => getComputedStyle(element)['{name}']")

    def width(self) -> int:
        """Of all there is on the page, whether it has room or not."""
        return self.page.evaluate("document.documentElement.scrollWidth")


@contextmanager
def opened(browser: Browser, path: Path, *, width: int = 1280, scheme: str = "light") -> Iterator[Opened]:
    """A file as a browser of that width shows it, in light or dark."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE_MS)
    found = Opened(context.new_page())
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.goto(path.as_uri())
    try:
        yield found
    finally:
        context.close()
