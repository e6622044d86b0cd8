/* @ts-self-types="./roomcast.d.ts" */
// Roomcast's client: browsers, Node.js, Deno, Bun, React Native. What is public, and what it promises, is told
// in roomcast.d.ts; here is told why.
//
//                  .------------- time, online, visible -------------.
//                  v                                                 |
//   connect() -> connecting -- `connected` --> connected -- ended -> waiting <-> offline
//                  |                                                 ^
//                  '------------- refused, no answer in time --------'
//
// closed: by close(), or because the server said not to come back.

const BATCH = 32; // rooms in one subscribe: far below what one message may hold
const BURST = 20; // messages at once, and then one in PACE_MS: half of what servers allow by default
const PACE_MS = 100;
const STABLE_MS = 10_000; // a connection that held for so long forgives the failures before it
const TYPING_MS = 2_200; // the server passes one in 2 s
const TYPING_STOPS_MS = 5_000;
const HINT_MAX_MS = 3_600_000;
const TIMER_MAX_MS = 2 ** 31 - 1; // beyond, setTimeout fires at once
const OWN_NAMES = /^(\*|(chat\.)?typing|presence|joined|lost|ended|state|error)$/;

// What is numbered is in one of these stages. Only a LIVE one takes events: while an answer is awaited, it
// will say where to go on, and what comes before it comes again.
const DUE = 0; // to be asked for
const ASKED = 1;
const LATE = 2; // the server cannot say now: to be asked again by the timer "retry"
const LIVE = 3;
const ENDED = 4;

export class RoomcastError extends Error {
  constructor(code, message, more) {
    super(message || code);
    Object.assign(this, { name: "RoomcastError", code, temporary: false }, more);
  }
}

export function connect(url, options) {
  return new Client(url, options);
}

class Emitter {
  _listeners = new Map();

  on(type, listener) {
    if (typeof listener !== "function") throw new TypeError(`the listener of "${type}" is not a function`);
    const name = keyOf(type);
    const entry = { listener };
    if (!this._listeners.has(name)) this._listeners.set(name, new Set());
    this._listeners.get(name).add(entry);
    return () => void this._listeners.get(name).delete(entry);
  }

  // A listener that throws, or whose promise is rejected, keeps the others from nothing.
  _emit(key, report, ...args) {
    const entries = this._listeners.get(key) ?? new Set();
    for (const entry of [...entries]) {
      if (!entries.has(entry)) continue; // taken off meanwhile
      try {
        const result = entry.listener(...args);
        if (typeof result?.then === "function") result.then(undefined, report);
      } catch (error) {
        report(error);
      }
    }
    return entries.size;
  }
}

// Events that are numbered: those of a room, or the user's notifications.
class Feed extends Emitter {
  _stage = DUE;
  _id = 0; // of the question, while ASKED
  _at = null; // {epoch, seq} of the last event: nothing up to there is taken again
  _before = null; // the epoch before that one
  _doubt = null; // the position at which the server was asked about a hole

  constructor(client, chatId) {
    super();
    this._client = client;
    this.chatId = chatId;
    this._report = (error) => client._report(error);
  }

  get position() {
    return this._at && { ...this._at };
  }

  _tell(key, ...args) {
    this._emit(key, this._report, ...args);
  }

  _take(event) {
    if (this._stage !== LIVE) return;
    const at = this._at;
    const same = event.epoch === at.epoch;
    if (same && event.seq <= at.seq) return;
    if (event.seq !== (same ? at.seq + 1 : 1) || event.epoch === this._before) {
      // A hole. Asked about it, the server sends what is missing, or says that it is lost. When it insists, a
      // new epoch is taken as it comes, and in the same one something is lost.
      if (this._doubt !== at) {
        this._doubt = at;
        this._stage = DUE;
        this._client._askSoon();
        return;
      }
      if (same) this._lose({ epoch: event.epoch, seq: event.seq - 1 });
      if (this._stage !== LIVE) return; // a listener has left
    }
    this._move(event);
    this._tell(eventKey(event.type), event);
    this._tell("*", event);
    this._pass(event);
    this._save(); // not before: what is saved has been delivered
  }

  _pass() {}

  _move({ epoch, seq }) {
    if (this._at && this._at.epoch !== epoch) this._before = this._at.epoch;
    this._at = { epoch, seq };
  }

  _answered(ack) {
    this._stage = LIVE;
    if (ack.recovered === false) this._lose(ack);
    else if (!ack.replayed) this._move(ack); // otherwise what is replayed leads there
    this._save();
  }

  _lose(position) {
    this._move(position);
    this._save();
    this._tell("lost", this.position);
  }

  // Storage may be full, forbidden or broken: then the position lives in memory only.
  _save() {
    if (this._stage !== ENDED) this._store("setItem", JSON.stringify(this._at));
  }

  _load() {
    if (this._at) return;
    try {
      const { epoch, seq } = JSON.parse(this._store("getItem")) ?? {};
      if (typeof epoch === "string" && Number.isSafeInteger(seq) && seq >= 0) this._at = { epoch, seq };
    } catch {
      // not ours, or spoiled: as if there were none
    }
  }

  _store(method, ...value) {
    const { _options: options, info } = this._client;
    try {
      if (options.storage && info) return options.storage[method](`roomcast:${info.user_id}:${this.chatId}`, ...value);
    } catch (error) {
      this._report(new RoomcastError("STORAGE", `storage.${method}() failed`, { cause: error }));
    }
    return null;
  }
}

class Room extends Feed {
  _queues = new Set();
  _typing = false; // what was said last
  _typingAt = -Infinity;

  constructor(client, chatId) {
    super(client, chatId);
    this.joined = new Promise((resolve, reject) => Object.assign(this, { _resolve: resolve, _reject: reject }));
    this.joined.catch(() => {}); // nobody need await it
  }

  leave() {
    if (this._stage === ENDED) return;
    const wasAsked = this._stage !== DUE;
    this._end();
    if (wasAsked) this._client._send({ type: "unsubscribe.chat", chat_id: this.chatId });
  }

  typing(isTyping = true) {
    clearTimeout(this._typingTimer);
    if (this._stage !== LIVE) return;
    const wait = this._typingAt + TYPING_MS - Date.now();
    if (!isTyping) {
      if (this._typing) this._sayTyping(false);
      return;
    }
    if (wait <= 0 || wait > TYPING_MS) {
      this._typingAt = Date.now();
      this._sayTyping(true);
    }
    this._typingTimer = this._typing
      ? setTimeout(() => this.typing(false), TYPING_STOPS_MS)
      : setTimeout(() => this.typing(true), wait);
  }

  _sayTyping(isTyping) {
    this._typing = isTyping;
    this._client._send({ type: "chat.typing", chat_id: this.chatId, is_typing: isTyping });
  }

  async presence() {
    await this.joined;
    if (this._stage !== LIVE) throw this._stage === ENDED ? hasLeft() : isAway();
    const { online, count } = await this._client._request({ type: "presence.get", chat_id: this.chatId });
    return { online, count };
  }

  [Symbol.asyncIterator]() {
    const queue = new Queue(this._client._options.queue, () => this._queues.delete(queue));
    if (this._stage === ENDED) queue.end();
    else this._queues.add(queue);
    return queue;
  }

  _pass(event) {
    for (const queue of this._queues) queue.push(event);
  }

  _answered(ack) {
    super._answered(ack);
    if (this._stage !== LIVE) return; // a listener of "lost" has left
    this._resolve({ ...this.position });
    this._tell("joined", { ...this.position, recovered: ack.recovered ?? null, replayed: ack.replayed ?? 0 });
  }

  _lose(position) {
    for (const queue of this._queues) queue.end(new RoomcastError("POSITION_LOST", "events were lost: reload"));
    super._lose(position);
  }

  _unplug() {
    this._stage = DUE;
    this._typing = false;
    clearTimeout(this._typingTimer);
  }

  // `cause`: why the server ended it. `keep`: the position is still good.
  _end(cause, keep) {
    if (!keep) this._store("removeItem");
    this._unplug();
    this._stage = ENDED;
    this._client._rooms.delete(this.chatId);
    const error = cause && new RoomcastError(cause.code, cause.message, { temporary: !!cause.temporary });
    for (const queue of this._queues) queue.end(error);
    this._reject(error ?? hasLeft());
    if (cause) this._tell("ended", { code: cause.code, message: cause.message });
  }
}

// An async iterator over what is pushed: never more than `max` wait.
class Queue {
  _events = [];
  _waiting = []; // for events; not both
  _over = null; // {error?}

  constructor(max, leave) {
    this._max = max;
    this._leave = leave;
  }

  push(value) {
    if (this._waiting.length) this._waiting.shift().resolve({ value, done: false });
    else if (this._events.length < this._max) this._events.push(value);
    else this.end(new RoomcastError("OVERFLOW", `more than ${this._max} events wait for the loop`));
  }

  end(error) {
    if (this._over) return;
    this._over = { error };
    this._leave();
    for (const next of this._waiting.splice(0)) this._finish(next);
  }

  // An error is told once; then it is done.
  _finish({ resolve, reject }) {
    const { error } = this._over;
    this._over = {};
    if (error) reject(error);
    else resolve({ value: undefined, done: true });
  }

  next() {
    return new Promise((resolve, reject) => {
      if (this._events.length) resolve({ value: this._events.shift(), done: false });
      else if (this._over) this._finish({ resolve, reject });
      else this._waiting.push({ resolve, reject });
    });
  }

  return(value) {
    this._events = [];
    this.end();
    this._over = {};
    return Promise.resolve({ value, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

class Client extends Emitter {
  state = "waiting";
  info = null;
  _rooms = new Map();
  _notifications = new Feed(this, "");
  _timers = {}; // by name
  _requests = new Map(); // id -> function(error, reply)
  _ids = 0;
  _attempt = 0; // what belongs to an earlier one comes too late
  _failures = 0; // in a row
  _notBefore = 0; // the server's wish
  _retries = 0;
  _outbox = [];
  _budget = BURST;
  _budgetAt = 0;
  _off = []; // takes off what listens to the page

  constructor(url, options = {}) {
    super();
    const { token, WebSocket = globalThis.WebSocket } = options;
    if (!token) throw new TypeError("option token is missing: a token, or a function that fetches one");
    if (!WebSocket) throw new TypeError("no WebSocket here: give option WebSocket, as npm's ws");
    const { href } = new URL(url, globalThis.location?.href); // throws what is wrong with it
    this._url = (/^\w+:/.test(url) ? `${url}` : href).replace(/^http/i, "ws"); // React Native's appends a slash to /ws
    this._options = {
      minBackoffMs: 1_000, maxBackoffMs: 30_000, connectTimeoutMs: 20_000, answerTimeoutMs: 10_000, queue: 1_000,
      ...options,
      WebSocket,
    };
    // Notifications are the client's own events.
    this._notifications._tell = (key, ...args) => this._tell(key, ...args);
    this._watchPage();
    this._open();
  }

  join(chatId, { since } = {}) {
    const id = String(chatId).toLowerCase();
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id))
      throw new RoomcastError("INVALID_CHAT", `not the id of a chat (a UUID): "${chatId}"`);
    if (this.state === "closed") throw new RoomcastError("CLOSED", "the client is closed");
    let room = this._rooms.get(id);
    if (!room) {
      this._rooms.set(id, (room = new Room(this, id)));
      if (since) room._move(since);
      this._askSoon();
    }
    return room;
  }

  // The connection is looked at, or tried, now.
  wake() {
    if (this.state === "connected") this._check();
    else if (this.state === "waiting" || this.state === "offline") this._wait(Math.max(0, this._notBefore - Date.now()));
  }

  close() {
    this._close();
  }

  _tell(key, ...args) {
    return this._emit(key, (error) => this._report(error), ...args);
  }

  _report(error) {
    const toConsole = (unheard) => console.error("roomcast:", unheard);
    if (!this._emit("error", toConsole, error)) toConsole(error);
  }

  _become(state, why = {}) {
    if (this.state === state) return;
    this.state = state;
    this._tell("state", state, why);
  }

  _after(name, ms, action) {
    this._clear(name);
    this._timers[name] = setTimeout(() => {
      delete this._timers[name];
      action();
    }, Math.min(ms, TIMER_MAX_MS));
  }

  _clear(...names) {
    for (const name of names) {
      clearTimeout(this._timers[name]);
      delete this._timers[name];
    }
  }

  // --- connecting

  async _open() {
    if (globalThis.navigator?.onLine === false) return this._become("offline");
    const attempt = ++this._attempt;
    this._after("deadline", this._options.connectTimeoutMs, () => this._ended(0, "no answer in time"));
    this._become("connecting");
    try {
      await null; // whoever connects can listen before anything happens
      const token = await this._token();
      if (attempt !== this._attempt) return;
      const socket = new this._options.WebSocket(this._url, ["roomcast.v1", `bearer.${token}`]);
      this._socket = socket;
      socket.onmessage = ({ data }) => this._receive(data);
      socket.onclose = ({ code, reason }) => this._ended(code, reason);
      socket.onerror = () => {}; // says nothing, and onclose follows
    } catch (error) {
      if (attempt !== this._attempt) return;
      this._report(new RoomcastError("TOKEN", "no token, or no WebSocket made with it", { temporary: true, cause: error }));
      if (attempt === this._attempt) this._ended(0, "no token"); // a listener may have closed
    }
  }

  _connected(frame) {
    const own = this._notifications;
    const attempt = this._attempt;
    this._clear("deadline");
    if (this.info && this.info.user_id !== frame.user_id) own._at = null;
    this.info = frame;
    this._connectedAt = this._heardAt = Date.now();
    own._load();
    if (!own._at && frame.notifications) own._answered(frame.notifications);
    if (attempt !== this._attempt) return; // storage failed, and a listener of that has closed
    this._budget = BURST;
    this._watch();
    this._refreshBefore(frame.expires_at);
    this._become("connected");
    if (attempt === this._attempt) this._ask(); // at once: the server holds notifications back only for a moment
  }

  // The connection is over, or never was. `frame`: what the server said about it.
  _ended(code, reason, frame = {}) {
    const { minBackoffMs, maxBackoffMs, token } = this._options;
    if (this.state === "connected" && Date.now() - this._connectedAt >= STABLE_MS) this._failures = 0;
    this._unplug();
    const range = Math.floor(code / 100);
    if (!(frame.reconnect ?? range !== 40) || (code === 4201 && typeof token === "string"))
      return this._close({ code: "CLOSED", message: reason || `closed with ${code}`, close_code: code });
    let wait = Math.min(Math.max(0, frame.retry_after_ms) || 0, HINT_MAX_MS);
    this._notBefore = Date.now() + wait;
    if (range !== 42 || this._failures > 0) wait += Math.random() * Math.min(maxBackoffMs, minBackoffMs * 2 ** this._failures);
    this._failures++;
    this._wait(wait, { code, reason, retry_in_ms: Math.round(wait) });
  }

  _wait(ms, why) {
    this._become(globalThis.navigator?.onLine === false ? "offline" : "waiting", why);
    if (this.state === "waiting") this._after("open", ms, () => this._open());
  }

  _unplug() {
    const socket = this._socket;
    this._socket = null;
    this._attempt++;
    this._clear("deadline", "idle", "pong", "refresh", "retry", "send", "open");
    this._outbox = [];
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close(); // which may take minutes on a dead link: nobody waits for it
    }
    for (const answer of [...this._requests.values()]) answer(isAway());
    this._notifications._stage = DUE;
    for (const room of this._rooms.values()) room._unplug();
  }

  _close(cause) {
    if (this.state === "closed") return;
    this._unplug();
    for (const off of this._off) off();
    this._become("closed", cause && { code: cause.close_code, reason: cause.message });
    for (const room of [...this._rooms.values()]) room._end(cause, true);
    if (cause) this._report(new RoomcastError(cause.code, cause.message, { close_code: cause.close_code }));
  }

  // --- is it alive?

  // Pages do not see the server's pings. When nothing was heard for as long as those are apart, ask.
  _watch() {
    const idleMs = this._options.idleMs ?? (Math.max(1_000, this.info.ping_interval_ms) || 25_000);
    const left = this._heardAt + idleMs - Date.now();
    this._after("idle", Math.max(0, left), () => (Date.now() - this._heardAt >= idleMs ? this._check() : this._watch()));
  }

  _check(isSecond) {
    if (this._timers.pong) return;
    const { answerTimeoutMs } = this._options;
    const askedAt = Date.now();
    this._socket.send('{"type":"ping"}');
    this._after("pong", answerTimeoutMs, () => {
      // A timer that is late was frozen with the page, and the answer may wait behind it. Once: in hidden pages all are.
      if (!isSecond && Date.now() - askedAt > 2 * answerTimeoutMs) this._check(true);
      else this._ended(0, "no pong");
    });
  }

  _watchPage() {
    const { document } = globalThis;
    const wake = () => this.wake();
    const listen = (target, type, listener) => {
      target?.addEventListener?.(type, listener);
      this._off.push(() => target?.removeEventListener?.(type, listener));
    };
    listen(globalThis, "online", wake);
    listen(globalThis, "pageshow", wake);
    listen(document, "resume", wake);
    listen(document, "visibilitychange", () => document.visibilityState === "visible" && this.wake());
    listen(globalThis, "offline", () => {
      if (this.state === "connected") return this._check(); // it may hold all the same
      this._unplug();
      this._become("offline");
    });
  }

  // --- the token

  async _token() {
    const { token } = this._options;
    const text = typeof token === "function" ? await token() : token;
    if (!text || typeof text !== "string") throw new TypeError(`the token is ${typeof text}, not a text`);
    return text;
  }

  _refreshBefore(expiresAt) {
    if (!expiresAt || typeof this._options.token !== "function") return;
    const left = expiresAt * 1_000 - Date.now();
    // A clock that is wrong by more than the token's life costs a token every half minute, not a storm of them.
    const wait = left > 0 ? Math.max(1_000, left - Math.min(60_000, left / 5)) : 30_000;
    this._after("refresh", wait, () => this._refresh());
  }

  async _refresh() {
    const attempt = this._attempt;
    try {
      const token = await this._token();
      if (attempt !== this._attempt) return;
      const { expires_at } = await this._request({ type: "auth.refresh", token });
      this.info = { ...this.info, expires_at };
      this._refreshBefore(expires_at);
    } catch (error) {
      if (attempt !== this._attempt) return;
      this._report(new RoomcastError("TOKEN", "the token could not be refreshed", { temporary: true, cause: error }));
      if (attempt === this._attempt) this._after("refresh", 5_000, () => this._refresh());
    }
  }

  // --- saying

  _send(message) {
    this._outbox.push(message);
    if (!this._timers.send) this._pump();
  }

  _pump() {
    if (this.state !== "connected") return void (this._outbox = []); // all is said anew after `connected`
    const now = Date.now();
    this._budget = Math.min(BURST, this._budget + Math.max(0, now - this._budgetAt) / PACE_MS);
    this._budgetAt = now;
    for (; this._outbox.length && this._budget >= 1; this._budget--) this._socket.send(JSON.stringify(this._outbox.shift()));
    if (this._outbox.length) this._after("send", PACE_MS, () => this._pump());
  }

  _request(message) {
    return new Promise((resolve, reject) => {
      if (this.state !== "connected") return reject(isAway());
      const id = ++this._ids;
      const answer = (error, reply) => {
        clearTimeout(timer);
        this._requests.delete(id);
        if (error) reject(error);
        else resolve(reply);
      };
      const timer = setTimeout(answer, this._options.answerTimeoutMs, new RoomcastError("TIMEOUT", "no answer", { temporary: true }));
      this._requests.set(id, answer);
      this._send({ ...message, id });
    });
  }

  // Rooms that are joined together are asked for together.
  _askSoon() {
    if (this._asking) return;
    this._asking = true;
    Promise.resolve().then(() => {
      this._asking = false;
      if (this.state === "connected") this._ask();
    });
  }

  _ask() {
    const own = this._notifications;
    const due = [...this._rooms.values()].filter((room) => room._stage === DUE);
    if (own._stage === DUE) this._send({ type: "notifications.resume", ...this._question([own])[0], id: this._ids });
    while (due.length) {
      const chats = this._question(due.splice(0, due[0]._alone ? 1 : BATCH));
      this._send({ type: "subscribe.chat", chats, id: this._ids });
    }
    this._retryIn(2 * this._options.answerTimeoutMs); // or an answer that never comes would end a room silently
  }

  _question(feeds) {
    const id = ++this._ids;
    return feeds.map((feed) => {
      feed._load();
      Object.assign(feed, { _stage: ASKED, _id: id });
      return { chat_id: feed.chatId || undefined, since: feed._at ?? undefined };
    });
  }

  _retryIn(ms) {
    if (this._timers.retry && this._retryAt <= Date.now() + ms) return;
    this._retryAt = Date.now() + ms;
    this._after("retry", ms, () => {
      const open = [this._notifications, ...this._rooms.values()].filter(({ _stage }) => _stage === ASKED || _stage === LATE);
      for (const feed of open) feed._stage = DUE;
      if (open.length) this._ask();
    });
  }

  // --- hearing

  _receive(text) {
    let frame;
    try {
      frame = JSON.parse(text);
      if (typeof frame?.type !== "string") throw new TypeError("no object with a type");
    } catch (error) {
      return this._report(new RoomcastError("INVALID_JSON", "the server sent no JSON object with a type", { cause: error }));
    }
    this._heardAt = Date.now();
    if (this._timers.pong) {
      this._clear("pong");
      this._watch();
    }
    const { type, chat_id, id } = frame;
    const feed = chat_id ? this._rooms.get(chat_id) : this._notifications;
    if (type === "connected") this._connected(frame);
    else if (type === "disconnect") this._ended(frame.code, frame.reason, frame);
    else if (type === "error") this._refused(frame, feed);
    else if (this._requests.has(id)) this._requests.get(id)(null, frame);
    else if (type === "ack") {
      if (!feed || feed._stage !== ASKED || feed._id !== id) return; // of a question that is asked no more
      this._retries = 0;
      feed._answered(frame);
    } else if (type === "unsubscribed") feed?._end(frame);
    else if (type === "chat.typing") feed?._tell("typing", frame);
    else if (type === "presence.changed") feed?._tell("presence", frame);
    else if (Number.isInteger(frame.seq)) feed?._take(frame);
  }

  _refused(frame, feed) {
    const { code, message, temporary, chat_id, id } = frame;
    const error = new RoomcastError(code, message, { temporary: !!temporary, chat_id });
    if (this._requests.has(id)) return this._requests.get(id)(error);
    if (code === "POSITION_LOST") {
      if (feed?._stage === LIVE) feed._lose(frame);
      return;
    }
    // Whose question was it? A batch may be refused as a whole; what came too fast was not even read.
    const asked = [this._notifications, ...this._rooms.values()].filter(
      (one) => one._stage === ASKED && (id === undefined ? code === "RATE_LIMITED" : one._id === id && (!chat_id || one === feed)),
    );
    for (const one of asked) {
      one._stage = temporary ? LATE : DUE;
      if (temporary) continue;
      if (asked.length > 1) one._alone = true; // to find the one that is at fault
      else if (one === this._notifications) this._report(error);
      else one._end(frame);
    }
    if (temporary && asked.length) this._retryIn(500 + Math.random() * Math.min(this._options.maxBackoffMs, 1_000 * 2 ** this._retries++));
    else if (asked.length > 1) this._ask();
    else if (id === undefined) this._report(error);
  }
}

function hasLeft() {
  return new RoomcastError("LEFT", "the room was left");
}

function isAway() {
  return new RoomcastError("DISCONNECTED", "there is no connection now", { temporary: true });
}

// Under which listeners are kept. Events have keys of their own, so that one of the type "chat.joined", which a
// server may be configured to send, is no "joined".
function keyOf(name) {
  return OWN_NAMES.test(name) ? name.replace("chat.", "") : eventKey(name);
}

function eventKey(type) {
  return "chat." + type.replace(/^chat\./, "");
}
