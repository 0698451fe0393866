/** How events come. */
export type TransportName = "websocket" | "sse" | "poll";
/** A subject to follow, perhaps only some types of it, such as `order.*`. */
export type Wanted = string | {
    subject: string;
    type?: string[];
};
export interface Options {
    /** Where Weft is, such as `https://events.example.com`; by default where this module came
     * from, in a page, else the origin of the page. */
    url?: string;
    /** The token, or what gets one: it is asked again before the token expires, and once when it
     * is refused. Without it the cookie `weft_token` counts, or nobody has signed in. */
    token?: string | (() => string | null | undefined | Promise<string | null | undefined>);
    /** What to follow beside what the token brings. */
    subjects?: Wanted[];
    /** Only these types of all that is followed, such as `order.*`. */
    types?: string[];
    /** Without a place to come back to: begin with what is stored since then (`1h`, a time, `all`). */
    since?: string;
    /** Keep the place over page loads: of this tab, or of all tabs. By default it is not. */
    persist?: "session" | "local";
    /** Which transports to try, the best first: `["websocket", "sse", "poll"]`. */
    transports?: TransportName[];
    /** false: this tab has a connection of its own. By default all tabs of an origin share one. */
    shared?: boolean;
    /** What this client calls itself, such as `Ann's phone`. */
    device?: string;
    /** For `auth.mode: none`: who this is. */
    user?: string;
}
/** An event, the same over all transports. */
export interface WeftEvent<T = unknown> {
    /** Where the connection stands; opaque. */
    id: string;
    /** The event's own id: the same for everybody. */
    event: string;
    subject: string;
    type?: string;
    data?: T;
    /** The payload, when it is no UTF-8. */
    data_base64?: string;
    /** Of a CloudEvent: its other attributes. */
    cloudevent?: Record<string, unknown>;
}
/** History is gone for these subjects: load your state anew. */
export interface Reset {
    subjects: string[];
    reason: "trimmed" | "recreated" | "unknown";
}
/** These are followed no more: the new token does not grant them (`unauthorised`). */
export interface Unsubscribed {
    subjects: string[];
    reason: string;
}
/** Who is there. */
export interface Presence {
    user?: string;
    topic?: string;
    online: boolean;
    connections: number;
    /** false: a node of the cluster is not heard, so there may be others. */
    complete?: boolean;
    devices?: {
        id: string;
        node: string;
        transport: string;
        since: string;
        agent?: string;
        device?: string;
    }[];
}
/** How it is, for the page to show. */
export interface State {
    /** `connecting`: trying. `open`: events come. `waiting`: will try at `retryAt`. `offline`: the
     * browser has no network. `closed`: for good, by `close()` or for the reason given. */
    state: "connecting" | "open" | "waiting" | "offline" | "closed";
    /** Why it is not open: `lost`, `silent`, `unreachable`, a code of Weft such as `expired`,
     * `revoked`, `drain`, `limit`, `token_invalid`, `forbidden`, or `closed` by the page. */
    reason?: string;
    /** More words of the server about it. */
    detail?: string;
    /** When the next try is, in milliseconds since 1970 (`Date.now()`). */
    retryAt?: number;
    /** How events come, when they do. */
    transport?: TransportName;
    /** Whether another tab has the connection. */
    shared?: boolean;
}
/** Ends what it was returned by. */
export type Off = () => void;
export interface Weft {
    /** Calls back with each event whose type matches: `order.paid`, `order.*`, or `*` for all. */
    on<T = unknown>(type: string, then: (e: WeftEvent<T>) => void): Off;
    /** Calls back when history is gone: load your state anew. */
    onReset(then: (r: Reset) => void): Off;
    /** Calls back with what a new token does not grant any more; the rest goes on. */
    onUnsubscribed(then: (u: Unsubscribed) => void): Off;
    /** Calls back at once with the state as it is, then whenever it changes. */
    onState(then: (s: State) => void): Off;
    /** Follows who is there: of a topic (`topic.hotel.42`) or a user (`user.ann`, or `ann`). */
    onPresence(subject: string, then: (p: Presence) => void): Off;
    /** Follows these, too. Fails with a WeftError when that is not allowed. */
    subscribe(...subjects: Wanted[]): Promise<void>;
    /** Follows these no more. What the token brings cannot be left. */
    unsubscribe(...subjects: string[]): Promise<void>;
    /** Publishes an event, and is done when it is stored. Returns its id; fails with a WeftError. */
    publish(subject: string, data: unknown, more?: {
        type?: string;
    }): Promise<string>;
    /** How it is now. */
    readonly state: State;
    /** Ends it for good; another `connect` begins anew. */
    close(): void;
}
/** A refusal of the server, with its code, such as `forbidden`. */
export interface WeftError extends Error {
    code: string;
}
/** Follows events until it is closed. */
export declare function connect(options?: Options): Weft;
