// What the client and the module for tabs (tabs.ts) expect of each other: they are two files, and
// while nodes are upgraded they may be of two versions, which do not work together.

export const seam = 1
