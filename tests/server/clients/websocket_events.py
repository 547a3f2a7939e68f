"""Prints the text messages of a WebSocket, one a line, until so many builds have ended; then closes it. Says when it is
open, and how it was closed.

websocket_events.py URL BUILDS
"""

import asyncio
import json
import sys

import websockets


async def main(url, builds):
    async with websockets.connect(url) as socket:
        # A ping of ours is answered, among all the messages that come.
        await (await socket.ping(b"are you there?"))
        print(json.dumps({"open": True}), flush=True)
        async for message in socket:
            print(message, flush=True)
            event = json.loads(message)
            builds -= event.get("state") in ("finished", "cancelled")
            if builds == 0:
                break
        # Whoever has read enough says goodbye, and is told goodbye.
        await socket.close()
        print(json.dumps({"closed": socket.close_code}), flush=True)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
