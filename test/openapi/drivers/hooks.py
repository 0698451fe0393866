"""What schemathesis is told beside the document.

Of the good requests that it makes up every other one is made of what is there, since nobody guesses
the name of an open connection: such connections are ann's, at the node WEFT_NODE, with the token
WEFT_TOKEN if there are any. What was answered is counted in the file WEFT_SEEN.
"""

import atexit
import collections
import json
import os
import urllib.request

import schemathesis
from schemathesis import GenerationMode

# What is there.
THERE = {"user": "ann", "name": "orders", "topic": "hotel.1", "session": "user.bob"}

node, token = os.environ["WEFT_NODE"], os.environ["WEFT_TOKEN"]
seen = collections.Counter()
asked = collections.Counter()
connections = []  # they stay open as long as they are referred to


@schemathesis.serializer("application/jsonl")
def jsonl(ctx, value):
    return str(value).encode(errors="surrogatepass")


def every_other(label):
    asked[label] += 1
    return asked[label] % 2 == 0


def connection():
    """Opens a connection of ann and returns its name."""
    request = urllib.request.Request(node + "/_weft/v1/events?subject=topic.hotel.1" + ("" if token else "&user=ann"))
    request.add_header("Accept", "text/event-stream")
    if token:
        request.add_header("Authorization", "Bearer " + token)
    stream = urllib.request.urlopen(request, timeout=60)
    connections.append(stream)
    for line in stream:
        if line.startswith(b"data: "):
            return json.loads(line[6:])["connection"]


@schemathesis.hook
def filter_query(ctx, values):
    """An empty list or object is written as an empty value, which is as good as none."""
    return not isinstance(values, dict) or not any(v in ({}, [], "", None) for v in values.values())


@schemathesis.hook
def before_call(ctx, case, kwargs):
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    label = case.operation.label
    query, path, some = case.query or {}, case.path_parameters or {}, every_other(label)
    if some:
        for name in path:
            path[name] = connection() if name == "connection" else THERE.get(name, path[name])
        for name in [name for name in case.headers or {} if name.startswith("If-")]:
            del case.headers[name]  # conditions hardly ever hold by chance
    if some:  # who asks, in auth.mode none
        for name in {"user", "publisher"} & {p.name for p in case.operation.query}:
            if name == "publisher" or label != "POST /_weft/v1/events":
                query[name] = "ann"
    match label:
        case "GET /_weft/v1/events":
            query["wait"] = "0s"
            if some:
                query["subject"] = ["topic.hotel.1"]
        case "POST /_weft/v1/events" if some:
            query.pop("rule", None)
            query.pop("user", None)
            query["subject"] = ["topic.hotel.1"]
        case "PATCH /_weft/v1/connections/{connection}" if some:
            case.body = {"subscribe": ["topic.hotel.2"]}
        case "DELETE /_weft/v1/connections/{connection}" | "DELETE /_weft/v1/users/{user}/connections" if some:
            query.pop("revoke", None)
            query.pop("reason", None)
        case "POST /_weft/v1/import" if some:
            case.body = '{"bucket":"blacklist","key":"s1","value":"revoked"}\n'
        case "GET /_weft/v1/routes/match" if some:
            query["url"] = "/orders"
        case "PUT /_weft/v1/routes/{name}" if some:
            query.pop("dry_run", None)
            case.body = {"pattern": "GET /orders", "target": "http://127.0.0.1:1/orders"}
        case "POST /_weft/v1/routes/{name}/rollback" if some:
            query["revision"] = 1
    case.query, case.path_parameters = query, path


@schemathesis.hook
def after_call(ctx, case, response):
    seen[case.operation.label, response.status_code] += 1


@atexit.register
def tell():
    with open(os.environ["WEFT_SEEN"], "w") as file:
        for (operation, status), times in sorted(seen.items()):
            file.write(json.dumps({"operation": operation, "status": status, "times": times}) + "\n")
