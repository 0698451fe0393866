// What the parts of a tab that shares know of each other, and what hub and links say (tabs.ts).

import type { connection } from "./connection"
import { type Ask, type Ending, type Frame, nameOf, type Open } from "./link"
import type { Tokens } from "./token"
import type { Options, State, Wanted } from "./types"

/** A tab's part of the tabs that share. */
export interface Group {
  url: URL
  options: Options
  /** Makes what a connection has its tokens from. */
  once(): Tokens
  connection: typeof connection
  openPoll: Open
  /** Names the group: the tabs with the same have one connection. */
  key: string
  /** What GET /_weft/v1/me has answered. */
  me?: { user: string; session?: string; subscribe: string[]; allow: string[]; check?: boolean; expires?: string }
  /** What this tab wants beside what its token brings. */
  wanted: Wanted[]
  /** What its last link asks for, and where that is. */
  ask?: Ask
  /** The place of this tab while it is in step with a hub. */
  place?: string
  /** Ends the connection for good, and lets another tab lead. */
  final(e: Ending): void
}

/** What is left without these subjects. */
export const without = (wanted: Wanted[], subjects: string[]) => wanted.filter(w => !subjects.includes(nameOf(w)))

/** What a hub says. */
export interface Said {
  hub: string
  /** Counts what it says. */
  n: number
  /** When it says it. */
  at: number
  frame?: Frame
  /** For this link only. */
  only?: string
  /** How its connection is. */
  is?: State
  /** It is a new one, or begins anew: from this cursor, or from now on. */
  lead?: boolean
  from?: string
  /** The answer to a link: what is wrong; or that it is followed what the link wants, from the
   * cursor on, or if early since the hub began. */
  to?: string
  ask?: number
  error?: Ending
  cursor?: string
  early?: boolean
  open?: object
  /** What came in the last seconds, of which one that begins has nothing, and one that asks the
   * server meanwhile may not have all yet; and whether it is all. */
  recent?: Frame[]
  isAll?: boolean
}

/** For so long what one node has sent may be on its way to another, in milliseconds. */
export const lag = 5000

/** What a link asks: to follow this for it, which may be in step up to a place; or nothing any
 * more, since it closes. */
export interface Asked { by: string; ask?: number; want?: Wanted[]; place?: string }
