// A page in TypeScript: all that the client has, and what its types must refuse.
import { connect, type Off, type Options, type Presence, type Reset, type State, type Unsubscribed, type Wanted, type Weft, type WeftError, type WeftEvent } from "weft-client"

interface Order { id: number; total: number }

const options: Options = {
  url: "https://events.example.com",
  token: async () => "a token",
  subjects: ["topic.hotel.42", { subject: "topic.hotel.43", type: ["order.*"] }],
  types: ["order.*"],
  transports: ["websocket", "sse", "poll"],
  persist: "session",
  shared: false,
  device: "Ann's phone",
}
const weft: Weft = connect(options)
const off: Off = weft.on<Order>("order.paid", e => {
  const total: number | undefined = e.data?.total
  console.log(e.id, e.event, e.subject, total)
})
weft.on("*", (e: WeftEvent) => {
  // @ts-expect-error what nobody has named may be anything
  e.data.total
})
weft.onReset((r: Reset) => console.log(r.subjects.join(), r.reason))
weft.onUnsubscribed((u: Unsubscribed) => console.log(u.subjects.join(), u.reason))
weft.onState((s: State) => {
  if (s.state === "waiting" && s.retryAt !== undefined) console.log(s.retryAt - Date.now())
  // @ts-expect-error no state is called so
  if (s.state === "connected") console.log(s)
})
weft.onPresence("topic.hotel.42", (p: Presence) => console.log(p.online, p.connections, p.devices?.[0]?.device))
const wanted: Wanted = "topic.x"
await weft.subscribe(wanted, { subject: "topic.y", type: ["a.*"] })
await weft.unsubscribe("topic.x")
const id: string = await weft.publish("topic.chat", { text: "Hello" }, { type: "chat.said" })
try {
  await weft.publish("topic.other", null)
} catch (err) {
  console.log((err as WeftError).code, id)
}
// @ts-expect-error nobody but the client says how it is
weft.state = { state: "open" }
off()
weft.close()
connect().close()
connect({ token: "a token", url: "https://events.example.com" }).close()
connect({ token: () => localStorage.getItem("token") }).close() // null is nobody
