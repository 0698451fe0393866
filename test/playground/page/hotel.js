// The page of a hotel, as somebody has it who has signed in nowhere: it loads no library and
// brings no token. Between the lines is all that it does with Weft, word for word as in
// docs/browser-plain.md.
import { call, setup } from "./api.js";

// One of the names that the node has: a browser opens six connections to a host, not more.
const { visitors } = await setup();
const weft = visitors[Math.floor(Math.random() * visitors.length)];

// ----
const looking = document.getElementById("looking")
const bookings = document.getElementById("bookings")
const events = new EventSource(weft + "/_weft/v1/events?subject=topic.hotel.42&subject=presence.topic.hotel.42&since=1h")

events.addEventListener("weft.presence", e => {
  const {connections: n, complete = true} = JSON.parse(e.data)
  const people = n === 1 ? "1 person is" : n + " people are"
  looking.textContent = (complete ? "" : "At least ") + people + " looking at this"
})
events.addEventListener("hotel.booked", e => {
  const line = document.createElement("li")
  line.textContent = "Somebody has booked " + JSON.parse(e.data).room
  bookings.prepend(line)
})
events.onerror = () => { looking.textContent = "" }    // until it is back, which it is by itself
addEventListener("pagehide", () => events.close())    // a browser may keep a page that is left
addEventListener("pageshow", e => { if (e.persisted) location.reload() })
// ----

events.addEventListener("weft.open", () => { document.body.dataset.open = "yes"; });

const trouble = document.getElementById("trouble");
document.getElementById("book").onsubmit = async (e) => {
  e.preventDefault();
  try {
    await call("book", { room: e.submitter.value });
    trouble.textContent = "";
  } catch (err) {
    trouble.textContent = err.message;
  }
};
