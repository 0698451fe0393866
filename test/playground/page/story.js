// The story: what the playground is there to show, played from the start.

const breath = () => new Promise((done) => setTimeout(done, 1100));

// until resolves when test holds of inbox, and fails after ten seconds.
function until(inbox, test, what) {
  return new Promise((done, fail) => {
    const finish = (settle) => {
      clearTimeout(timer);
      inbox.removeEventListener("change", check);
      settle();
    };
    const check = () => { if (test(inbox)) finish(done); };
    const timer = setTimeout(() => finish(() => fail(new Error(`waited too long: ${what}`))), 10_000);
    inbox.addEventListener("change", check);
    check();
  });
}

const isOpen = (i) => i.state === "open";

async function ready(inbox) {
  if (isOpen(inbox)) return;
  if (inbox.state === "ended") await inbox.renew();
  if (inbox.state !== "connecting") inbox.connect();
  await until(inbox, isOpen, `${inbox.name} connects`);
}

// play tells each step with say. send(to, text) publishes one event.
export async function play({ ann, bob, topic, send, say }) {
  say("Ann and Bob are connected.");
  await Promise.all([ready(ann), ready(bob)]);
  await breath();

  say("1 · An event for Ann. Bob must not see it.");
  let count = ann.received;
  await send(ann.user, "your order is confirmed");
  await until(ann, (i) => i.received > count, "Ann’s event");
  await breath();

  say("2 · Ann’s connection drops.");
  ann.drop();
  await breath();

  say("3 · Three more for Ann, who is away.");
  for (const text of ["packed", "handed to the courier", "out for delivery"]) await send(ann.user, text);
  await breath();

  say("4 · Ann is back with her last id, and gets exactly those three.");
  ann.connect();
  await until(ann, (i) => isOpen(i) && i.missed === 3, "the three that Ann missed");
  await breath();

  say("5 · A word to both, through the shared topic.");
  count = [ann.received, bob.received];
  await send(topic, "the shop closes at six");
  await until(ann, (i) => i.received > count[0], "the word to Ann");
  await until(bob, (i) => i.received > count[1], "the word to Bob");
  await breath();

  say("6 · Ann’s token is revoked. She is cut at once, Bob stays.");
  await ann.revoke();
  await until(ann, (i) => i.state === "ended", "Ann is cut");
  await breath();

  say("7 · With the same token she does not come in again.");
  ann.connect();
  await until(ann, (i) => i.state === "ended", "Ann is refused");
  await breath();

  say("8 · A new token, and she goes on from her last id.");
  await ann.renew();
  ann.connect();
  await until(ann, isOpen, "Ann connects with the new token");
  say("That is the story. Choose other transports and ways in, and play it again.");
}
