// What the client loads later (later.ts).
export { openPoll as poll } from "./poll"
export { publish } from "./publish"
export { openSSE as sse } from "./sse"
export { seam as version } from "./seam"
