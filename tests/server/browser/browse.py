"""Opens pages in Chromium as people do, over its debugging protocol, and prints what is wrong with them, a line each.

usage: browse.py URL DIR [AXE]: screenshots go into DIR; AXE is axe-core's script. Scripts of pages are off throughout."""
import asyncio, base64, json, os, re, subprocess, sys, tempfile, urllib.request
import websockets

URL, DIR, AXE = sys.argv[1], sys.argv[2], (sys.argv[3:] or [None])[0]
SHOWN = {"front": "/", "search": "/?search=clap", "package": "/packages/zig-clap", "hostile": "/packages/hostile",
         "check": "/checks/7", "build": "/builds/25", "failed": "/builds/2", "log": "/builds/2/log", "queue": "/queue", "submit": "/submit",
         "missing": "/packages/nobody", "long": "/packages/a-package-with-a-name-that-is-longer-than-any-honest-one-could-ever-need"}
problems = []


class Tab:
    def __init__(self, socket):
        self.socket, self.next, self.events = socket, 0, []

    async def send(self, method, **params):
        self.next += 1
        await self.socket.send(json.dumps({"id": self.next, "method": method, "params": params}))
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), 60))
            if message.get("id") == self.next:
                return message.get("result") or {"error": message.get("error")}
            self.events.append(message)

    async def event(self, method):
        while True:
            for nth, message in enumerate(self.events):
                if message.get("method") == method:
                    return self.events.pop(nth)["params"]
            self.events.append(json.loads(await asyncio.wait_for(self.socket.recv(), 60)))

    async def open(self, path):
        self.events.clear()
        await self.send("Page.navigate", url=path if "://" in path else URL + path)
        await self.loaded()

    async def loaded(self):
        """Waits until a page is there; one that is live never ends, and is there at once."""
        try:
            await asyncio.wait_for(self.event("Page.loadEventFired"), 2)
        except asyncio.TimeoutError:
            pass

    async def evaluate(self, expression):
        answer = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer.get("result", {}).get("value")

    async def size(self, width):
        await self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 700)

    async def scheme(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.send("Emulation.setEmulatedMedia", media="", features=features)


def get(path):
    """The status and the type of what is there, as a browser asks for it. The log of a running build has no end."""
    request = urllib.request.Request(URL + path, headers={"Accept": "text/html"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"]


async def follow_links(tab):
    """Opens each page that a link leads to."""
    seen, todo = {"/"}, ["/"]
    while todo:
        path = todo.pop()
        status, kind = get(path)
        is_for_programs = path == "/openapi.json"
        if status != 200 or ("json" in kind and not is_for_programs):
            problems.append(f"{path}: {status}, {kind}")
        if not kind.startswith("text/html"):
            continue
        await tab.open(path)
        for link in await tab.evaluate("[...document.links].map(a => a.href)"):
            own = link.split("#")[0]
            if own.startswith(URL + "/") and own[len(URL):] not in seen:
                seen.add(own[len(URL):])
                todo.append(own[len(URL):])
            elif not link.startswith(("http://", "https://")):
                problems.append(f"{path} leads to {link}")
    print(f"followed {len(seen)} links")


async def submit(tab):
    """Types a repository into the form, and goes on to its check."""
    await tab.open("/submit")
    await tab.evaluate("document.getElementById('url').focus()")
    await tab.send("Input.insertText", text="https://example.org/x")
    for kind in ["keyDown", "keyUp"]:
        await tab.send("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    await tab.loaded()
    kept = await tab.evaluate("document.getElementById('url').value + ' ' + document.getElementById('url-fault').textContent")
    if not str(kept).startswith("https://example.org/x "):
        problems.append(f"the error is not beside its field: {kept}")
    await tab.evaluate("document.getElementById('url').value = 'https://github.com/typed/typed'")
    await tab.evaluate("document.querySelector('form.field').submit()")
    await tab.loaded()
    where = await tab.evaluate("location.pathname")
    if not re.match(r"/checks/\d+$", where):
        problems.append(f"the form leads to {where}")
    await tab.open("/packages/zig-clap")
    await tab.evaluate("document.querySelector('form[method=post]').submit()")
    await tab.loaded()
    where = await tab.evaluate("location.pathname")
    if not re.match(r"/checks/\d+$", where):
        problems.append(f"the button leads to {where}")
    print("submitted")


async def measure(tab):
    """Screenshots of all sizes and schemes; nothing is wider than its screen, and axe-core finds nothing."""
    axe = open(AXE).read() if AXE else None
    for name, path in SHOWN.items():
        for scheme in ["light", "dark"]:
            await tab.scheme(scheme)
            for width in [320, 768, 1280]:
                await tab.size(width)
                await tab.open(path)
                wide = await tab.evaluate("document.scrollingElement.scrollWidth")
                if wide > width:
                    problems.append(f"{path} is {wide} wide at {width}")
                shot = await tab.send("Page.captureScreenshot", captureBeyondViewport=True)
                with open(f"{DIR}/{name}-{width}-{scheme}.png", "wb") as file:
                    file.write(base64.b64decode(shot["data"]))
                if axe and width != 768:
                    # axe-core waits by timers, which stand still where scripts are off. The page has none of its own.
                    await tab.send("Emulation.setScriptExecutionDisabled", value=False)
                    await tab.open(path)
                    await tab.evaluate(axe)
                    run = "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' ')))"
                    found = await tab.evaluate(run)
                    for violation in ["axe-core did not run"] if found is None else found:
                        problems.append(f"{path} {width} {scheme}: {violation}")
                    await tab.send("Emulation.setScriptExecutionDisabled", value=True)
        title = await tab.evaluate("document.title")
        if title in ("", "run"):
            problems.append(f"{path} has the title {title!r}")
    await tab.send("Emulation.setEmulatedMedia", media="print", features=[])
    await tab.open("/packages/zig-clap")
    pdf = await tab.send("Page.printToPDF", printBackground=True)
    with open(f"{DIR}/package.pdf", "wb") as file:
        file.write(base64.b64decode(pdf["data"]))
    print(f"shown {len(SHOWN)} pages")


async def main():
    os.makedirs(DIR, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                 "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        browser = subprocess.Popen(["chromium", *flags], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            for line in browser.stderr:
                found = re.search(r"DevTools listening on ws://([^/]+)/", line)
                if found:
                    break
            tabs = json.load(urllib.request.urlopen(f"http://{found[1]}/json"))
            page = next(tab for tab in tabs if tab["type"] == "page")
            async with websockets.connect(page["webSocketDebuggerUrl"], max_size=1 << 28) as socket:
                tab = Tab(socket)
                await tab.send("Page.enable")
                await tab.send("Runtime.enable")
                await tab.send("Emulation.setScriptExecutionDisabled", value=True)
                await follow_links(tab)
                await measure(tab)
                await submit(tab)
        finally:
            browser.terminate()
            browser.wait()
    for problem in problems:
        print("problem:", problem)


asyncio.run(main())
