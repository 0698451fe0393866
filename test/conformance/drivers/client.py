"""A client of Weft that was written from docs/protocol.md, with what Python has."""
import base64, collections, http.client, json, os, random, struct, threading, time, urllib.parse, uuid

EVENTS = "/_weft/v1/events"

class Ended(Exception):
    """How a connection ended; status is that of a refusal, or the code of a close frame."""
    def __init__(self, reason, status=0, reconnect=True, retry=0):
        self.reason, self.status, self.reconnect, self.retry = reason, status, reconnect, retry

class Client:
    def __init__(self, url, token, subjects, tell):
        self.url, self.new_token, self.subjects, self.tell = urllib.parse.urlsplit(url), token, subjects, tell
        self.token, self.cursor, self.presence, self.silence = token(), None, None, 62.5
        self.seen, self.failures, self.asked = collections.deque(maxlen=2000), 0, False

    def follow(self, transport):
        """Follows until coming back is of no use, and returns why."""
        while True:
            try:
                transport(self)
                end = Ended("lost")
            except Ended as e:
                end = e
            except (OSError, http.client.HTTPException, ValueError, KeyError, struct.error):
                end = Ended("lost")
            pause = min(30, 0.5 * 2 ** self.failures) * random.uniform(0.5, 1)
            self.failures += 1
            if end.status in (401, 4401) or end.reason == "expired":
                if self.asked and time.monotonic() - self.begun < 1:  # not a poll that outlived its token
                    return end.reason
                self.asked, self.token, pause = True, self.new_token(), 0
            elif not end.reconnect:
                return end.reason
            time.sleep(max(pause, end.retry * random.uniform(1, 1.2)))

    def take(self, frame):
        kind, data = frame.get("type", ""), frame.get("data")
        if kind == "weft.close":
            raise Ended(data["reason"], 0, data["reconnect"], data.get("retry", 0) / 1000)
        if kind == "weft.open":
            self.asked, self.silence = False, 2.5 * data.get("keepalive", 25)
            self.path = "/_weft/v1/connections/" + data.get("connection", "")
        elif kind == "weft.expiring":
            threading.Thread(target=self.refresh, daemon=True).start()
        elif kind in ("weft.reset", "weft.presence"):
            self.tell(kind, data)
        elif "subject" in frame and frame["event"] not in self.seen:
            self.seen.append(frame["event"])
            self.tell("event", frame)
        if kind != "weft.open":
            self.failures = 0
        if frame.get("id"):  # only now: what was not handed on is to come again
            self.cursor = frame["id"]

    def request(self, method, path, query=(), headers=(), body=None):
        """Sends a request; returns the answer and its socket, or raises how it was refused."""
        kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
        conn = kind(self.url.netloc, timeout=70)
        conn.connect()
        sock, self.begun = conn.sock, time.monotonic()  # the answer takes the socket away
        headers = {"Authorization": "Bearer " + self.token, **dict(headers)}
        conn.request(method, path + "?" + urllib.parse.urlencode(query), body, headers)
        answer = conn.getresponse()
        if answer.status in (101, 200, 202):
            return answer, sock
        waits, retry = answer.status in (408, 429) or answer.status >= 500, answer.headers.get("Retry-After", 0)
        raise Ended(json.loads(answer.read())["code"], answer.status, waits, float(retry))

    def query(self, *more):
        return [("subject", s) for s in self.subjects] + [("last_event_id", self.cursor or ""), *more]

    def refresh(self):
        self.token = self.new_token()
        self.command(json.dumps({"token": self.token}))

    def publish(self, subject, data):
        key = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
        for attempt in range(6):
            try:
                answer, _ = self.request("POST", EVENTS, [("subject", subject)], key, json.dumps(data))
                return json.loads(answer.read())["ids"][0]
            except (OSError, Ended) as e:  # stored or not: the key tells
                if isinstance(e, Ended) and not e.reconnect or attempt == 5:
                    raise
                time.sleep(max(getattr(e, "retry", 0), 0.5 * 2 ** attempt * random.uniform(0.5, 1)))

def sse(c):
    answer, sock = c.request("GET", EVENTS, c.query(("format", "frame")), {"Accept": "text/event-stream"})
    c.command, data, retry = lambda text: c.request("PATCH", c.path, body=text), [], 0
    for line in answer:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        if name == "data":
            data.append(value)
        elif name == "retry":
            retry = int(value) / 1000
        elif not line.strip() and data:
            frame, data = json.loads("\n".join(data)), []
            if frame.get("type") == "weft.close":
                frame["data"]["retry"] = retry * 1000
            c.take(frame)
            sock.settimeout(c.silence)

def poll(c):
    while True:
        wait = ("wait", "25s"), ("presence", c.presence or "")
        answer = json.loads(c.request("GET", EVENTS, c.query(*wait))[0].read())
        states = answer.get("presence", []) * (answer.get("presence_id") != c.presence)
        own = [("weft.reset", r) for r in answer.get("resets", [])] + [("weft.presence", p) for p in states]
        frames = [{"type": kind, "data": data} for kind, data in own] + answer["events"]
        for frame in frames:
            c.take(frame)
        empty = c.cursor and not frames and time.monotonic() - c.begun < 1
        c.cursor, c.presence = answer["last_event_id"] or c.cursor, answer.get("presence_id", c.presence)
        c.asked, c.failures = False, 0
        if "close" in answer:
            c.take({"type": "weft.close", "data": answer["close"]})
        if empty:
            time.sleep(1)  # a node that stops

def websocket(c):
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Protocol": "weft.v1"}
    answer, sock = c.request("GET", EVENTS, c.query(), headers)
    stream, lock = answer.fp, threading.Lock()

    def send(opcode, payload):
        mask, n = os.urandom(4), len(payload)
        size = bytes([128 | n]) if n < 126 else struct.pack("!BH", 254, n)
        with lock:
            sock.sendall(bytes([128 | opcode]) + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    c.command = lambda text: send(1, text.encode())
    while True:
        head, n = stream.read(2)
        if n > 125:
            n, = struct.unpack("!H" if n == 126 else "!Q", stream.read(2 if n == 126 else 8))
        payload, opcode = stream.read(n), head & 15
        if opcode == 9:
            send(10, payload)
        elif opcode == 8:
            code, = struct.unpack("!H", payload[:2] or b"\3\xed")
            raise Ended("closed", code, code not in (4403, 4410))
        elif opcode == 1:
            frame = json.loads(payload)
            if "ok" not in frame and "error" not in frame:
                c.take(frame)
        sock.settimeout(c.silence)
