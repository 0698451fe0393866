// The three ways to receive events, behind one function. This is all a page
// needs to talk to Weft; nothing here knows about the rest of the playground.
//
// open({kind, url, token, subjects, lastId, on}) returns {close()}.
// It calls back, in order:
//   on.connecting(why)       trying, at first or again
//   on.open(info)            in force; info.subjects, if the transport tells
//   on.cursor(id)            the id to come back with, whenever it moves
//   on.event(frame)          {id, subject, type, data}
//   on.reset(info)           history was gone: load the state anew
//   on.ended({reason, again}) over; again says whether to come back with the
//                            same token makes sense

export function open(options) {
  return { sse: openSSE, websocket: openWebSocket, poll: openPoll }[options.kind](options);
}

const wait = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

// Spread out, so that many pages do not come back in the same moment.
const pause = (attempt) => Math.min(10_000, 500 * 2 ** attempt) * (0.5 + Math.random());

function address({ url, subjects }, lastId, more = {}) {
  const u = new URL(url);
  for (const s of subjects) u.searchParams.append("subject", s);
  if (lastId) u.searchParams.set("last_event_id", lastId);
  for (const [k, v] of Object.entries(more)) u.searchParams.set(k, v);
  return u;
}

// why asks with fetch what a failed EventSource or WebSocket hides from the
// page: the status and the problem (RFC 9457). It returns null when nothing
// speaks against trying again.
async function why(options, signal) {
  try {
    const answer = await fetch(address(options, null), {
      headers: { Authorization: "Bearer " + options.token, Accept: "application/json" }, signal,
    });
    return await refusal(answer);
  } catch {
    return null; // not reachable: waiting may mend it
  }
}

async function refusal(answer) {
  if (answer.ok || answer.status === 429 || answer.status >= 500) return null;
  const problem = await answer.json().catch(() => ({}));
  return { reason: problem.code ?? "status " + answer.status, again: false };
}

// Server-Sent Events. The browser reconnects by itself and brings the last id
// along; a new EventSource brings it in the query. It cannot send an
// Authorization header, so the token goes into the query, too, which the node
// allows with public.token_in_query. format=frame puts the subject beside the
// data, and all into onmessage: a page cannot listen for types that it does not know.
function openSSE(options) {
  const { on, lastId, token } = options;
  const over = new AbortController();
  const source = new EventSource(address(options, lastId, { access_token: token, format: "frame" }));
  const end = (ending) => {
    if (over.signal.aborted) return;
    over.abort();
    source.close();
    on.ended(ending);
  };
  const leave = ({ reason, reconnect }) => {
    if (!reconnect || reason === "expired") end({ reason, again: false });
    else on.connecting(reason);
  };

  on.connecting();
  source.onmessage = ({ data, lastEventId }) => {
    if (lastEventId) on.cursor(lastEventId);
    const frame = JSON.parse(data);
    switch (frame.type) {
      case "weft.open": on.open(frame.data); break;
      case "weft.reset": on.reset(frame.data); break;
      case "weft.close": leave(frame.data); break;
      case "weft.keepalive": break;
      default: on.event(frame);
    }
  };
  source.onerror = async () => {
    if (source.readyState !== EventSource.CLOSED) return on.connecting("connection lost");
    end(await why(options, over.signal) ?? { reason: "refused", again: true });
  };
  return { close() { over.abort(); source.close(); } };
}

// How a WebSocket ends when no weft.close came before.
const closeCodes = {
  4401: "expired", 4403: "revoked", 4408: "slow", 4410: "disconnected", 4429: "limit", 1012: "drain",
};

// WebSocket. A browser lets a page set no header but the subprotocol, which
// carries the token.
function openWebSocket(options) {
  const { on, token } = options;
  const over = new AbortController();
  let lastId = options.lastId, socket, attempt = 0;

  const connect = () => {
    let ending = null, opened = false;
    const u = address(options, lastId);
    u.protocol = u.protocol.replace("http", "ws");
    socket = new WebSocket(u, ["weft.v1", "bearer." + token]);
    socket.onmessage = ({ data }) => {
      if (over.signal.aborted) return;
      const frame = JSON.parse(data);
      if (frame.id) on.cursor(lastId = frame.id);
      switch (frame.type) {
        case "weft.open": opened = true; attempt = 0; on.open(frame.data); break;
        case "weft.reset": on.reset(frame.data); break;
        case "weft.close": ending = frame.data; break;
        case "weft.keepalive": break;
        default: on.event(frame);
      }
    };
    socket.onclose = async ({ code }) => {
      if (over.signal.aborted) return;
      const reason = ending?.reason ?? closeCodes[code] ?? "connection lost";
      let final = [4401, 4403].includes(code) || ending?.reconnect === false ? { reason, again: false } : null;
      if (!final && !opened) final = await why(options, over.signal);
      if (over.signal.aborted) return;
      if (final) { over.abort(); return on.ended(final); }
      on.connecting(reason);
      await wait(Math.max(ending?.retry ?? 0, pause(attempt++)), over.signal); // retry: what the node asks for
      if (!over.signal.aborted) connect();
    };
  };
  on.connecting();
  connect();
  return { close() { over.abort(); socket.close(); } };
}

// Long poll: ask, wait for the answer, ask again with its last id.
function openPoll(options) {
  const { on, token } = options;
  const over = new AbortController();

  const run = async () => {
    let lastId = options.lastId, attempt = 0, open = false;
    on.connecting();
    while (!over.signal.aborted) {
      try {
        // The first answer comes at once, to show that we are connected.
        const answer = await fetch(address(options, lastId, open ? {} : { wait: "0s" }), {
          headers: { Authorization: "Bearer " + token, Accept: "application/json" }, signal: over.signal,
        });
        const final = await refusal(answer);
        if (over.signal.aborted) return;
        if (final) { over.abort(); return on.ended(final); }
        if (!answer.ok) throw new Error("status " + answer.status);
        const { events, last_event_id, reset, resets } = await answer.json();
        if (over.signal.aborted) return;
        if (!open) { open = true; on.open({}); }
        attempt = 0;
        if (reset) on.reset(resets?.[0] ?? {});
        for (const e of events) { on.cursor(e.id); on.event(e); }
        on.cursor(lastId = last_event_id);
      } catch (err) {
        if (over.signal.aborted) return;
        open = false;
        on.connecting(err instanceof TypeError ? "connection lost" : err.message);
        await wait(pause(attempt++), over.signal);
      }
    }
  };
  run();
  return { close() { over.abort(); } };
}
