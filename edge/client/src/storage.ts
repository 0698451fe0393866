// What outlives a page: nothing where there is no page, or where it may not be used.

/** What is kept under a key, of this tab or of all; with a value, it is kept from now on. */
export function stored(of: "session" | "local" | undefined, key: string, value?: string): string | undefined {
  try {
    const area = globalThis.document && (globalThis as any)[of + "Storage"]
    return value ? (area[key] = value) : area[key]
  } catch {} // there is none, it is full, or the user wants none
}
