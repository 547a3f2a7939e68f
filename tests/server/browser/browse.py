"""Opens pages as people do, with scripts off, and prints what is wrong with them, a line each.

usage: browse.py BROWSER URL DIR [AXE]: pictures go into DIR. With AXE, the script of axe-core, the pages are judged too."""
import os, re, sys, urllib.request

from browsers import BROWSERS

BROWSER, URL, DIR, AXE = (sys.argv[1:] + [None])[:4]
SHOWN = {"front": "/", "search": "/?search=clap", "package": "/packages/zig-clap", "hostile": "/packages/hostile",
         "check": "/checks/7", "build": "/builds/25", "failed": "/builds/5", "targets": "/builds/21", "log": "/builds/5/log", "queue": "/queue", "submit": "/submit",
         "docs": "/docs", "compare": "/compare/0.16.0..0.17.1", "stats": "/stats",
         "upgrade": "/packages/zig-clap/upgrade/0.17.1", "blockers": "/upgrade/0.17.1", "verdicts": "/docs/verdicts",
         "missing": "/packages/nobody", "long": "/packages/a-package-with-a-name-that-is-longer-than-any-honest-one-could-ever-need"}
WIDTHS = [320, 768, 1280]
problems = []


def expect(is_so, problem):
    if not is_so:
        problems.append(problem)


def save(name, content):
    with open(f"{DIR}/{name}", "wb") as file:
        file.write(content)


def get(path):
    """The status and the type of what is there, as a browser asks for it. The log of a running build has no end."""
    request = urllib.request.Request(URL + path, headers={"Accept": "text/html"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"]


def show(browser, window):
    """Pictures of all sizes and schemes: nothing is wider than its screen, the schemes are light and dark."""
    for name, path in SHOWN.items():
        browser.go(window, path)
        for scheme in ["light", "dark"]:
            browser.scheme(window, scheme)
            back = browser.ask(window, "getComputedStyle(document.body).backgroundColor")
            is_light = sum(map(int, re.findall(r"\d+", back)[:3])) > 3 * 128
            expect(is_light == (scheme == "light"), f"{path} has the background {back} where {scheme} is wanted")
            for width in WIDTHS:
                browser.size(window, width)
                wide = browser.ask(window, "document.scrollingElement.scrollWidth")
                expect(wide <= width, f"{path} is {wide} wide at {width}")
                save(f"{name}-{width}-{scheme}.png", browser.picture(window))
        title = browser.ask(window, "document.title")
        expect(title not in ("", "run"), f"{path} has the title {title!r}")
    print(f"shown {len(SHOWN)} pages")


def print_out(browser, window):
    """A printed page is black on white, without what can only be clicked, also for those whose screen is dark."""
    browser.go(window, "/packages/zig-clap")
    save("package.pdf", browser.print(window))
    browser.scheme(window, "dark")
    browser.medium(window, "print")
    colors = "[...new Set([...document.querySelectorAll('main *')].map(one => getComputedStyle(one).color))].join(' ')"
    expect(browser.ask(window, colors) == "rgb(0, 0, 0)", f"printed in {browser.ask(window, colors)}")
    shown = "[...document.querySelectorAll('button, nav')].filter(one => one.getClientRects().length).length"
    expect(browser.ask(window, shown) == 0, "buttons are printed")
    browser.medium(window, "")
    print("printed")


def copy(browser, window):
    """A log is copied as it was written: without the numbers that its lines have on the page."""
    browser.go(window, "/builds/5/log#L2")
    expect(browser.ask(window, "document.querySelector(':target').id") == "L2", "the link to a line does not mark it")
    lines = browser.copied(window).splitlines()
    for line in ["building green yellow blue purple cyan grey",
                 "src/main.zig:6:30: error: root source file struct 'process' has no member named 'Init'"]:
        expect(line in lines, f"{line!r} is not copied: {lines}")
    print("copied")


def submit(browser, window):
    """Finds a package by its name; types a repository into the form, and goes on to its check."""
    browser.go(window, "/")
    browser.leave(window, lambda: browser.type(window, "[type=search]", "clap"))
    found = browser.ask(window, "location.search + ' ' + [...document.querySelector('table').querySelectorAll('tbody th')].map(one => one.innerText)")
    expect(found == "?search=clap zig-clap", f"the search finds {found}")
    browser.go(window, "/submit")
    browser.leave(window, lambda: browser.type(window, "#url", "https://example.org/x"))
    kept = browser.ask(window, "document.getElementById('url').value + ' ' + document.getElementById('url-fault').textContent")
    expect(kept.startswith("https://example.org/x "), f"the error is not beside its field: {kept}")
    browser.ask(window, "document.getElementById('url').value = ''")
    browser.leave(window, lambda: browser.type(window, "#url", f"https://github.com/typed/{BROWSER}"))
    where = browser.ask(window, "location.pathname")
    expect(re.match(r"/checks/\d+$", where), f"the form leads to {where}")
    browser.go(window, "/packages/zig-clap")
    browser.leave(window, lambda: browser.ask(window, "document.querySelector('form[method=post] button').click()"))
    where = browser.ask(window, "location.pathname")
    expect(re.match(r"/checks/\d+$", where), f"the button leads to {where}")
    print("submitted")


def follow_links(browser, window):
    """Opens each page that a link leads to. None is wider than a phone. Links are a page's, not a browser's:
    one browser follows them."""
    browser.size(window, WIDTHS[0])
    seen, todo = {"/"}, ["/"]
    while todo:
        path = todo.pop()
        status, kind = get(path)
        is_for_programs = path == "/openapi.json" or path.startswith("/api/compare/")
        expect(status == 200 and ("json" not in kind or is_for_programs), f"{path}: {status}, {kind}")
        if not kind.startswith("text/html"):
            continue
        browser.go(window, path)
        wide = browser.ask(window, "document.scrollingElement.scrollWidth")
        expect(wide <= WIDTHS[0], f"{path} is {wide} wide at {WIDTHS[0]}")
        for link in browser.ask(window, "[...document.links].map(a => a.href)"):
            own = link.split("#")[0]
            if own.startswith(URL + "/") and own[len(URL):] not in seen:
                seen.add(own[len(URL):])
                todo.append(own[len(URL):])
            expect(link.startswith(("http://", "https://")), f"{path} leads to {link}")
    print(f"followed {len(seen)} links")


def judge(browser, window):
    """axe-core finds nothing. It reads what the page says, not how a browser lays it out: it runs in one browser, with
    scripts on, as it waits by timers. The page has no script of its own, and runs no stranger's."""
    with open(AXE) as file:
        axe = file.read()
    for path in SHOWN.values():
        browser.go(window, path)
        browser.ask(window, axe)
        for scheme in ["light", "dark"]:
            browser.scheme(window, scheme)
            for width in [WIDTHS[0], WIDTHS[-1]]:
                browser.size(window, width)
                run = "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' ')))"
                for violation in browser.ask(window, run):
                    problems.append(f"{path} {width} {scheme}: {violation}")
        expect(browser.ask(window, "document.title") != "run", f"{path} runs a stranger's script")
    print("judged")


os.makedirs(DIR, exist_ok=True)
with BROWSERS[BROWSER](URL) as browser:
    window = browser.window()
    for step in [show, print_out, copy, submit] + [follow_links] * bool(AXE):
        step(browser, window)
if AXE:
    with BROWSERS[BROWSER](URL, scripts=True) as browser:
        judge(browser, browser.window())
for problem in problems:
    print("problem:", problem)
