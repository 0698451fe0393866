// A WebSocket; a page can give it no header but the sub-protocol, which has the token.

import { address, type Ending, type Frame, lost, type Open, unreachable } from "./link"

export const openWebSocket: Open = (ask, frame, ended) => {
  const u = address(ask, [["wait", "0s"]]) // where somebody between makes a poll of it
  u.protocol = u.protocol.replace("http", "ws")
  const socket = new WebSocket(u, ask.token ? ["weft.v1", "bearer." + ask.token] : ["weft.v1"])
  const waiting = new Map<number | undefined, (e?: Ending) => void>()
  let over = false, refs = 0

  const close = () => {
    over = true
    socket.close()
    for (const answer of waiting.values()) answer(lost)
  }
  const end = (e: Ending) => {
    if (over) return
    close()
    ended(e)
  }
  socket.onmessage = ({ data }) => {
    if (over) return
    try {
      const f: Frame = JSON.parse(data), { ref, error } = f
      if (ref) {
        waiting.get(ref)?.(error && { reason: error.code, detail: error.detail })
        waiting.delete(ref)
      } else if (f.type === "weft.close") end(f.data)
      else frame(f)
    } catch { // it is none of Weft's
      end(unreachable)
    }
  }
  socket.onclose = () => end(lost)
  return {
    command: c => new Promise(then => {
      if (over) return then(lost)
      waiting.set(++refs, then)
      socket.send(JSON.stringify({ ...c, ref: refs }))
    }),
    close,
  }
}
