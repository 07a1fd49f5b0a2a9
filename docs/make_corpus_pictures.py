"""Takes the pictures of ``docs/corpus.md`` from a card, in a headless Chromium.

``python docs/make_corpus_pictures.py CARD.html`` makes ``docs/images/corpus-*.png`` anew of the card that the page's
own commands make. It needs ``chromium`` on the path, and Pillow.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

IMAGES = Path(__file__).parent / "images"
WIDTH = 1100
PARTS = {"corpus-balance": "balance", "corpus-quality": "quality", "corpus-splits": "splits"}
SHOWN_PX = {"corpus-splits": 700}
"""Height of what is shown of a long section."""


def main() -> None:
    """Show one section at a time, and cut off what is blank around it."""
    card = Path(sys.argv[1]).read_text(encoding="utf-8")
    for name, section in PARTS.items():
        others = f"<style>header, section {{ display:none }} #{section}, #{section} + .none {{ display:block }}"
        also = "#rate { display:block }" if section == "quality" else ""
        with tempfile.TemporaryDirectory() as folder:
            page, shot = Path(folder, "page.html"), Path(folder, "shot.png")
            page.write_text(card.replace("</head>", f"{others} {also}</style></head>"), encoding="utf-8")
            size = f"--window-size={WIDTH},1600"
            chromium = ("chromium", "--headless", "--no-sandbox", "--hide-scrollbars", size, f"--screenshot={shot}")
            subprocess.run([*chromium, page.as_uri()], check=True, capture_output=True)
            picture = Image.open(shot).convert("RGB")
            blank = Image.new("RGB", picture.size, picture.getpixel((0, 0)))
            left, top, right, bottom = ImageChops.difference(picture, blank).getbbox() or (0, 0, *picture.size)
            bottom = min(bottom, top + SHOWN_PX.get(name, bottom))
            picture.crop((left - 12, top - 12, right + 12, bottom + 12)).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
