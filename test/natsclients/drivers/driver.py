"""Publishes and uses buckets with nats-py as driver.go asks on standard input: a
line of JSON for each request, and one for each answer."""

import asyncio
import json
import os
import sys

import nats
from nats.js.errors import KeyNotFoundError, NoKeysError


class Driver:
    async def open(self):
        self.troubles = asyncio.Queue()
        self.buckets_opened = {}
        options = {}
        if "NATS_USER" in os.environ:
            options = {"user": os.environ["NATS_USER"], "password": os.environ["NATS_PASSWORD"]}
        if "INBOX_PREFIX" in os.environ:
            options["inbox_prefix"] = os.environ["INBOX_PREFIX"]

        async def trouble(err):
            await self.troubles.put(f"{type(err).__name__}: {err}")

        self.nc = await nats.connect(os.environ["NATS_URL"], error_cb=trouble, connect_timeout=20, **options)
        # The default is five seconds, which a busy machine may need.
        self.js = self.nc.jetstream(timeout=20)

    async def bucket(self, name):
        if name not in self.buckets_opened:
            self.buckets_opened[name] = await self.js.key_value(name)
        return self.buckets_opened[name]

    async def put(self, r, kv):
        return {"revision": await kv.put(r["key"], r["value"].encode())}

    async def create(self, r, kv):
        return {"revision": await kv.create(r["key"], r["value"].encode())}

    async def update(self, r, kv):
        return {"revision": await kv.update(r["key"], r["value"].encode(), r["revision"])}

    async def get(self, r, kv):
        try:
            return {"entries": [entry(await kv.get(r["key"]))]}
        except KeyNotFoundError:
            return {"entries": []}

    async def delete(self, r, kv):
        await kv.delete(r["key"])

    async def purge(self, r, kv):
        await kv.purge(r["key"])

    async def keys(self, r, kv):
        try:
            return {"keys": await kv.keys()}
        except NoKeysError:
            return {"keys": []}

    async def history(self, r, kv):
        try:
            return {"entries": [entry(e) for e in await kv.history(r["key"])]}
        except NoKeysError:
            return {"entries": []}

    async def watch(self, r, kv):
        self.watcher = await kv.watchall()
        return {"entries": [await self.update_of_watch() for _ in range(r["count"])]}

    async def next(self, r, kv):
        return {"entries": [await self.update_of_watch()]}

    async def update_of_watch(self):
        # None says that all that was there has been told, and may come too early
        # (nats-io/nats.py issue 842).
        while (e := await self.watcher.updates(timeout=40)) is None:
            pass
        return entry(e)

    async def unwatch(self, r, kv):
        await self.watcher.stop()

    async def status(self, r, kv):
        s = await kv.status()
        return {"bucket": s.bucket, "history": s.history, "values": s.values}

    async def buckets(self, r, kv):
        # The library has no list of buckets, but one of streams.
        names = [s.config.name for s in await self.js.streams_info()]
        return {"keys": [n.removeprefix("KV_") for n in names if n.startswith("KV_")]}

    async def send(self, r, kv):
        await self.nc.publish(r["subject"], r["value"].encode(), headers=r.get("headers"))
        await self.nc.flush()

    async def serve(self, r, kv):
        async def answer(m):
            await self.nc.publish(m.reply, r["value"].encode(), headers=r.get("headers"))

        await self.nc.subscribe(r["subject"], queue="services", cb=answer)
        await self.nc.flush()

    async def publish(self, r, kv):
        headers = dict(r.get("headers") or {})
        if r.get("id"):
            headers["Nats-Msg-Id"] = r["id"]
        ack = await self.js.publish(r["subject"], r["value"].encode(), headers=headers or None)
        return {"stream": ack.stream, "seq": ack.seq, "duplicate": bool(ack.duplicate)}

    async def trouble(self, r, kv):
        return {"text": await asyncio.wait_for(self.troubles.get(), 40)}


def entry(e):
    return {"key": e.key, "value": (e.value or b"").decode(), "revision": e.revision, "op": e.operation or "PUT"}


async def main():
    driver = Driver()
    await driver.open()
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        request = json.loads(line)
        if request.get("size"):
            request["value"] = "x" * request["size"]
        request.setdefault("value", "")
        try:
            kv = await driver.bucket(request["bucket"]) if request.get("bucket") else None
            answer = await getattr(driver, request["op"])(request, kv) or {}
        except Exception as err:
            answer = {"error": f"{type(err).__name__}: {err}"}
        print(json.dumps(answer), flush=True)
    await driver.nc.close()


asyncio.run(main())
