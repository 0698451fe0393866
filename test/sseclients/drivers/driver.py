"""Follows events with httpx-sse and prints what it is told, a line of JSON each:
driver.py <address> <token>"""

import json
import sys

import httpx
from httpx_sse import connect_sse

address, token = sys.argv[1:]


def say(**what):
    print(json.dumps(what), flush=True)


with httpx.Client(headers={"Authorization": "Bearer " + token}, timeout=None) as client:
    with connect_sse(client, "GET", address) as source:
        say(what="open")
        for event in source.iter_sse():
            say(what="event", type=event.event, data=event.data)
say(what="error", data="closed")
