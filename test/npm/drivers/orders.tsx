// A component in TypeScript.
import { useState } from "react"
import { useWeft, type State } from "weft-client/react"

interface Order { id: number; total: number }

export function Orders({ hotel, user }: { hotel: string; user?: string }) {
  const [orders, setOrders] = useState<Order[]>([])
  const [present, setPresent] = useState(0)
  const { state, error, publish } = useWeft(user ? {
    key: user,
    token: () => fetch("/token").then(r => r.text()),
    subjects: [`topic.hotel.${hotel}`],
    on: { "order.*": e => setOrders(all => [...all, e.data as Order]) },
    onReset: () => setOrders([]),
    onPresence: { [`topic.hotel.${hotel}`]: p => setPresent(p.connections) },
  } : null)
  const how: State["state"] = state.state
  // @ts-expect-error a handler is a function
  useWeft({ on: { "order.*": "show" } })
  return <button onClick={() => void publish("topic.chat", { orders: orders.length })}>{how} {present} {error?.code}</button>
}
