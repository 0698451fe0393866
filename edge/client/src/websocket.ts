// A WebSocket; a page can give it no header but the sub-protocol, which has the token.

import { address, type Ending, type Frame, type Open } from "./link"

const codes: Record<number, string> = { 4401: "expired", 4403: "revoked", 4408: "slow", 4410: "disconnected", 4429: "limit", 1012: "drain" }

export const openWebSocket: Open = (ask, frame, ended) => {
  const u = address(ask)
  u.protocol = u.protocol.replace("http", "ws")
  const socket = new WebSocket(u, ask.token ? ["weft.v1", "bearer." + ask.token] : ["weft.v1"])
  const waiting = new Map<number, (f: Frame) => void>()
  let over = false, refs = 0, closing: Ending | undefined

  socket.onmessage = ({ data }) => {
    if (over) return
    const f: Frame = JSON.parse(data)
    if (f.ref !== undefined) {
      waiting.get(f.ref)?.(f)
      waiting.delete(f.ref)
      return
    }
    if (f.type === "weft.close") closing = f.data
    frame(f)
  }
  socket.onclose = ({ code }) => {
    for (const answer of waiting.values()) answer({ error: { code: "lost", detail: "the connection was lost before the answer came" } })
    if (over) return
    over = true
    ended({ reason: codes[code] ?? "lost", status: code, ...closing })
  }
  return {
    command: c => new Promise(then => {
      waiting.set(++refs, then)
      socket.send(JSON.stringify({ ...c, ref: refs }))
    }),
    close() {
      over = true
      socket.close()
    },
  }
}
