// What a client of the page is told goes to the test, in order.
import { connect } from "/_weft/v1/client.js"

let told = Promise.resolve()
export const tell = what => (told = told.then(() => fetch("/told", { method: "POST", body: JSON.stringify(what) })).catch(() => {}))

export function follow(name, options) {
  const failure = text => tell({ name, failure: String(text) })
  addEventListener("error", e => failure(e.message))
  addEventListener("unhandledrejection", e => failure(e.reason))
  addEventListener("securitypolicyviolation", e => failure(e.violatedDirective + " " + e.blockedURI))
  const token = () => fetch("/token?user=ann").then(r => r.text())
  const weft = connect({ token, ...options })
  weft.on("note", e => tell({ name, event: e.data }))
  weft.onReset(r => tell({ name, failure: "reset of " + r.subjects }))
  weft.onState(s => tell({ name, state: s.state, reason: s.reason, leads: s.state === "open" && !s.shared }))
  return weft
}
