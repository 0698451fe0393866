"""Follows events with a client of PyPI and prints what it is told, a line of JSON each:
driver.py <client> <address> <token>"""

import asyncio
import json
import sys
import time

client, address, token = sys.argv[1:]
headers = {"Authorization": "Bearer " + token}
last = ""


class Over(Exception):
    """What weft.close without reconnect says."""


def say(**what):
    print(json.dumps(what), flush=True)


def heard(type, data, id):
    global last
    last = id or last
    say(what="event", type=type, data=data)
    if type == "weft.close" and not json.loads(data)["reconnect"]:
        raise Over


def place():
    return {**headers, "Last-Event-ID": last} if last else headers


def httpx_sse():
    import httpx
    from httpx_sse import connect_sse

    with httpx.Client(timeout=httpx.Timeout(10, read=60)) as c:
        with connect_sse(c, "GET", address, headers=place()) as source:
            source.response.raise_for_status()
            say(what="open")
            for e in source.iter_sse():
                heard(e.event, e.data, e.id)


def sseclient_py():
    import httpx
    import sseclient

    accept = {"Accept": "text/event-stream"}
    with httpx.Client(timeout=httpx.Timeout(10, read=60)) as c:
        with c.stream("GET", address, headers={**place(), **accept}) as answer:
            answer.raise_for_status()
            say(what="open")
            for e in sseclient.SSEClient(answer.iter_bytes()).events():
                heard(e.event, e.data, e.id)


def socket_address():
    url = address.replace("http", "ws", 1)
    return url + ("&" if "?" in url else "?") + "last_event_id=" + last


def frame(text):
    f = json.loads(text)
    heard(f["type"] if "type" in f else "", json.dumps(f.get("data")), f.get("id"))


def websockets():
    from websockets.asyncio.client import connect

    async def follow():
        async with connect(socket_address(), subprotocols=["weft.v1"], additional_headers=headers, max_size=None) as socket:
            say(what="open")
            async for text in socket:
                frame(text)

    asyncio.run(follow())


def websocket_client():
    import websocket

    socket = websocket.create_connection(socket_address(), subprotocols=["weft.v1"], header=headers, timeout=60)
    say(what="open")
    while True:
        text = socket.recv()
        if not text:
            return
        frame(text)


try:
    while True:
        try:
            {"httpx-sse": httpx_sse, "sseclient-py": sseclient_py, "websockets": websockets, "websocket-client": websocket_client}[client]()
            say(what="error", data="closed")
        except Over:
            raise
        except Exception as e:
            say(what="error", data=repr(e))
        time.sleep(0.2)
except Over:
    say(what="closed")
