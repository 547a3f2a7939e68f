"""Makes the pictures of README in Chromium.

usage: pictures.py URL DIR: a picture for each page goes into DIR."""
import base64, os, sys

from browsers import BROWSERS

URL, DIR = sys.argv[1:]
WIDTH = 940
# Name, page, colours, and what is shown of it: from the top or from its heading, to a height.
PICTURES = [("packages", "/", "light", 0, 600), ("package", "/packages/zeit", "light", 96, 886), ("build", "/builds/25", "dark", 0, 584)]

os.makedirs(DIR, exist_ok=True)
with BROWSERS["chromium"](URL) as browser:
    window = browser.window()
    for name, path, scheme, top, bottom in PICTURES:
        browser.go(window, path)
        browser.size(window, WIDTH)
        browser.scheme(window, scheme)
        clip = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top, "scale": 1}
        shot = browser.send(window, "Page.captureScreenshot", format="webp", quality=72, clip=clip, captureBeyondViewport=True)
        with open(f"{DIR}/{name}.webp", "wb") as file:
            file.write(base64.b64decode(shot["data"]))
        print(f"pictured {browser.ask(window, 'document.title')}")
