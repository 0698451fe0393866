// What the client loads later (later.ts).
export { openPoll } from "./poll"
export { publish } from "./publish"
export { openSSE } from "./sse"
export { seam as version } from "./seam"
