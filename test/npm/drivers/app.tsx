// The page of react_test.go: one component, which the test renders with what it likes. What its
// handlers are called with is in window.seen, what it shows in the page.
import { StrictMode, useEffect } from "react"
import { createRoot } from "react-dom/client"
import { useWeft, type Used, type Wanted } from "weft-client/react"

interface Shown { user: string; subjects?: Wanted[]; label?: string; presence?: string; fails?: boolean }

const page = window as unknown as { seen: string[]; rendered?: string; published: Set<Used["publish"]>; render(shown?: Shown): void; publish: Used["publish"] }
page.seen = []
page.published = new Set()

function Orders({ user, subjects, label, presence, fails }: Shown) {
  const { state, error, publish } = useWeft(user ? {
    key: user,
    shared: false,
    token: () => fetch("/token?user=" + user).then(r => r.text()),
    subjects,
    on: {
      "order.*": e => {
        page.seen.push(`${label} ${e.data.n}`)
        if (fails) throw new Error("the handler fails")
      },
      ...(label === "all" && { "*": e => page.seen.push("* " + e.data.n) }),
    },
    onPresence: presence ? { [presence]: p => page.seen.push(`${presence} ${p.connections}`) } : undefined,
  } : null)
  useEffect(() => {
    page.published.add(page.publish = publish)
    page.rendered = label
  })
  return <p id="shown">{state.state} {state.transport} {error?.code}</p>
}

const root = createRoot(document.getElementById("root")!)
page.render = shown => root.render(<StrictMode>{shown && <Orders {...shown} />}</StrictMode>)
