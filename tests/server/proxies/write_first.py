"""Sends requests whose whole body is written before anything is read, and prints the status of each as a line.

write_first.py http.client|urllib|socket URL BYTES METHOD:TARGET[:HEADER=VALUE]...

`socket` sends no length where the header Content-Length is not given, and sees a reset where one comes.
"""

import http.client
import socket
import ssl
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

how, url, size, *rows = sys.argv[1:]
parts = urlsplit(url)
body = b"\n" * int(size)
trusting = ssl._create_unverified_context()


def with_client(method, target, headers):
    of = http.client.HTTPConnection
    connection = of(parts.netloc, timeout=300)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, timeout=300, context=trusting)
    connection.request(method, target, body=body, headers=headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


def with_urllib(method, target, headers):
    request = urllib.request.Request(url + target, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=300, context=trusting) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def with_socket(method, target, headers):
    connection = socket.create_connection((parts.hostname, parts.port), timeout=300)
    if parts.scheme == "https":
        connection = trusting.wrap_socket(connection)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{lines}\r\n".encode())
    connection.sendall(body)
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    head, _, text = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), text


ways = {"http.client": with_client, "urllib": with_urllib, "socket": with_socket}
for row in rows:
    method, target, *headers = row.split(":")
    headers = dict(header.split("=", 1) for header in headers)
    status, text = ways[how](method, target, headers)
    assert b'"error"' in text or b"<title>" in text, text[:200]
    print(status, flush=True)
