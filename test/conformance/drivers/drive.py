"""Drives client.py, as drive.mjs drives the client for browsers. A line of JSON that it reads begins
a job, {"job":1,"url":…,"transport":"sse","tokens":<url>,"subjects":[…]}, or publishes in one,
{"job":1,"publish":{"subject":…,"data":…}}; one that it prints is what the client of a job is told."""
import json, sys, threading, urllib.request

import client

lock, jobs = threading.Lock(), {}


def follow(job):
    def tell(what, data):
        with lock:
            print(json.dumps({"job": job["job"], "what": what, "data": data}), flush=True)

    c = client.Client(job["url"], lambda: urllib.request.urlopen(job["tokens"]).read().decode(), job["subjects"], tell)
    jobs[job["job"]] = c, tell
    tell("closed", c.follow({"sse": client.sse, "websocket": client.websocket, "poll": client.poll}[job["transport"]]))


def publish(job):
    c, tell = jobs[job["job"]]
    tell("published", c.publish(job["publish"]["subject"], job["publish"]["data"]))


for line in sys.stdin:
    job = json.loads(line)
    threading.Thread(target=publish if "publish" in job else follow, args=[job], daemon=True).start()
