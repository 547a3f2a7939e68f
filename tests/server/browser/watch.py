"""Watches one submission from the form to its verdict on each live page of a browser, and prints what is wrong, a line each.

usage: watch.py BROWSER SCRIPTS URL DIR: SCRIPTS is on or off. The build of the package writes a line for each byte of the
file state.steps in DIR, and ends once the file state.go is there."""
import re, sys, time

from browsers import BROWSERS, wait

BROWSER, SCRIPTS, URL, DIR = sys.argv[1:]
TEXT = "document.body ? document.body.innerText : ''"
# Shorter than the silence after which the server sends a keepalive, which would push out what is held back.
AT_ONCE_S = 12
STEPS = 5


def expect(is_so, problem):
    if not is_so:
        print(f"problem: {problem}")
    return is_so


def ask_for(what, condition, *patience):
    found = wait(condition, *patience)
    expect(found, f"{what}: never")
    return found


def step(count):
    with open(f"{DIR}/state.steps", "w") as file:
        file.write("." * count)


def watch(browser):
    first = browser.open("/submit")
    browser.leave(first, lambda: browser.type(first, "#url", "https://github.com/typed/stepwise"))
    check = browser.ask(first, "location.pathname")
    expect(re.match(r"/checks/\d+$", check), f"the form leads to {check}")
    to_build = "[...document.links].map(a => a.pathname).filter(p => /^\\/builds\\/\\d+$/.test(p))[0]"
    build = ask_for("a link to the build", lambda: browser.ask(first, to_build))
    log = f"{build}/log"
    # Each live page, what it shows while the build runs, and what it shows at last.
    pages = {check: ("building", "success"), build: ("building", "builds"), log: ("begun", "success: stepwise"),
             "/queue": ("stepwise", "Nothing runs")}
    windows = {path: first if path == check else browser.open(path) for path in pages}
    shows = lambda path, text: text in browser.ask(windows[path], TEXT)
    for path, (running, _) in pages.items():
        ask_for(f"{path} shows {running!r}", lambda: shows(path, running))
        # It goes where the page goes: a page that is loaded again has none.
        browser.ask(windows[path], "document.documentElement.setAttribute('data-seen', '1')")
        expect(browser.ask(windows[path], "document.readyState") == "loading", f"{path} has ended before its subject")
    # No line is written before the last one is seen: nothing pushes out what a compressor or a browser might hold back.
    slowest = 0
    for count in range(1, STEPS + 1):
        begun = time.monotonic()
        step(count)
        ask_for(f"step {count} at once", lambda: shows(log, f"step {count}\n"), AT_ONCE_S)
        slowest = max(slowest, time.monotonic() - begun)
    print(f"a line was seen after {slowest:.2f} s at most")
    open(f"{DIR}/state.go", "w").close()
    for path, (running, last) in pages.items():
        ask_for(f"{path} shows {last!r}", lambda: shows(path, last), AT_ONCE_S)
        if path != "/queue":
            ask_for(f"{path} ends", lambda: browser.ask(windows[path], "document.readyState") == "complete", AT_ONCE_S)
            # Both are known once the answer has ended.
            sizes = "(one => [one.encodedBodySize, one.decodedBodySize])(performance.getEntriesByType('navigation')[0])"
            sent, read = browser.ask(windows[path], sizes)
            print(f"== {path}: {sent} bytes, {read} without gzip")
            expect(0 < sent < read, f"{path} comes as {sent} bytes for {read}: without gzip")
        text = browser.ask(windows[path], TEXT)
        earlier = "(queued|fetching|building|testing): stepwise" if path == log else running
        expect(not re.search(earlier, text), f"{path} still shows {earlier!r}: {text}")
        expect(browser.ask(windows[path], "document.documentElement.hasAttribute('data-seen')"), f"{path} was loaded again")
    print("watched")


with BROWSERS[BROWSER](URL, scripts=SCRIPTS == "on") as browser:
    watch(browser)
