// What a server does that renders a component: no effect runs there, so there is no connection.
import { createElement } from "react"
import { renderToString } from "react-dom/server"
import { useWeft } from "weft-client/react"

function Orders() {
  const { state } = useWeft({ token: () => { throw new Error("asked for a token") }, on: { "*": () => {} } })
  return createElement("p", null, state.state)
}
console.log(renderToString(createElement(Orders)))
