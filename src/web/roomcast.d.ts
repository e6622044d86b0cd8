/**
 * Roomcast's client: one ES module without dependencies for browsers, Node.js, Deno, Bun and React Native. It hears what
 * services publish; what a user does (posts, edits) goes through your own API, and comes back as an event.
 */

/** Where in a room's events, or in a user's notifications, somebody is. `epoch` means nothing to a client. */
export interface Position {
  epoch: string;
  seq: number;
}

/**
 * Yours to fill: what `data` is, by the `type` of the event as the server sends it. Then listeners are typed by the name they
 * are given in either spelling, what comes to `"*"` or from an iterator is told apart by `type`, and other names are refused.
 *
 *     declare module "roomcast" { // or whatever you import
 *       interface EventData { "chat.message.posted": { content: string } }
 *     }
 *
 * Nothing is checked at run time, and types that are not in it come to `"*"` all the same.
 */
export interface EventData {}

type Declared = keyof EventData & string;
type Short<Type> = Type extends `chat.${infer Rest}` ? Rest : Type;
type Either<Type> = Type | Short<Type>;
type Called<Name> = { [Type in Declared]: Name extends Either<Type> ? RoomEvent<EventData[Type], Type> : never }[Declared];

/** The types that a server sends without configuration. */
export type EventType =
  | "chat.message.posted"
  | "chat.message.edited"
  | "chat.message.deleted"
  | "task.created"
  | "task.updated"
  | "chat.status_changed"
  | "chat.created"
  | "chat.updated"
  | "chat.deleted"
  | "chat.member_added"
  | "chat.member_removed"
  | "chat.type_changed"
  | "chat.renamed"
  | "chat.priority_set"
  | "chat.severity_set"
  | "chat.user_assigned"
  | "chat.assignee_removed"
  | "chat.due_date_set"
  | "chat.due_date_removed"
  | "chat.closed"
  | "chat.reopened"
  | "notification.new";

/** What a listener may be called by: any type; once `EventData` is filled, those in it. */
export type EventName = [Declared] extends [never] ? Either<EventType> | (string & {}) : Either<Declared>;

/** Any event; once `EventData` is filled, a union of those in it. */
export type AnyEvent = [Declared] extends [never] ? RoomEvent : { [Type in Declared]: RoomEvent<EventData[Type], Type> }[Declared];

/** A domain event. Within one `epoch`, `seq` grows by exactly one. */
export interface RoomEvent<Data = any, Type extends string = string> extends Position {
  /** As the server sends it: `chat.message.posted`, also where the listener said `message.posted`. */
  type: Type;
  /** Absent in events that go to a user. */
  chat_id?: string;
  /** Of the event, as its service gave it. */
  id: string;
  /** When it happened (RFC 3339), where the service said so. */
  ts?: string;
  data: Data;
}

/** Of another user. Who vanishes does not say that they stopped: forget it 8 s after the last `true`. */
export interface Typing {
  chat_id: string;
  user_id: string;
  is_typing: boolean;
}

/** Of a user, with however many connections. May repeat what is known. */
export interface Presence {
  chat_id: string;
  user_id: string;
  is_online: boolean;
}

export interface Online {
  /** Empty in chats of more users than the server lists; `count` is right all the same. */
  online: string[];
  count: number;
}

export interface Joined extends Position {
  /** true: everything since the last time follows. false: `lost` was told just before. null: there was no last time. */
  recovered: boolean | null;
  /** Events that were missed, and are delivered after this. */
  replayed: number;
}

export interface Ended {
  code: ErrorCode;
  message: string;
}

/** What goes by a name of its own in a room. Any other name is the type of an event (`chat.joined` too, should there be one). */
export interface RoomEvents {
  /** Every domain event, after the listeners of its type. */
  "*": AnyEvent;
  typing: Typing;
  /** Changes while the room is joined. What it was before, and after a break, `presence()` tells: ask at each `joined`. */
  presence: Presence;
  /** In the room, for the first time or again; what was missed follows. */
  joined: Joined;
  /**
   * Events were lost up to this position: reload through your API; what follows it is delivered, also while you load, so that
   * some of it may be in the answer already.
   */
  lost: Position;
  /** The server has ended it: right taken away, chat deleted, refused. `join` asks again, for a new `Room`. */
  ended: Ended;
}

/**
 * - `connecting`: a token is fetched, or the server asked; the first one, of which no listener is told
 * - `waiting`: for the next attempt; a token that the server does not take is no end either, since your function may bring a
 *   better one: `close()` is
 * - `offline`: the browser says so; no attempt until it is online
 * - `closed`: by `close()`, or because the server said not to come back; for good
 */
export type State = "connecting" | "connected" | "waiting" | "offline" | "closed";

/** Of a connection that is over: with `waiting`, `offline`, and `closed` by the server; otherwise empty. */
export interface Why {
  /**
   * Of the WebSocket; 0: the client itself gave up, or had no token. 1006: the connection broke, or was refused (token, origin,
   * address: browsers do not tell, and the server's answer is seen in their network panel only).
   */
  code?: number;
  reason?: string;
  /** When the next attempt is due. */
  retry_in_ms?: number;
}

export interface Connected {
  type: "connected";
  connection_id: string;
  user_id: string;
  node: string;
  ping_interval_ms: number;
  /** Unix seconds; absent when the token has no end. */
  expires_at?: number;
  notifications?: Position;
}

/**
 * The client's own:
 * - `INVALID_CHAT`: no UUID, thrown by `join()`
 * - `CLOSED`: the server said not to come back; or `join()` after that, or after `close()`
 * - `DISCONNECTED`, `TIMEOUT`: of `presence()`, which was not answered
 * - `LEFT`: of `joined` and `presence()` after `leave()` or `close()`
 * - `OVERFLOW`: of an iterator
 * - `TOKEN`: your function failed or returned no text, or the WebSocket took address or token for malformed; see `cause`. It
 *   is tried again, with backoff; `close()` ends that, also within the function
 * - `STORAGE`: it threw; see `cause`. The position is kept in memory
 * - `INVALID_JSON`: of what the server said
 * - `POSITION_LOST`: of an iterator
 *
 * The server's: what it has against a room that is joined (`FORBIDDEN`, `ROOM_LIMIT`, ...), or why it ended one
 * (`MEMBERSHIP_REVOKED`, `CHAT_DELETED`); all are told in proto/README.md. There may be more one day.
 */
export type ErrorCode =
  | "CHAT_DELETED"
  | "CLOSED"
  | "DISCONNECTED"
  | "FORBIDDEN"
  | "INTERNAL"
  | "INVALID_CHAT"
  | "INVALID_JSON"
  | "INVALID_MESSAGE"
  | "LEFT"
  | "MEMBERSHIP_REVOKED"
  | "NOT_SUBSCRIBED"
  | "OVERFLOW"
  | "OVERLOADED"
  | "POSITION_LOST"
  | "RATE_LIMITED"
  | "ROOM_LIMIT"
  | "STORAGE"
  | "TIMEOUT"
  | "TOKEN"
  | "UNAUTHORIZED"
  | "UNAVAILABLE"
  | "UNKNOWN_TYPE"
  | (string & {});

export class RoomcastError extends Error {
  constructor(code: string, message?: string, more?: object);
  name: "RoomcastError";
  code: ErrorCode;
  /** The same may succeed later. */
  temporary: boolean;
  close_code?: number;
  chat_id?: string;
  cause?: unknown;
}

/** Whoever joins the same chat has the same one, and the first `leave()` is everybody's. */
export interface Room {
  /** In lower case. */
  readonly chatId: string;
  /** Of the last event that was delivered, or is being delivered; null before the first answer. */
  readonly position: Position | null;
  /** In the room for the first time. Rejected when the server refuses for good, and with `LEFT`; need not be awaited. */
  readonly joined: Promise<Position>;

  /**
   * A listener of events of this type (`message.posted` and `chat.message.posted` are the same), or of a name in
   * `RoomEvents`. Returns what takes it off. Listeners are called in the order in which they came, and a promise that one
   * returns is not waited for. What was there before the listener is not told again: add it right after `join()`.
   */
  on<Name extends keyof RoomEvents>(name: Name, listener: (event: RoomEvents[Name]) => unknown): () => void;
  on<Name extends Either<Declared>>(type: Name, listener: (event: Called<Name>) => unknown): () => void;
  on<Data = any>(type: EventName, listener: (event: RoomEvent<Data>) => unknown): () => void;

  /**
   * Call it with every key that is pressed: the others are told as often as the server allows, and that it stopped
   * 5 s after the last call, or at once by `typing(false)`. While the room is not joined it does nothing.
   */
  typing(isTyping?: boolean): void;
  /** Waits for `joined`; after that, rejected with `DISCONNECTED` while the room is not joined again. */
  presence(): Promise<Online>;
  /**
   * For good, and at once: forgets the position too. To go on there later, keep `position` and give it to `join()` as `since`.
   */
  leave(): void;
  /**
   * Events from the call on, which `for await` makes at once. At most `queue` wait for a slow loop: then it ends with `OVERFLOW`.
   * It ends with `POSITION_LOST` where events were lost, with the server's code when that ends the room, and without an error
   * after `leave()` or `close()`; what waits is given out before.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<AnyEvent>;
}

/** What goes by a name of its own here. Any other name is the type of an event that goes to the user. */
export interface ClientEvents {
  /** Each change. `client.state` tells what it is before the first. */
  state: State;
  /**
   * A `RoomcastError`, or what a listener threw. A room that is refused or ended is told there alone (`ended`, `joined`).
   * Without a listener: console.error.
   */
  error: unknown;
  /** Notifications were lost up to this position. */
  lost: Position;
  /** Every event that goes to the user, after the listeners of its type; each comes to all tabs and devices. */
  "*": AnyEvent;
}

export interface Client {
  readonly state: State;
  /** What the server said last when it let us in; null before the first time. */
  readonly info: Connected | null;
  /**
   * The room of this chat, joined once connected and again each time; the one that is there already, until it is left or
   * ended. Throws `INVALID_CHAT` and `CLOSED`. `since`: where to go on, instead of what the storage says; events behind it
   * are delivered. Without both, events from now on.
   */
  join(chatId: string, options?: { since?: Position }): Room;
  on(name: "state", listener: (state: State, why: Why) => unknown): () => void;
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => unknown): () => void;
  on<Name extends Either<Declared>>(type: Name, listener: (event: Called<Name>) => unknown): () => void;
  on<Data = any>(type: EventName, listener: (event: RoomEvent<Data>) => unknown): () => void;
  /** Looks at the connection, or tries to connect, now; for React Native, when the app becomes active. */
  wake(): void;
  /** For good, and at once: rooms are over without an `ended`. Positions stay in the storage. To come back, `connect()` anew. */
  close(): void;
}

/**
 * `sessionStorage`, or anything like it; not asynchronous. In `localStorage` all tabs share one position: that of whichever
 * kept it last.
 */
export interface Storage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface Options {
  /**
   * A token, or a function that fetches one: it is asked for every connection, and before the token expires. With
   * `auth.one_time` it must return a new one each time.
   */
  token: string | (() => string | Promise<string>);
  /**
   * Keeps the position of each room and of the notifications, by user: `roomcast:<user>:<chat>`. So a reloaded page is sent
   * what it missed; what came before that it must load, also what the page before it heard while it was being left. A position
   * is kept once the listeners of its event have returned.
   */
  storage?: Storage;
  /**
   * Where there is none: Node.js before 22, with that of npm's `ws`. What is used of it: `send`, `close`, `onmessage`,
   * `onclose`, `onerror`.
   */
  WebSocket?: new (url: string, protocols: string[]) => any;
  /**
   * Events that may wait in an iterator.
   * @default 1000
   */
  queue?: number;
  /**
   * The n-th attempt in a row (from 0 on) comes at random within `minBackoffMs` x 2^n, and never later than `maxBackoffMs`;
   * plus the time that the server asks for.
   * @default 1000
   */
  minBackoffMs?: number;
  /** @default 30000 */
  maxBackoffMs?: number;
  /**
   * For the token and the server's first word.
   * @default 20000
   */
  connectTimeoutMs?: number;
  /**
   * For any other answer.
   * @default 10000
   */
  answerTimeoutMs?: number;
  /** Of silence until the connection is checked: the server's ping interval by default. */
  idleMs?: number;
}

/**
 * Connects at once, and again until `close()`. `url`: `wss://host/ws`; `https://` works too, and in a page what is relative to it.
 * Throws a TypeError without a token or a WebSocket, and for a `url` that is relative to nothing.
 */
export function connect(url: string, options: Options): Client;
