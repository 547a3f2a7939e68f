"""Watches one submission from the form to its verdict on each live page of a browser with scripts off, and prints what
is wrong, a line each.

usage: watch.py BROWSER URL GO: BROWSER is chromium or firefox; the build of the package ends once the file GO is there."""
import asyncio, json, re, socket, subprocess, sys, tempfile, time, urllib.request
import websockets

BROWSER, URL, GO = sys.argv[1:]
PATIENCE_S = 60
TEXT = "document.body ? document.body.innerText : ''"


class Chromium:
    """Over its debugging protocol; each window has a connection of its own."""

    def __init__(self, profile):
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(["chromium", *flags], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        listens = (re.search(r"DevTools listening on ws://([^/]+)/", line) for line in self.process.stderr)
        self.address = next(found[1] for found in listens if found)
        self.loop = asyncio.new_event_loop()

    def send(self, window, method, **params):
        async def answer():
            await window.send(json.dumps({"id": 1, "method": method, "params": params}))
            while True:
                message = json.loads(await window.recv())
                if "id" in message:
                    return message.get("result", {})
        return self.loop.run_until_complete(asyncio.wait_for(answer(), PATIENCE_S))

    def open(self, path):
        new = urllib.request.Request(f"http://{self.address}/json/new?about:blank", method="PUT")
        address = json.load(urllib.request.urlopen(new))["webSocketDebuggerUrl"]

        async def connect():
            return await websockets.connect(address, max_size=1 << 28, ping_interval=None)
        window = self.loop.run_until_complete(connect())
        self.send(window, "Emulation.setScriptExecutionDisabled", value=True)
        self.send(window, "Page.navigate", url=URL + path)
        return window

    def ask(self, window, expression):
        return self.send(window, "Runtime.evaluate", expression=expression, returnByValue=True).get("result", {}).get("value")

    def type(self, window, text):
        self.ask(window, "document.getElementById('url').focus()")
        self.send(window, "Input.insertText", text=text)
        for kind in ["keyDown", "keyUp"]:
            self.send(window, "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")


class Firefox:
    """Over Marionette: a message is its length, a colon and JSON; commands go to one window at a time."""

    def __init__(self, profile):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with open(f"{profile}/user.js", "w") as file:
            file.write(f'user_pref("javascript.enabled", false);\nuser_pref("marionette.port", {port});\n')
        self.process = subprocess.Popen(["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", profile],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begun = time.monotonic()
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
                break
            except OSError:
                if time.monotonic() - begun > PATIENCE_S:
                    raise
                time.sleep(0.1)
        self.answers, self.count = self.socket.makefile("rb"), 0
        self.read()
        # Live pages never end: what waits until a page is loaded would wait for ever.
        self.send("NewSession", capabilities={"alwaysMatch": {"pageLoadStrategy": "none"}})

    def read(self):
        length = b""
        while not length.endswith(b":"):
            length += self.answers.read(1)
        return json.loads(self.answers.read(int(length[:-1])))

    def send(self, command, **params):
        self.count += 1
        message = json.dumps([0, self.count, f"WebDriver:{command}", params]).encode()
        self.socket.sendall(str(len(message)).encode() + b":" + message)
        _, _, error, result = self.read()
        if error:
            raise RuntimeError(f"{command}: {error['message']}")
        return result

    def open(self, path):
        window = self.send("NewWindow", type="tab")["handle"]
        self.send("SwitchToWindow", handle=window)
        # The command Navigate would wait for the end of a live page.
        self.send("ExecuteScript", script="location.href = arguments[0]", args=[URL + path])
        return window

    def ask(self, window, expression):
        self.send("SwitchToWindow", handle=window)
        return self.send("ExecuteScript", script=f"return {expression}", args=[])["value"]

    def type(self, window, text):
        self.send("SwitchToWindow", handle=window)
        field = self.send("FindElement", using="css selector", value="#url")["value"]
        self.send("ElementSendKeys", id=next(iter(field.values())), text=text + "\ue007")


def wait(what, condition):
    """What the condition gives once it is true. A page that is about to be replaced may have no answer."""
    begun = time.monotonic()
    while True:
        try:
            found = condition()
        except RuntimeError:
            found = None
        if found or time.monotonic() - begun > PATIENCE_S:
            break
        time.sleep(0.05)
    if not found:
        print(f"problem: {what}: never")
    return found


def watch(browser):
    first = browser.open("/submit")
    wait("the form", lambda: browser.ask(first, "document.getElementById('url') !== null"))
    browser.type(first, "https://github.com/typed/slowly")
    pattern = r"/(checks/\d+)$"
    wait("the form leads to a check", lambda: re.match(pattern, browser.ask(first, "location.pathname") or ""))
    check = browser.ask(first, "location.pathname")
    to_build = "[...document.links].map(a => a.pathname).filter(p => /^\\/builds\\/\\d+$/.test(p))[0]"
    build = wait("a link to the build", lambda: browser.ask(first, to_build))
    # Each live page, what it shows while the build runs, and what it shows at last.
    pages = {check: ("building", "success"), build: ("building", "builds"), f"{build}/log": ("3 tenths of a second", "testing slowly"),
             "/queue": ("slowly", "Nothing runs")}
    windows = {path: first if path == check else browser.open(path) for path in pages}
    for path, (running, _) in pages.items():
        wait(f"{path} shows {running!r}", lambda: running in browser.ask(windows[path], TEXT))
        # It goes where the page goes: a page that is loaded again has none.
        browser.ask(windows[path], "document.documentElement.setAttribute('data-seen', '1')")
        if browser.ask(windows[path], "document.readyState") != "loading":
            print(f"problem: {path} has ended before its subject")
    log = windows[f"{build}/log"]
    wait("the log grows", lambda: "9 tenths of a second" in browser.ask(log, TEXT))
    open(GO, "w").close()
    for path, (running, last) in pages.items():
        ended = lambda: browser.ask(windows[path], "document.readyState") == "complete"
        if path != "/queue":
            wait(f"{path} ends", ended)
        wait(f"{path} shows {last!r}", lambda: last in browser.ask(windows[path], TEXT))
        text = browser.ask(windows[path], TEXT)
        print(f"== {path}\n{text}")
        if not path.endswith("/log") and running in text:
            print(f"problem: {path} still shows {running!r}")
        if browser.ask(windows[path], "document.documentElement.getAttribute('data-seen')") != "1":
            print(f"problem: {path} was loaded again")
    print("watched")


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    browser = {"chromium": Chromium, "firefox": Firefox}[BROWSER](profile)
    try:
        watch(browser)
    finally:
        browser.process.terminate()
        browser.process.wait()
