"""Screenshots of the built site: each page at 1,400 and 420 pixels, light and dark, for eyes to judge.

    make docs && pip install playwright      # and Chromium, from your system's packages
    python docs/look.py --out /tmp/shots [PAGE.html ...]

Exits with 1 where a page scrolls sideways or asks another machine for anything.
"""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SITE = Path(__file__).resolve().parent.parent / "site"
WIDTHS = (1400, 420)
MAX_HEIGHT = 6000
"""Pixels of a long page that are drawn."""


def look(pages: list[str], out: Path) -> list[str]:
    """Write a picture of each page in each setting; return what is wrong, a line each."""
    faults = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for width in WIDTHS:
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                page = context.new_page()
                asked: list[str] = []
                page.on("request", lambda request, asked=asked: asked.append(request.url))
                for name in pages:
                    page.goto((SITE / name).as_uri())
                    wide, high = page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]")
                    if wide > width:
                        faults.append(f"{name}: {wide} pixels wide in a window of {width}")
                    clip = {"x": 0, "y": 0, "width": width, "height": min(high, MAX_HEIGHT)}
                    picture = f"{name.removesuffix('.html').replace('/', '_')}-{width}-{scheme}.png"
                    page.screenshot(path=out / picture, full_page=True, clip=clip)
                faults += sorted({url for url in asked if url.startswith("http")})
        browser.close()
    return faults


def main() -> int:
    """Read the arguments; the exit status says whether a page is at fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("pages", nargs="*", help="of the site; by default all")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    every = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html"))
    faults = look(options.pages or every, options.out)
    print("\n".join(faults) or "no page at fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
