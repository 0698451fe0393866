// All that this page does with Weft, as it runs.
// At home without `more`: where the node is, and
// which transports to try, for you to play with.
import { connect } from "/_weft/v1/client.js";

export function follow(user, page, more) {
  const weft = connect({
    token: () => token(user).then(page.token),
    subjects: ["topic.chat"],
    persist: "session", // its place, over reloads
    ...more,
  });
  weft.on("*", page.event);
  weft.onReset(page.reset);
  weft.onState(page.state);
  return weft;
}

// A token is what your back end gives out.
async function token(user) {
  const r = await fetch("/api/token?user=" + user);
  if (!r.ok) throw new Error("signed out");
  return r.text();
}
