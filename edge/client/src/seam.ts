// What the client, the module for tabs (tabs.ts) and that of what it loads later (more.ts) expect of
// each other: they are three files, and while nodes are upgraded they may be of several versions,
// which need not work together.

export const seam = 1
