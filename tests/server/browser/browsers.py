"""Chromium and Firefox as the tests drive them: one set of methods, over the protocol of each. A window is one page of a
browser; what is asked of it is an expression of JavaScript, also where the scripts of pages are off."""
import asyncio, base64, json, re, socket, subprocess, tempfile, time, urllib.request
from types import SimpleNamespace
import websockets

PATIENCE_S = 60
# True once the next page is there: a live page, which never ends, with its first version, or with space for lines.
IS_THERE = ("location.protocol != 'about:' && !document.documentElement.hasAttribute('data-left')"
            " && (document.readyState == 'complete' || document.querySelector('.live > *, .tail') !== null)")


class Gone(Exception):
    """The window has no answer: its page is about to be replaced."""


def wait(condition, patience_s=PATIENCE_S):
    """What the condition gives once it is true, or what it gave at last."""
    begun = time.monotonic()
    while True:
        try:
            found = condition()
        except Gone:
            found = None
        if found or time.monotonic() - begun > patience_s:
            return found
        time.sleep(0.02)


class Browser:
    """What is made of the few things that each browser does in its own way. `scripts`: the scripts of pages run."""

    def __init__(self, url, scripts=False):
        self.url, self.scripts = url, scripts
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = None

    def __enter__(self):
        self.start(self.profile.name)
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.profile.cleanup()

    def open(self, path):
        """A new window with this page."""
        window = self.window()
        self.go(window, path)
        return window

    def go(self, window, path):
        self.leave(window, lambda: self.navigate(window, path if re.match(r"\w+:", path) else self.url + path))

    def leave(self, window, action):
        """Does what leads to another page, and waits until that is there."""
        self.ask(window, "document.documentElement.setAttribute('data-left', '')")
        action()
        if not wait(lambda: self.ask(window, IS_THERE)):
            raise RuntimeError("no other page follows")

    def size(self, window, width):
        self.resize(window, width)
        wait(lambda: self.ask(window, "innerWidth") == width, 5)

    def copied(self, window):
        """What a reader copies who selects the whole page."""
        self.keys(window, "a", control=True)
        self.keys(window, "c", control=True)
        paste = self.window()
        self.ask(paste, "document.body.innerHTML = '<textarea></textarea>'")
        self.ask(paste, "document.querySelector('textarea').focus()")
        self.keys(paste, "v", control=True)
        return wait(lambda: self.ask(paste, "document.querySelector('textarea').value"), 5)


class Chromium(Browser):
    """Over its debugging protocol; each window has a connection of its own."""

    def start(self, profile):
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                 "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(["chromium", *flags], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        listens = (re.search(r"DevTools listening on ws://([^/]+)/", line) for line in self.process.stderr)
        self.address = next(found[1] for found in listens if found)
        self.loop, self.windows = asyncio.new_event_loop(), []

    def __exit__(self, *failure):
        for window in self.windows:
            self.loop.run_until_complete(window.socket.close())
        super().__exit__(*failure)

    async def connection(self, address):
        return await websockets.connect(address, max_size=1 << 28, ping_interval=None)

    def send(self, window, method, **params):
        return self.loop.run_until_complete(asyncio.wait_for(self.answer(window, method, params), PATIENCE_S))

    async def answer(self, window, method, params):
        window.count += 1
        await window.socket.send(json.dumps({"id": window.count, "method": method, "params": params}))
        while True:
            message = json.loads(await window.socket.recv())
            if message.get("id") == window.count:
                if "error" in message:
                    raise Gone(f"{method}: {message['error']['message']}")
                return message["result"]

    def window(self):
        request = urllib.request.Request(f"http://{self.address}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request) as answer:
            address = json.load(answer)["webSocketDebuggerUrl"]
        window = SimpleNamespace(count=0)
        window.socket = self.loop.run_until_complete(self.connection(address))
        self.windows.append(window)
        self.send(window, "Page.enable")
        self.send(window, "Emulation.setScriptExecutionDisabled", value=not self.scripts)
        return window

    def navigate(self, window, url):
        self.send(window, "Page.navigate", url=url)

    def ask(self, window, expression):
        answer = self.send(window, "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise Gone(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    def keys(self, window, key, control=False):
        commands = {"a": "selectAll", "c": "copy", "v": "paste"}
        press = {"key": key, "code": f"Key{key.upper()}", "modifiers": 2, "commands": [commands[key]]} if control else \
                {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        for kind in ["keyDown", "keyUp"]:
            self.send(window, "Input.dispatchKeyEvent", type=kind, **press)

    def type(self, window, selector, text):
        """Types a text into a field, and the key that sends its form."""
        self.ask(window, f"document.querySelector('{selector}').focus()")
        self.send(window, "Input.insertText", text=text)
        self.keys(window, "Enter")

    def resize(self, window, width):
        self.send(window, "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 700)

    def scheme(self, window, scheme):
        self.send(window, "Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def medium(self, window, medium):
        self.send(window, "Emulation.setEmulatedMedia", media=medium, features=[])

    def picture(self, window):
        return base64.b64decode(self.send(window, "Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def print(self, window):
        return base64.b64decode(self.send(window, "Page.printToPDF")["data"])


class Firefox(Browser):
    """Over Marionette: a message is its length, a colon and JSON; commands go to one window at a time."""

    def start(self, profile):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        prefs = {"javascript.enabled": self.scripts, "marionette.port": port}
        with open(f"{profile}/user.js", "w") as file:
            file.writelines(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in prefs.items())
        # Its own scripts may set what pages are shown in: their width, colours and medium.
        flags = ["--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", profile]
        self.process = subprocess.Popen(["firefox-esr", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = wait(lambda: self.connection(port))
        self.answers, self.count = self.socket.makefile("rb"), 0
        self.read()
        # Live pages never end: what waits until a page is loaded would wait for ever.
        self.send("NewSession", capabilities={"alwaysMatch": {"pageLoadStrategy": "none"}})
        self.send("SetWindowRect", width=1500, height=1200)

    def connection(self, port):
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        except OSError:
            return None

    def read(self):
        length = b""
        while not length.endswith(b":"):
            length += self.answers.read(1)
        return json.loads(self.answers.read(int(length[:-1])))

    def send(self, command, **params):
        self.count += 1
        command = command if ":" in command else f"WebDriver:{command}"
        message = json.dumps([0, self.count, command, params]).encode()
        self.socket.sendall(str(len(message)).encode() + b":" + message)
        _, _, error, result = self.read()
        if error:
            raise Gone(f"{command}: {error['message']}")
        return result

    def window(self):
        return self.send("NewWindow", type="tab")["handle"]

    def script(self, window, script, *args):
        self.send("SwitchToWindow", handle=window)
        return self.send("ExecuteScript", script=script, args=args)["value"]

    def navigate(self, window, url):
        # The command Navigate would wait for the end of a live page.
        self.script(window, "location.href = arguments[0]", url)

    def ask(self, window, expression):
        return self.script(window, f"return {expression}")

    def type(self, window, selector, text):
        """Types a text into a field, and the key that sends its form."""
        self.send("SwitchToWindow", handle=window)
        field = self.send("FindElement", using="css selector", value=selector)["value"]
        self.send("ElementSendKeys", id=next(iter(field.values())), text=text + "\ue007")

    def keys(self, window, key, control=False):
        self.send("SwitchToWindow", handle=window)
        held = ["\ue009", key] if control else [key]
        actions = [{"type": "keyDown", "value": one} for one in held] + [{"type": "keyUp", "value": one} for one in held[::-1]]
        self.send("PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def around(self, window, script, *args):
        """Runs a script of the browser's own, which knows the element that shows the page."""
        self.send("SwitchToWindow", handle=window)
        self.send("Marionette:SetContext", value="chrome")
        try:
            return self.send("ExecuteScript", script="const shown = gBrowser.selectedBrowser; " + script, args=args)["value"]
        finally:
            self.send("Marionette:SetContext", value="content")

    def resize(self, window, width):
        self.around(window, "shown.style.minWidth = shown.style.maxWidth = arguments[0] + 'px'", width)

    def scheme(self, window, scheme):
        self.around(window, "shown.browsingContext.prefersColorSchemeOverride = arguments[0]", scheme)

    def medium(self, window, medium):
        self.around(window, "shown.browsingContext.mediumOverride = arguments[0]", medium)

    def picture(self, window):
        self.send("SwitchToWindow", handle=window)
        return base64.b64decode(self.send("TakeScreenshot", full=True, id=None, hash=False)["value"])

    def print(self, window):
        self.send("SwitchToWindow", handle=window)
        return base64.b64decode(self.send("Print")["value"])


BROWSERS = {"chromium": Chromium, "firefox": Firefox}
