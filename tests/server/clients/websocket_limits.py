"""Says to a WebSocket what it does not want to hear, and prints the code with which each was closed.

websocket_limits.py URL
"""

import asyncio
import json
import sys

import websockets


async def closed_after(url, *messages):
    async with websockets.connect(url) as socket:
        await (await socket.ping(b"x" * 125))
        try:
            for message in messages:
                await socket.send(message)
            while True:
                await socket.recv()
        except websockets.ConnectionClosed:
            return socket.close_code


async def stays(url, *messages):
    """Whether the connection is still good behind these."""
    async with websockets.connect(url) as socket:
        for message in messages:
            await socket.send(message)
        await (await socket.ping())
        return True


async def main(url):
    parts = ["x" * 3000, "y" * 3000]
    print(json.dumps({
        "small": await stays(url, "hello", b"\x00\xff", ""),
        "oversized": await closed_after(url, "x" * 100_000),
        "oversized in parts": await closed_after(url, parts),
    }))


asyncio.run(main(sys.argv[1]))
