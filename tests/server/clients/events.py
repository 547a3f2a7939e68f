"""Reads server-sent events and prints each as a line of JSON, {"id", "data"}, until so many have come.

events.py HOST:PORT PATH COUNT [LAST-EVENT-ID]
"""

import http.client
import json
import sys

host, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
headers = {"Accept": "text/event-stream"}
if len(sys.argv) > 4:
    headers["Last-Event-ID"] = sys.argv[4]
connection = http.client.HTTPConnection(host, timeout=300)
connection.request("GET", path, headers=headers)
answer = connection.getresponse()
assert answer.status == 200, answer.status
assert answer.getheader("Content-Type").split(";")[0] == "text/event-stream", answer.getheader("Content-Type")

event = {}
while count > 0:
    line = answer.readline()
    assert line.endswith(b"\n"), "the stream has ended"
    line = line.decode().rstrip("\n")
    if line.startswith(":"):
        continue
    if line:
        name, value = line.split(":", 1)
        event[name] = value.removeprefix(" ")
    elif event:
        print(json.dumps(event), flush=True)
        event = {}
        count -= 1
