// The story: what the playground is there to show, played from the start.

const breath = () => new Promise((done) => setTimeout(done, 1100));

// until resolves when test holds of inbox, and fails after a minute.
function until(inbox, test, what) {
  return new Promise((done, fail) => {
    const finish = (settle) => {
      clearTimeout(timer);
      inbox.removeEventListener("change", check);
      settle();
    };
    const check = () => { if (test(inbox)) finish(done); };
    const timer = setTimeout(() => finish(() => fail(new Error(`waited too long: ${what}`))), 60_000);
    inbox.addEventListener("change", check);
    check();
  });
}

const isOpen = (i) => i.state.state === "open";

async function ready(inbox) {
  await inbox.network("works");
  if (inbox.state.state === "closed") await inbox.signIn();
  await until(inbox, isOpen, `${inbox.name} connects`);
}

// play tells each step with say. send(to, text) publishes one event.
export async function play({ ann, bob, topic, send, say }) {
  say("Ann and Bob connect.");
  await Promise.all([ready(ann), ready(bob)]);
  await breath();

  say("1 · An event for Ann. Bob must not see it.");
  let count = ann.received;
  await send(ann.user, "your order is confirmed");
  await until(ann, (i) => i.received > count, "Ann’s event");
  await breath();

  say("2 · Ann’s network is gone.");
  await ann.network("gone");
  await until(ann, (i) => !isOpen(i), "Ann is away");

  say("3 · Three more for Ann, who is away.");
  for (const text of ["packed", "handed to the courier", "out for delivery"]) await send(ann.user, text);
  await breath();

  say("4 · The network is back, but for WebSockets. Ann comes back by SSE, and gets exactly those three.");
  await ann.network("no-upgrade");
  await until(ann, (i) => isOpen(i) && i.missed === 3, "the three that Ann missed");
  await breath();

  say("5 · A word to both, through the shared topic.");
  count = [ann.received, bob.received];
  await send(topic, "the shop closes at six");
  await until(ann, (i) => i.received > count[0], "the word to Ann");
  await until(bob, (i) => i.received > count[1], "the word to Bob");
  await ann.network("works");
  await breath();

  say("6 · Ann’s token is revoked. She is cut at once and for good, Bob stays.");
  await ann.revoke();
  await until(ann, (i) => i.state.state === "closed", "Ann is cut");
  await breath();

  say("7 · She signs in anew, and goes on where she stood.");
  await ann.signIn();
  await until(ann, isOpen, "Ann connects with the new token");
  say("That is the story. Choose other transports, networks and ways in, and play it again.");
}
