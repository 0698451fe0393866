// The playground's own small API.

// clock is the time in milliseconds since 1970, with fractions.
export const clock = () => performance.timeOrigin + performance.now();

export const setup = () => answer(fetch("api/setup"));
// hand is for a terminal: the session of a user, a token and commands.
export const hand = (user) => answer(fetch("api/hand?user=" + user));
export const route = () => answer(fetch("api/route"));
export const cluster = () => answer(fetch("api/cluster"));

export const call = (name, body) => answer(fetch("api/" + name, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
}));

async function answer(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Error("the playground does not answer; is it still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error ?? `the playground answered ${response.status}`);
  return body;
}
