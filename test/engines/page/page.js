// One connection for each transport, and three tabs that share one. They are frames, which is
// all the same to locks and channels, and can be opened by no user. An event ends one of them.
import { follow, tell } from "./follow.js"

tell({ agent: navigator.userAgent })
for (const transport of ["websocket", "sse", "poll"]) {
  const weft = follow(transport, { transports: [transport], shared: false })
  if (transport === "websocket") weft.on("end", e => document.getElementById(e.data).remove())
}
for (const name of ["tab1", "tab2", "tab3"]) {
  const frame = document.createElement("iframe")
  frame.id = name
  frame.src = "tab.html?name=" + name
  document.body.append(frame)
}
