// A script that follows events, as a reader would write it; it is over when the client is closed.
import { connect } from "weft-client"

const [url, token, topic, transports] = process.argv.slice(2)
const say = it => console.log(JSON.stringify(it))
const weft = connect({ url, token: () => token, ...(transports && { transports: transports.split(",") }) })

weft.onState(({ state, reason, transport }) => say({ state, reason, transport }))
weft.onReset(r => say({ reset: r.subjects }))
weft.on("note.*", e => {
  say({ event: e.data.n })
  if (e.data.n === 1) weft.publish(topic, { n: 2 }, { type: "note.mine" }).then(id => say({ published: id }), e => say({ failed: e.code }))
  if (e.data.last) weft.close()
})
weft.subscribe(topic).then(() => say({ subscribed: topic }), e => say({ failed: e.code }))
