// roomcast.js against a server of which every word is written here: orders that real ones hardly ever show.
// ROOMCAST_JS: the module, as nodes serve it.
import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { pathToFileURL } from "node:url";

const { connect, RoomcastError } = await import(pathToFileURL(process.env.ROOMCAST_JS));
const CHAT = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";
const clients = [];
afterEach(() => clients.splice(0).forEach((client) => client.close()));

class Socket {
  static all = [];
  sent = [];
  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    Socket.all.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.closed = true;
  }
  say(frame) {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }
  end(code, reason = "") {
    this.onclose?.({ code, reason });
  }
  of(type) {
    return this.sent.filter((one) => one.type === type);
  }
}

async function until(condition, what) {
  for (const deadline = Date.now() + 5_000; ; await new Promise((go) => setTimeout(go, 2))) {
    const value = condition();
    if (value) return value;
    assert.ok(Date.now() < deadline, `not in time: ${what ?? condition}`);
  }
}

function start(options, url = "ws://test/ws") {
  Socket.all = [];
  const client = connect(url, { token: "t0", WebSocket: Socket, minBackoffMs: 2, maxBackoffMs: 4, ...options });
  clients.push(client);
  client.errors = [];
  client.states = [];
  client.on("error", (error) => client.errors.push(error));
  client.on("state", (state, why) => client.states.push({ state, ...why }));
  return client;
}

// The n-th connection, let in.
async function letIn(n = 0, more = {}) {
  const socket = await until(() => Socket.all[n], `connection ${n}`);
  socket.say({ type: "connected", connection_id: `c${n}`, user_id: "ann", node: "n", ping_interval_ms: 25_000, ...more });
  return socket;
}

async function ack(socket, position, chat = CHAT) {
  const question = await until(() => socket.of("subscribe.chat").findLast(({ chats }) => chats.some((one) => one.chat_id === chat)));
  socket.say({ type: "ack", action: "subscribed", chat_id: chat, id: question.id, ...position });
  return question.chats.find((one) => one.chat_id === chat);
}

// The end of a token: near, but not over before it has been read.
const soon = () => Math.ceil(Date.now() / 1000) + 1;
const event = (seq, epoch = "e", more = {}) => ({ type: "chat.message.posted", chat_id: CHAT, epoch, seq, id: `${epoch}${seq}`, data: {}, ...more });

function listen(room) {
  const seen = [];
  room.on("*", ({ epoch, seq }) => seen.push(`${epoch}${seq}`));
  room.on("lost", ({ epoch, seq }) => seen.push(`lost ${epoch}${seq}`));
  room.on("ended", ({ code }) => seen.push(`ended ${code}`));
  return seen;
}

async function inRoom(options) {
  const client = start(options);
  const room = client.join(CHAT);
  const socket = await letIn();
  await ack(socket, { epoch: "e", seq: 5 });
  return { client, room, socket, seen: listen(room) };
}

test("the token goes as a subprotocol, never into the URL", async () => {
  start({ token: async () => "secret" });
  const socket = await until(() => Socket.all[0]);
  assert.deepEqual(socket.protocols, ["roomcast.v1", "bearer.secret"]);
  assert.equal(socket.url, "ws://test/ws");
});

test("what comes twice, or is older than the position, is delivered once", async () => {
  const { socket, seen } = await inRoom();
  for (const seq of [6, 6, 5, 7, 6, 7, 8]) socket.say(event(seq));
  assert.deepEqual(seen, ["e6", "e7", "e8"]);
});

test("nothing is delivered across a hole: the server is asked, and what it replays closes it", async () => {
  const { socket, seen } = await inRoom();
  socket.say(event(6));
  socket.say(event(8));
  const asked = await until(() => socket.of("subscribe.chat")[1]);
  assert.deepEqual(asked.chats, [{ chat_id: CHAT, since: { epoch: "e", seq: 6 } }]);
  socket.say(event(9));
  await ack(socket, { epoch: "e", seq: 9, recovered: true, replayed: 3 });
  for (const seq of [7, 8, 9, 10]) socket.say(event(seq));
  assert.deepEqual(seen, ["e6", "e7", "e8", "e9", "e10"]);
});

test("a hole that the server cannot close is told as lost, and events go on after it", async () => {
  const { socket, seen } = await inRoom();
  socket.say(event(8));
  await until(() => socket.of("subscribe.chat")[1]);
  await ack(socket, { epoch: "e", seq: 8, recovered: false });
  socket.say(event(9));
  assert.deepEqual(seen, ["lost e8", "e9"]);
});

test("POSITION_LOST moves the room to where the server says", async () => {
  const { socket, seen } = await inRoom();
  socket.say({ type: "error", code: "POSITION_LOST", message: "m", temporary: false, chat_id: CHAT, epoch: "f", seq: 3 });
  for (const seq of [3, 4]) socket.say(event(seq, "f"));
  assert.deepEqual(seen, ["lost f3", "f4"]);
});

test("after a break every room is resumed from its position in one message", async () => {
  const { client, socket, seen } = await inRoom();
  client.join(OTHER);
  await ack(socket, { epoch: "o", seq: 2 }, OTHER);
  socket.say(event(6));
  socket.end(1006);
  const second = await letIn(1);
  const question = await until(() => second.of("subscribe.chat")[0]);
  assert.deepEqual(question.chats, [
    { chat_id: CHAT, since: { epoch: "e", seq: 6 } },
    { chat_id: OTHER, since: { epoch: "o", seq: 2 } },
  ]);
  await ack(second, { epoch: "e", seq: 7, recovered: true, replayed: 1 });
  second.say(event(7));
  assert.deepEqual(seen, ["e6", "e7"]);
});

test("what an earlier connection still says is not heard", async () => {
  const { socket, seen } = await inRoom();
  const late = socket.onmessage;
  socket.end(1006);
  await letIn(1);
  socket.say(event(6));
  assert.equal(socket.onmessage, null);
  assert.ok(late);
  assert.deepEqual(seen, []);
});

for (const [code, comes] of [[4001, false], [4003, false], [4009, false], [4100, true], [4108, true], [4200, true], [4203, true], [1006, true], [1012, true]])
  test(`after ${code} the client ${comes ? "comes back" : "stays away"}`, async () => {
    const { client, socket } = await inRoom();
    socket.end(code);
    if (comes) await until(() => Socket.all[1]);
    else assert.equal(client.state, "closed");
  });

test("the server's hint is kept to: not before, and nobody else's idea", async () => {
  const { client, socket } = await inRoom();
  socket.say({ type: "disconnect", code: 4200, reason: "draining", reconnect: true, retry_after_ms: 120 });
  const before = Date.now();
  client.wake();
  await until(() => Socket.all[1]);
  assert.ok(Date.now() - before >= 110, `${Date.now() - before} ms`);
});

test("waits between failures are drawn from a range that doubles up to its limit", async () => {
  const random = Math.random;
  Math.random = () => 0.999;
  try {
    const client = start({ minBackoffMs: 4, maxBackoffMs: 20 });
    for (let n = 0; n < 5; n++) (await until(() => Socket.all[n])).end(1006);
    const waits = client.states.filter(({ state }) => state === "waiting").map(({ retry_in_ms }) => retry_in_ms);
    assert.deepEqual(waits.slice(0, 5), [4, 8, 16, 20, 20]);
  } finally {
    Math.random = random;
  }
});

test("a token that cannot be fetched is told, and tried again", async () => {
  let calls = 0;
  const client = start({
    token: () => {
      if (calls++ === 0) throw new Error("no network");
      return "good";
    },
  });
  await letIn();
  assert.equal(client.errors[0].code, "TOKEN");
  assert.equal(client.state, "connected");
});

test("a room that is refused is told and not asked for again", async () => {
  const client = start();
  const room = client.join(CHAT);
  const seen = listen(room);
  const socket = await letIn();
  const { id } = await until(() => socket.of("subscribe.chat")[0]);
  socket.say({ type: "error", code: "FORBIDDEN", message: "no", temporary: false, chat_id: CHAT, id });
  await assert.rejects(room.joined, (error) => error instanceof RoomcastError && error.code === "FORBIDDEN");
  assert.deepEqual(seen, ["ended FORBIDDEN"]);
  socket.end(1006);
  const second = await letIn(1);
  second.say({ type: "pong" });
  assert.deepEqual(second.of("subscribe.chat"), []);
});

test("a temporary refusal is asked again", async () => {
  const client = start();
  const room = client.join(CHAT);
  const socket = await letIn();
  const { id } = await until(() => socket.of("subscribe.chat")[0]);
  socket.say({ type: "error", code: "UNAVAILABLE", message: "later", temporary: true, chat_id: CHAT, id });
  await until(() => socket.of("subscribe.chat")[1]);
  await ack(socket, { epoch: "e", seq: 0 });
  assert.deepEqual(await room.joined, { epoch: "e", seq: 0 });
});

test("rights taken away end the room, and only that", async () => {
  const { client, socket, seen } = await inRoom();
  socket.say({ type: "unsubscribed", chat_id: CHAT, code: "MEMBERSHIP_REVOKED", message: "m" });
  socket.say(event(6));
  assert.deepEqual(seen, ["ended MEMBERSHIP_REVOKED"]);
  assert.equal(client.state, "connected");
});

test("a listener that throws keeps the others from nothing", async () => {
  const { client, room, socket, seen } = await inRoom();
  room.on("message.posted", () => {
    throw new Error("mine");
  });
  room.on("chat.message.posted", async () => Promise.reject(new Error("mine too")));
  socket.say(event(6));
  assert.deepEqual(seen, ["e6"]);
  await until(() => client.errors.length === 2);
});

test("storage that throws costs the memory of the position and nothing else", async () => {
  const broken = { getItem: () => "not JSON", setItem: () => { throw new Error("full"); }, removeItem: () => {} }; // prettier-ignore
  const { client, socket, seen } = await inRoom({ storage: broken });
  socket.say(event(6));
  assert.deepEqual(seen, ["e6"]);
  assert.ok(client.errors.every(({ code }) => code === "STORAGE") && client.errors.length > 0);
});

test("a position that was stored is asked from", async () => {
  const store = new Map([[`roomcast:ann:${CHAT}`, '{"epoch":"e","seq":3}']]);
  const storage = { getItem: (key) => store.get(key) ?? null, setItem: (key, value) => store.set(key, value), removeItem: (key) => store.delete(key) };
  const client = start({ storage });
  const seen = listen(client.join(CHAT));
  const socket = await letIn();
  assert.deepEqual((await ack(socket, { epoch: "e", seq: 4, recovered: true, replayed: 1 })).since, { epoch: "e", seq: 3 });
  socket.say(event(4));
  assert.deepEqual(seen, ["e4"]);
  assert.equal(store.get(`roomcast:ann:${CHAT}`), '{"epoch":"e","seq":4}');
});

test("an iterator holds no more than its queue, and then ends with an error", async () => {
  const { room, socket } = await inRoom({ queue: 2 });
  const iterator = room[Symbol.asyncIterator]();
  for (const seq of [6, 7, 8, 9]) socket.say(event(seq));
  assert.equal((await iterator.next()).value.seq, 6);
  assert.equal((await iterator.next()).value.seq, 7);
  await assert.rejects(iterator.next(), { code: "OVERFLOW" });
  assert.deepEqual(await iterator.next(), { value: undefined, done: true });
});

test("typing is said no more often than the server allows, and its end at once", async () => {
  const { room, socket } = await inRoom();
  for (let n = 0; n < 20; n++) room.typing();
  room.typing(false);
  room.typing(false);
  assert.deepEqual(socket.of("chat.typing").map(({ is_typing }) => is_typing), [true, false]);
});

test("many messages are spread so that the server's rate holds", async () => {
  const { client, socket } = await inRoom();
  const asked = Array.from({ length: 60 }, () => client.join(CHAT).presence().catch(() => {}));
  await until(() => socket.of("presence.get").length > 0);
  assert.ok(socket.sent.length <= 22, `${socket.sent.length} at once`);
  client.close();
  await Promise.all(asked);
});

test("three hundred rooms are asked for in a few messages", async () => {
  const client = start();
  for (let n = 0; n < 300; n++) client.join(`11111111-1111-4111-8111-${String(n).padStart(12, "0")}`);
  const socket = await letIn();
  await until(() => socket.of("subscribe.chat").length >= 10);
  assert.equal(socket.of("subscribe.chat").flatMap(({ chats }) => chats).length, 300);
  assert.ok(socket.of("subscribe.chat").length === 10);
});

test("a silent connection is asked, and given up without an answer", async () => {
  const { client, socket } = await inRoom({ idleMs: 10, answerTimeoutMs: 20 });
  await until(() => socket.of("ping").length === 1);
  socket.say({ type: "pong" });
  await until(() => socket.of("ping").length >= 2);
  await until(() => Socket.all[1]);
  assert.ok(socket.closed);
  assert.ok(client.states.some(({ reason }) => reason === "no pong"));
});

test("the token is refreshed on the connection before it expires", async () => {
  let tokens = 0;
  start({ token: () => `t${tokens++}` });
  const socket = await letIn(0, { expires_at: soon() });
  const question = await until(() => socket.of("auth.refresh")[0]);
  assert.equal(question.token, "t1");
});

test("garbage from the server is told and harms nothing", async () => {
  const { client, socket, seen } = await inRoom();
  socket.say("{");
  socket.say({ type: "a.type.of.next.year", chat_id: CHAT });
  socket.say(event(6));
  assert.deepEqual(seen, ["e6"]);
  assert.equal(client.errors[0].code, "INVALID_JSON");
});

test("a closed client says nothing, starts nothing, and leaves no timer", async () => {
  const { client, room, socket } = await inRoom();
  client.close();
  assert.ok(socket.closed);
  assert.throws(() => client.join(OTHER), { code: "CLOSED" });
  await assert.rejects(room.presence());
  assert.deepEqual(Object.keys(client._timers), []);
});

test("what cannot be right is refused where it is written", () => {
  assert.throws(() => connect("ws://test/ws", { WebSocket: Socket }), /token/);
  assert.throws(() => start().join("general"), { code: "INVALID_CHAT" });
  assert.throws(() => start().on("state", "listener"), /not a function/);
});

test("an epoch that begins goes on; one that was over is asked about", async () => {
  const { socket, seen } = await inRoom();
  for (const one of [event(1, "f"), event(2, "f"), event(1, "e")]) socket.say(one);
  const asked = await until(() => socket.of("subscribe.chat")[1]);
  assert.deepEqual(asked.chats[0].since, { epoch: "f", seq: 2 });
  assert.deepEqual(seen, ["f1", "f2"]);
});

test("what could not be recovered is told as lost, and events of the new epoch go on from there", async () => {
  const { socket, seen } = await inRoom();
  socket.end(1006);
  const again = await letIn(1);
  await ack(again, { epoch: "z", seq: 40, recovered: false, replayed: 0 });
  for (const seq of [40, 41]) again.say(event(seq, "z"));
  assert.deepEqual(seen, ["lost z40", "z41"]);
});

test("an answer to a question that is asked no more is not taken", async () => {
  const { client, room, socket } = await inRoom();
  room.leave();
  const next = client.join(CHAT);
  const seen = listen(next);
  await until(() => socket.of("subscribe.chat")[1]);
  const [first] = socket.of("subscribe.chat");
  socket.say({ type: "ack", action: "subscribed", chat_id: CHAT, id: first.id, epoch: "e", seq: 1 });
  socket.say(event(2));
  assert.equal(next.position, null);
  assert.deepEqual(seen, []);
});

test("a batch that is refused as a whole is asked for one by one", async () => {
  const client = start();
  client.join(CHAT);
  client.join(OTHER);
  const socket = await letIn();
  const [batch] = await until(() => socket.of("subscribe.chat").length && socket.of("subscribe.chat"));
  assert.equal(batch.chats.length, 2);
  socket.say({ type: "error", code: "INVALID_MESSAGE", message: "", temporary: false, id: batch.id });
  await until(() => socket.of("subscribe.chat").length === 3);
  assert.deepEqual(socket.of("subscribe.chat").map(({ chats }) => chats.length), [2, 1, 1]);
});

test("what came too fast to be read is asked again", async () => {
  const client = start();
  const room = client.join(CHAT);
  const socket = await letIn();
  await until(() => socket.of("subscribe.chat").length === 1);
  socket.say({ type: "error", code: "RATE_LIMITED", message: "", temporary: true });
  await until(() => socket.of("subscribe.chat").length === 2);
  await ack(socket, { epoch: "e", seq: 5 });
  assert.deepEqual(await room.joined, { epoch: "e", seq: 5 });
});

test("an overloaded server's hint is waited for, and backoff on top of it", async () => {
  const { client, socket } = await inRoom({ minBackoffMs: 100, maxBackoffMs: 100 });
  const random = Math.random;
  Math.random = () => 0.5;
  try {
    socket.say({ type: "disconnect", code: 4100, reason: "overloaded", reconnect: true, retry_after_ms: 20 });
  } finally {
    Math.random = random;
  }
  assert.equal(client.states.at(-1).retry_in_ms, 70);
});

test("the notifications of another user are not asked from this one's place", async () => {
  start();
  const socket = await letIn(0, { notifications: { epoch: "n", seq: 9 } });
  socket.end(1006);
  const again = await letIn(1, { user_id: "ben" });
  const asked = await until(() => again.of("notifications.resume")[0]);
  assert.equal(asked.since, undefined);
});

test("a hole that stays after the server's answer is asked about once, and then told as lost", async () => {
  const { socket, seen } = await inRoom();
  socket.say(event(8));
  await until(() => socket.of("subscribe.chat").length === 2);
  await ack(socket, { epoch: "e", seq: 8, recovered: true, replayed: 3 });
  socket.say(event(8));
  socket.say(event(9));
  assert.deepEqual(seen, ["lost e7", "e8", "e9"]);
});

test("a listener that another one takes off is not called any more", async () => {
  const { room, socket } = await inRoom();
  const called = [];
  room.on("*", () => off());
  const off = room.on("*", () => called.push("off"));
  socket.say(event(6));
  assert.deepEqual(called, []);
});

// Whoever listens may close the client, and then it must be over: nothing is asked, no timer is left.
function isOver(client) {
  assert.equal(client.state, "closed");
  assert.deepEqual(Object.keys(client._timers), []);
}

test("a client that is closed when its token fails stays closed", async () => {
  let calls = 0;
  const client = start({ token: () => Promise.reject(new Error(`no ${++calls}`)) });
  client.on("error", () => client.close());
  await until(() => client.errors.length === 1);
  await until(() => client.state === "closed");
  isOver(client);
  assert.equal(calls, 1);
});

test("a client that is closed when its refresh fails stays closed", async () => {
  let calls = 0;
  const client = start({
    token: () => {
      if (calls++ > 0) throw new Error("logged out");
      return "first";
    },
  });
  client.on("error", () => client.close());
  await letIn(0, { expires_at: soon() });
  await until(() => client.state === "closed");
  isOver(client);
});

test("a client that is closed as soon as it is connected asks nothing", async () => {
  const client = start();
  client.join(CHAT);
  client.on("state", (state) => state === "connected" && client.close());
  const socket = await letIn();
  isOver(client);
  assert.deepEqual(socket.sent, []);
});

test("a client that is closed because its storage fails stays closed", async () => {
  const broken = { getItem: () => { throw new Error("forbidden"); }, setItem: () => {}, removeItem: () => {} }; // prettier-ignore
  const client = start({ storage: broken });
  client.on("error", () => client.close());
  await letIn();
  isOver(client);
});

test("a message that is JSON and no object with a type is told and harms nothing", async () => {
  const { client, socket, seen } = await inRoom();
  const wrong = ["null", "7", '"x"', "[]", "{}", JSON.stringify(event(6, "e", { type: null }))];
  for (const text of wrong) socket.say(text);
  socket.say(event(6));
  assert.deepEqual(seen, ["e6"]);
  assert.deepEqual(client.errors.map(({ code }) => code), wrong.map(() => "INVALID_JSON"));
});

test("a hint to stay away for years is kept for an hour", async () => {
  const { client, socket } = await inRoom();
  socket.say({ type: "disconnect", code: 4200, reason: "draining", reconnect: true, retry_after_ms: 1e12 });
  assert.equal(client.states.at(-1).retry_in_ms, 3_600_000);
});

test("a hint that is no time costs nobody the backoff", async () => {
  const random = Math.random;
  Math.random = () => 0.5;
  try {
    for (const hint of [-1e9, "soon", null, {}]) {
      const { client, socket } = await inRoom({ minBackoffMs: 100 });
      client._options.maxBackoffMs = 100;
      socket.say({ type: "disconnect", code: 4100, reason: "overloaded", reconnect: true, retry_after_ms: hint });
      assert.equal(client.states.at(-1).retry_in_ms, 50, `${hint}`);
    }
  } finally {
    Math.random = random;
  }
});

test("a ping interval that is none makes no storm of pings", async () => {
  const { setTimeout } = globalThis;
  const waits = [];
  globalThis.setTimeout = (action, ms, ...more) => {
    waits.push(ms);
    return setTimeout(action, ms, ...more);
  };
  try {
    for (const interval of [0, -1, "often", undefined]) {
      start();
      await letIn(0, { ping_interval_ms: interval });
    }
  } finally {
    globalThis.setTimeout = setTimeout;
  }
  assert.ok(waits.every((ms) => ms >= 2), `${waits}`); // 2 ms is this file's own pace
});

test("React Native's URL, which appends a slash, is kept away from an address that is whole", async () => {
  const { URL } = globalThis;
  globalThis.URL = class {
    constructor(url) {
      this.href = `${url}/`;
    }
  };
  try {
    start({}, "https://test/ws");
  } finally {
    globalThis.URL = URL;
  }
  assert.equal((await until(() => Socket.all[0])).url, "wss://test/ws");
});

test("an address that is relative is so to the page, and refused where there is none", async () => {
  assert.throws(() => start({}, "/ws"), TypeError);
  globalThis.location = { href: "https://app.test/chats/7" };
  try {
    start({}, "/ws");
  } finally {
    delete globalThis.location;
  }
  assert.equal((await until(() => Socket.all[0])).url, "wss://app.test/ws");
});

test("a token that is no text opens no connection, and is told as one that may be better the next time", async () => {
  const tokens = [undefined, null, "", { token: "t" }, "good"];
  const client = start({ token: async () => tokens.shift() });
  const socket = await letIn();
  assert.equal(Socket.all.length, 1);
  assert.deepEqual(socket.protocols, ["roomcast.v1", "bearer.good"]);
  assert.equal(client.errors.length, 4);
  for (const { code, temporary, cause } of client.errors) assert.ok(code === "TOKEN" && temporary && cause instanceof TypeError);
  assert.deepEqual(client.states.filter(({ state }) => state === "waiting").map(({ code }) => code), [0, 0, 0, 0]);
});

test("a refresh that brings no text is told, and the server is not asked", async () => {
  const tokens = ["first"];
  const client = start({ token: () => tokens.shift() });
  const socket = await letIn(0, { expires_at: soon() });
  await until(() => client.errors.length === 1);
  assert.equal(client.errors[0].code, "TOKEN");
  assert.deepEqual(socket.of("auth.refresh"), []);
});

test("a client that its token function closes stays closed, whatever the function does then", async () => {
  for (const end of [() => "t", () => Promise.reject(new Error("logged out"))]) {
    const client = start({
      token: () => {
        client.close();
        return end();
      },
    });
    await until(() => client.state === "closed");
    await null;
    isOver(client);
    assert.deepEqual([Socket.all.length, client.errors.length], [0, 0]);
  }
});

test("the first state is connecting, and only changes are told", async () => {
  const client = start();
  assert.equal(client.state, "connecting");
  assert.equal(client.info, null);
  await letIn();
  client.close();
  assert.deepEqual(client.states, [{ state: "connected" }, { state: "closed" }]);
});

test("presence asked for before the room is joined waits; asked while there is no connection it is refused", async () => {
  const client = start();
  const room = client.join(CHAT);
  const early = room.presence();
  const socket = await letIn();
  assert.deepEqual(socket.of("presence.get"), []);
  await ack(socket, { epoch: "e", seq: 5 });
  const question = await until(() => socket.of("presence.get")[0]);
  socket.say({ type: "presence.state", chat_id: CHAT, id: question.id, online: ["ann"], count: 1 });
  assert.deepEqual(await early, { online: ["ann"], count: 1 });
  socket.end(1006);
  await assert.rejects(room.presence(), { code: "DISCONNECTED", temporary: true });
  const again = await letIn(1); // connected, and not in the room yet: the server would say NOT_SUBSCRIBED
  await assert.rejects(room.presence(), { code: "DISCONNECTED", temporary: true });
  assert.deepEqual(again.of("presence.get"), []);
  await ack(again, { epoch: "e", seq: 5, recovered: true, replayed: 0 });
  const unanswered = room.presence();
  await until(() => again.of("presence.get")[0]);
  again.end(1006);
  await assert.rejects(unanswered, { code: "DISCONNECTED", temporary: true });
  room.leave();
  await assert.rejects(room.presence(), { code: "LEFT" });
});

test("an event whose type is one of the client's own names is no such thing", async () => {
  const { room, socket } = await inRoom();
  const heard = [];
  for (const name of ["joined", "lost", "ended", "presence"]) {
    room.on(name, () => heard.push(name));
    room.on(`chat.${name}`, ({ seq }) => heard.push(seq));
  }
  ["chat.joined", "chat.lost", "ended", "chat.presence"].forEach((type, n) => socket.say(event(6 + n, "e", { type })));
  assert.deepEqual(heard, [6, 7, 8, 9]);
  room.on("chat.typing", ({ user_id }) => heard.push(user_id));
  socket.say({ type: "chat.typing", chat_id: CHAT, user_id: "ben", is_typing: true });
  assert.equal(heard.at(-1), "ben");
});

test("an event is told by its type first, then by *, and its position is kept after both", async () => {
  const store = new Map();
  const storage = { getItem: (key) => store.get(key) ?? null, setItem: (key, value) => store.set(key, value), removeItem: (key) => store.delete(key) };
  const { room, socket } = await inRoom({ storage });
  const key = `roomcast:ann:${CHAT}`;
  const order = [];
  room.on("*", ({ type }) => order.push(`* ${type} ${room.position.seq} ${JSON.parse(store.get(key)).seq}`));
  room.on("chat.message.posted", ({ type }) => order.push(type));
  room.on("message.posted", ({ type }) => order.push(`again ${type}`));
  socket.say(event(6));
  assert.deepEqual(order, ["chat.message.posted", "again chat.message.posted", "* chat.message.posted 6 5"]);
  assert.equal(store.get(key), '{"epoch":"e","seq":6}');
});

test("what was missed comes after joined, and joined after lost", async () => {
  const { room, socket, seen } = await inRoom();
  room.on("joined", ({ seq, recovered, replayed }) => seen.push(`joined ${seq} ${recovered} ${replayed}`));
  socket.end(1006);
  const second = await letIn(1);
  await ack(second, { epoch: "e", seq: 6, recovered: true, replayed: 1 });
  second.say(event(6));
  second.end(1006);
  const third = await letIn(2);
  await ack(third, { epoch: "e", seq: 9, recovered: false, replayed: 0 });
  assert.deepEqual(seen, ["joined 5 true 1", "e6", "lost e9", "joined 9 false 0"]);
});

test("`since` goes before what is stored, and a room that is there already is the same one", async () => {
  const storage = { getItem: () => '{"epoch":"e","seq":3}', setItem: () => {}, removeItem: () => {} };
  const client = start({ storage });
  const room = client.join(CHAT.toUpperCase(), { since: { epoch: "e", seq: 7 } });
  assert.equal(room.chatId, CHAT);
  assert.equal(client.join(CHAT, { since: { epoch: "e", seq: 1 } }), room);
  const socket = await letIn();
  assert.deepEqual((await ack(socket, { epoch: "e", seq: 7, recovered: true, replayed: 0 })).since, { epoch: "e", seq: 7 });
  room.leave();
  assert.notEqual(client.join(CHAT), room);
});

test("leaving forgets the position, and so does the server's end of a room; closing keeps it", async () => {
  const ends = {
    left: ({ room }) => room.leave(),
    ended: ({ socket }) => socket.say({ type: "unsubscribed", chat_id: CHAT, code: "CHAT_DELETED", message: "m" }),
    closed: ({ client }) => client.close(),
  };
  for (const [name, end] of Object.entries(ends)) {
    const store = new Map();
    const storage = { getItem: (key) => store.get(key) ?? null, setItem: (key, value) => store.set(key, value), removeItem: (key) => store.delete(key) };
    end(await inRoom({ storage }));
    assert.equal(store.has(`roomcast:ann:${CHAT}`), name === "closed", name);
  }
});

test("closing is over at once: loops end after what waits for them, rooms end without a word", async () => {
  const { client, room, socket, seen } = await inRoom();
  const other = client.join(OTHER);
  const events = room[Symbol.asyncIterator]();
  socket.say(event(6));
  client.close();
  assert.equal(client.state, "closed");
  assert.equal((await events.next()).value.seq, 6);
  assert.deepEqual(await events.next(), { value: undefined, done: true });
  await assert.rejects(other.joined, { code: "LEFT" });
  await assert.rejects(room.presence(), { code: "LEFT" });
  assert.deepEqual([seen, client.errors], [["e6"], []]);
});

test("typing says nothing before the room is joined, and that it stopped 5 s after the last key", async () => {
  const client = start();
  const room = client.join(CHAT);
  room.typing();
  const socket = await letIn();
  room.typing();
  await ack(socket, { epoch: "e", seq: 5 });
  assert.deepEqual(socket.of("chat.typing"), []);
  const said = () => socket.of("chat.typing").map(({ is_typing }) => is_typing);
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.now() });
  try {
    room.typing();
    mock.timers.tick(1_000);
    room.typing();
    mock.timers.tick(4_999);
    assert.deepEqual(said(), [true]);
    mock.timers.tick(1);
    assert.deepEqual(said(), [true, false]);
    room.typing();
    mock.timers.tick(2_300);
    room.typing(); // goes on: repeated, so that who came meanwhile sees it
    assert.deepEqual(said(), [true, false, true, true]);
  } finally {
    mock.timers.reset();
  }
});

test("a loop ends with POSITION_LOST where events were lost, and with the server's code when that ends the room", async () => {
  const { room, socket } = await inRoom();
  const first = room[Symbol.asyncIterator]();
  socket.say(event(6));
  socket.say({ type: "error", code: "POSITION_LOST", message: "m", temporary: false, chat_id: CHAT, epoch: "e", seq: 9 });
  assert.equal((await first.next()).value.seq, 6);
  await assert.rejects(first.next(), { name: "RoomcastError", code: "POSITION_LOST" });
  const second = room[Symbol.asyncIterator]();
  const next = second.next();
  socket.say({ type: "unsubscribed", chat_id: CHAT, code: "MEMBERSHIP_REVOKED", message: "m" });
  await assert.rejects(next, { code: "MEMBERSHIP_REVOKED" });
  assert.deepEqual(await room[Symbol.asyncIterator]().next(), { value: undefined, done: true });
});

test("a room that the server has ended can be joined again, as a new one", async () => {
  const { client, room, socket } = await inRoom();
  socket.say({ type: "unsubscribed", chat_id: CHAT, code: "MEMBERSHIP_REVOKED", message: "m" });
  const again = client.join(CHAT);
  assert.notEqual(again, room);
  await until(() => socket.of("subscribe.chat").length === 2);
  await ack(socket, { epoch: "e", seq: 9 });
  assert.deepEqual(await again.joined, { epoch: "e", seq: 9 });
});

test("an error that nobody listens to is for the console", async () => {
  const { error } = console;
  const said = [];
  console.error = (...words) => said.push(words);
  try {
    Socket.all = [];
    const client = connect("ws://test/ws", { token: "t0", WebSocket: Socket });
    clients.push(client);
    (await letIn()).say("{");
  } finally {
    console.error = error;
  }
  assert.equal(said[0][1].code, "INVALID_JSON");
});

test("a question that is not answered in time is refused as one that may be asked again", async () => {
  const { room, socket } = await inRoom({ answerTimeoutMs: 5, idleMs: 60_000 });
  await assert.rejects(room.presence(), { code: "TIMEOUT", temporary: true });
  assert.equal(socket.of("presence.get").length, 1);
});

test("notifications that were lost are told to the client, and their position is kept like a room's", async () => {
  const store = new Map([["roomcast:ann:", '{"epoch":"n","seq":3}']]);
  const storage = { getItem: (key) => store.get(key) ?? null, setItem: (key, value) => store.set(key, value), removeItem: (key) => store.delete(key) };
  const client = start({ storage });
  const heard = [];
  client.on("lost", ({ epoch, seq }) => heard.push(`lost ${epoch}${seq}`));
  client.on("notification.new", ({ seq }) => heard.push(seq));
  client.on("*", ({ type }) => heard.push(type));
  const socket = await letIn(0, { notifications: { epoch: "n", seq: 9 } });
  const question = await until(() => socket.of("notifications.resume")[0]);
  assert.deepEqual(question.since, { epoch: "n", seq: 3 });
  socket.say({ type: "ack", action: "notifications", id: question.id, epoch: "n", seq: 9, recovered: false, replayed: 0 });
  socket.say({ type: "notification.new", epoch: "n", seq: 10, id: "x", data: {} });
  assert.deepEqual(heard, ["lost n9", 10, "notification.new"]);
  assert.equal(store.get("roomcast:ann:"), '{"epoch":"n","seq":10}');
});

test("a server that says nothing in time, and a token that does not come, are given up and tried again", async () => {
  const client = start({ connectTimeoutMs: 10 });
  await until(() => Socket.all.length > 1); // none of them is let in
  assert.ok(Socket.all[0].closed);
  assert.deepEqual(client.states[0], { state: "waiting", code: 0, reason: "no answer in time", retry_in_ms: client.states[0].retry_in_ms });
  client.close();
  let asked = 0;
  start({ connectTimeoutMs: 200, token: () => (asked++ ? "good" : new Promise(() => {})) });
  await until(() => Socket.all[0]);
  assert.equal(asked, 2);
});

test("an expired token ends the client that has no other, and only that", async () => {
  for (const [token, state] of [["t", "closed"], [() => "t", "connected"]]) {
    const { client, socket } = await inRoom({ token });
    socket.say({ type: "disconnect", code: 4201, reason: "token expired", reconnect: true });
    if (state === "connected") await letIn(1);
    assert.equal(client.state, state);
  }
});

test("a server that says not to come back closes the client: state, error and rooms tell why", async () => {
  const { client, room, socket, seen } = await inRoom();
  const other = client.join(OTHER);
  const next = room[Symbol.asyncIterator]().next();
  socket.say({ type: "disconnect", code: 4003, reason: "access revoked", reconnect: false });
  assert.deepEqual(client.states.at(-1), { state: "closed", code: 4003, reason: "access revoked" });
  assert.deepEqual(client.errors.map(({ code, message, close_code }) => [code, message, close_code]), [["CLOSED", "access revoked", 4003]]);
  assert.deepEqual(seen, ["ended CLOSED"]);
  await assert.rejects(next, { code: "CLOSED" });
  await assert.rejects(other.joined, { code: "CLOSED" });
  assert.throws(() => client.join(OTHER), { code: "CLOSED" });
});

test("wake() looks at a connection, and does not wait for the next attempt", async () => {
  const { client, socket } = await inRoom({ minBackoffMs: 3_600_000, maxBackoffMs: 3_600_000 });
  client.wake();
  assert.equal(socket.of("ping").length, 1);
  client.wake(); // it is looked at already
  assert.equal(socket.of("ping").length, 1);
  socket.say({ type: "pong" });
  socket.end(1006);
  client.wake();
  await letIn(1);
  assert.deepEqual(client.states.map(({ state }) => state), ["connected", "waiting", "connecting", "connected"]);
});

test("what a refreshed token says of its end is in info", async () => {
  const client = start({ token: () => "t" });
  const socket = await letIn(0, { expires_at: soon() });
  const { id } = await until(() => socket.of("auth.refresh")[0]);
  socket.say({ type: "ack", action: "refreshed", id, expires_at: 1_900_000_000 });
  await until(() => client.info.expires_at === 1_900_000_000);
  assert.equal(client.info.user_id, "ann");
});

test("who leaves a room is told to the server, and what it says after that is not heard", async () => {
  const { room, socket, seen } = await inRoom();
  room.leave();
  room.leave();
  assert.deepEqual(socket.of("unsubscribe.chat"), [{ type: "unsubscribe.chat", chat_id: CHAT }]);
  socket.say(event(6));
  assert.deepEqual(seen, []);
});

test("a loop that is left takes no more events, and what waited is gone", async () => {
  const { room, socket } = await inRoom();
  const events = room[Symbol.asyncIterator]();
  socket.say(event(6));
  assert.deepEqual(await events.return("over"), { value: "over", done: true });
  socket.say(event(7));
  assert.deepEqual(await events.next(), { value: undefined, done: true });
  assert.equal(room._queues.size, 0);
});

test("a position that is given out is not the client's own", async () => {
  const { room, socket, seen } = await inRoom();
  room.position.seq = 99;
  (await room.joined).seq = 99;
  socket.say(event(6));
  assert.deepEqual(seen, ["e6"]);
});
