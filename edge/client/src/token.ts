// The token of a page: where it comes from, and until when it is good.

import type { Options } from "./types"

export interface Tokens {
  /** The token, a new one if fresh, where there is a function to ask. Fails when that does, or
   * takes longer than half a minute. */
  get(fresh?: boolean): Promise<string | undefined>
  /** The last one. */
  now?: string
}

export function tokens({ token }: Options): Tokens {
  let asked = false
  return {
    async get(fresh) {
      if (typeof token !== "function") return (this.now = token)
      if (fresh || !asked) {
        let t = await new Promise<string | null | undefined>((then, fail) => {
          const limit = setTimeout(fail, 30_000)
          Promise.resolve().then(token).then(then, fail).finally(() => clearTimeout(limit))
        })
        if (/[\s"<]/.test((t = t?.trim())!)) throw 0 // it is no token, but a page that a back end answers, say
        this.now = t
        asked = true
      }
      return this.now
    },
  }
}

/** What a token says of itself, nothing when it is no JWT. */
export function claims(token?: string): { sub?: string; exp?: number } {
  let said
  try {
    said = JSON.parse(atob(token!.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")))
  } catch {}
  return said ?? {}
}
