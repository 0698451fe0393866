// All that this page does with Weft, as it runs. At home it is this and no more: `more`
// says where the node is and which transports to try, so that you can play with them.
import { connect } from "/_weft/v1/client.js";

export function follow(user, page, more) {
  const weft = connect({
    token: () => fetch("/api/token?user=" + user).then((r) => r.text()).then(page.token),
    subjects: ["topic.chat"],
    persist: "session",
    ...more,
  });
  weft.on("*", page.event);
  weft.onReset(page.reset);
  weft.onState(page.state);
  return weft;
}
