import type { Options, Presence, Reset, State, Unsubscribed, Weft, WeftError, WeftEvent } from "./client.js";
export type * from "./client.js";
/** What a component follows. Subjects and handlers may be others at each rendering: those of the
 * last one count, and the connection stays. Another one of the rest, a token that is a string
 * among them, is another connection, which begins anew. */
export interface Use extends Options {
    /** Called back with each event, by type: `order.paid`, `order.*`, or `*` for all. */
    on?: Record<string, (e: WeftEvent<any>) => void>;
    onReset?: (r: Reset) => void;
    onUnsubscribed?: (u: Unsubscribed) => void;
    /** Follows who is there, by subject: a topic (`topic.hotel.42`) or a user (`user.ann`). */
    onPresence?: Record<string, (p: Presence) => void>;
    /** Another key is another connection: where `token` is a function, say who has signed in. */
    key?: string;
}
export interface Used {
    /** How it is now. */
    state: State;
    /** Why something of `subjects` was refused to an open connection, such as `forbidden`. */
    error?: WeftError;
    /** Publishes an event, as `Weft` does. It is the same function at each rendering. */
    publish: Weft["publish"];
}
/** Follows events while the component is mounted. With null or undefined there is no connection,
 * such as before somebody has signed in. */
export declare function useWeft(use: Use | null | undefined): Used;
