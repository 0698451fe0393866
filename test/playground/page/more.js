// What the playground asks of the client that a page at home does not.

export const transportNames = { websocket: "WebSocket", sse: "SSE", poll: "long poll" };
const transports = Object.keys(transportNames); // the best first

// more is where the node is, by a network to spoil, and which transports to try: from the best one
// on. Tabs that ask for the same share a connection.
export function more(network, best) {
  return { url: network.url, transports: transports.slice(transports.indexOf(best)) };
}
