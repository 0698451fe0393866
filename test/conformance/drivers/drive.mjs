// Drives the client for browsers by the lines of drive.py.
import { createInterface } from "node:readline"
import { connect } from "../../../edge/client/dist/client.js"

const jobs = {}
const follow = ({ job, url, transport, tokens, subjects }) => {
  const tell = (what, data) => console.log(JSON.stringify({ job, what, data }))
  const present = subjects.filter(s => s.startsWith("presence."))
  const weft = connect({
    url, shared: false, transports: [transport], token: () => fetch(tokens).then(r => r.text()),
    subjects: subjects.filter(s => !present.includes(s)),
  })
  weft.on("*", e => tell("event", e))
  weft.onReset(r => tell("weft.reset", r))
  for (const p of present) weft.onPresence(p.slice("presence.".length), s => tell("weft.presence", s))
  weft.onState(s => s.state === "closed" && tell("closed", s.reason))
  jobs[job] = async ({ subject, data }) => tell("published", await weft.publish(subject, data))
}
createInterface({ input: process.stdin }).on("line", line => {
  const job = JSON.parse(line)
  job.publish ? jobs[job.job](job.publish) : follow(job)
})
