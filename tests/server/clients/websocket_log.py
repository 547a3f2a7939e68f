"""Reads a log over a WebSocket into a file. Breaks off without a word behind so many bytes and reads on from there in
another connection. Prints how the last one was closed, and what text messages came.

websocket_log.py URL FILE BYTES
"""

import asyncio
import json
import sys

import websockets


async def read(url, file, breaks_at):
    """Reads from the end of the file on; gives the socket, None where it was broken off."""
    texts = []
    async with websockets.connect(f"{url}&from={file.tell()}", max_size=None) as socket:
        try:
            while True:
                message = await socket.recv()
                if isinstance(message, str):
                    texts.append(message)
                    continue
                file.write(message)
                if breaks_at is not None and file.tell() >= breaks_at:
                    socket.transport.abort()
                    return None
        except websockets.ConnectionClosed:
            pass
        return {"code": socket.close_code, "texts": texts}


async def main(url, path, breaks_at):
    with open(path, "wb") as file:
        ended = await read(url, file, breaks_at)
        broken_at = file.tell()
        if ended is None:
            ended = await read(url, file, None)
            ended["broken_at"] = broken_at
        print(json.dumps(ended))


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
