// The console of a node. What the cluster is doing comes from /cluster and /metrics, which anybody may read who
// reaches this listener; all else from /console/api, by the operator's key, which stays in this tab.
import { Chart } from "./chart.js";

const EVERY_MS = 2000, MINUTES = 10, ROOM = (MINUTES * 60000) / EVERY_MS, LIVE_EVERY = 2;
const LIVE = `Live, every ${EVERY_MS / 1000} s`, STALE_BEATS = 2.5;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const $ = (id) => document.getElementById(id);
const state = { key: sessionStorage.getItem("roomcast-admin-key") || "", hasInspection: false, isPaused: false, before: null, members: [], turns: 0, lastMs: 0, oldestLetter: "" };

// --- making elements: never from text with markup, all of it may come from strangers

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute === "onclick") made.addEventListener("click", value);
    else if (value !== null && value !== false) made.setAttribute(attribute, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function table(caption, heads, rows) {
  if (rows.length === 0) return make("p", { class: "quiet" }, "None.");
  const head = make("tr", {}, ...heads.map(([text, kind]) => make("th", { scope: "col", class: kind }, text)));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("caption", { class: "hidden" }, caption), make("thead", {}, head), make("tbody", {}, ...rows)));
}

const cell = (content, kind) => make("td", { class: kind || null }, ...[content].flat().map((part) => part ?? ""));
const number = (content) => cell(content, "n");

// Rows are replaced only when they differ: who selects text or has the focus in one keeps it.
function put(id, ...content) {
  const place = $(id), next = make("div", {}, ...content);
  if (place.dataset.was === next.innerHTML) return;
  const focus = document.activeElement, label = place.contains(focus) ? focus.getAttribute("data-focus") : null;
  const scrolled = place.querySelector(".scroll")?.scrollTop;
  place.dataset.was = next.innerHTML;
  place.replaceChildren(...next.childNodes);
  if (scrolled && place.querySelector(".scroll")) place.querySelector(".scroll").scrollTop = scrolled;
  if (label) [...place.querySelectorAll("[data-focus]")].find((one) => one.getAttribute("data-focus") === label)?.focus();
}

function say(text) {
  const line = make("p", {}, text);
  $("said").append(line);
  setTimeout(() => line.remove(), 8000);
}

// --- numbers as text

const short = (value) => (value >= 1e6 ? `${(value / 1e6).toFixed(1)} M` : value >= 1e4 ? `${(value / 1e3).toFixed(1)} k` : value >= 100 || Number.isInteger(value) ? `${Math.round(value)}` : value.toFixed(1));
const bytes = (value) => (value >= 1 << 30 ? `${(value / (1 << 30)).toFixed(1)} GiB` : value >= 1 << 20 ? `${Math.round(value / (1 << 20))} MiB` : value >= 1024 ? `${Math.round(value / 1024)} KiB` : `${value} B`);
const span = (s) => (s >= 172800 ? `${Math.floor(s / 86400)} d` : s >= 7200 ? `${Math.floor(s / 3600)} h` : s >= 120 ? `${Math.floor(s / 60)} min` : `${Math.round(s)} s`);
const millis = (value) => (value === null ? "–" : value >= 10000 ? `${(value / 1000).toFixed(1)} s` : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);
const plural = (count, one, many = `${one}s`) => `${short(count)} ${count === 1 ? one : many}`;
const entries = (count) => plural(count, "entry", "entries");
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

// --- asking

async function api(path, body) {
  const options = { headers: { Authorization: `Bearer ${state.key}` }, cache: "no-store", credentials: "omit" };
  if (body !== undefined) Object.assign(options, { method: "POST", body: body ?? "" });
  const answer = await fetch(`/console/api/${path}`, options);
  const document = await answer.json();
  if (answer.ok) return document.answers;
  const error = new Error(document.error?.message || `status ${answer.status}`);
  error.status = answer.status;
  throw error;
}

const bodies = (answers) => answers.filter((answer) => answer.status >= 200 && answer.status < 300);
const problemOf = (answer) => answer.problem || answer.body?.problem || `status ${answer.status}`;
const segment = encodeURIComponent;

function ask(title, text, button) {
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-yes").textContent = button;
  const dialog = $("confirm"), ended = new AbortController(), { signal } = ended;
  dialog.showModal();
  $("confirm-no").focus();
  return new Promise((decide) => {
    const end = (isYes) => {
      ended.abort();
      decide(isYes);
    };
    dialog.addEventListener("submit", (event) => end(event.submitter?.value === "yes"), { signal });
    dialog.addEventListener("cancel", () => end(false), { signal });
    // Comes later; of an earlier question when this one is open.
    dialog.addEventListener("close", () => dialog.open || end(false), { signal });
  });
}

// Asks first, acts, says what became of it on every process that was told.
async function act(title, text, button, path, body, done) {
  if (!(await ask(title, text, button))) return;
  try {
    const answers = await api(path, body ?? null);
    const failed = answers.filter((answer) => answer.status < 200 || answer.status > 299);
    for (const answer of failed) say(`${answer.name}: ${problemOf(answer)}`);
    if (failed.length < answers.length) say(done(bodies(answers)));
  } catch (error) {
    say(`Not done: ${error.message}`);
  }
  live();
}

// --- the cluster

const rate = (now, before, name, seconds) => (before && now[name] >= before[name] ? (now[name] - before[name]) / seconds : null);

const KIND = { serving: "good", starting: "warn", draining: "warn", cut_off: "bad", isolated: "bad", leaving: "warn", unknown: "warn" };

function judge(member) {
  if (member.age_ms > STALE_BEATS * member.interval_ms) return ["bad", `silent for ${span(member.age_ms / 1000)}`];
  const text = member.kind === "relay" && member.state === "serving" ? (member.active ? "active" : "standby") : member.state.replace("_", " ");
  return [KIND[member.state] || "warn", text];
}

function nodeRow(member, rates) {
  const [kind, text] = judge(member), full = member.max_connections ? member.connections / member.max_connections : 0;
  const isNode = member.kind === "node", of = (name) => ({ "data-of": name });
  const cellOf = (name, content) => make("td", { class: "n", ...of(name) }, content);
  const meter = make("meter", { min: 0, max: 1, high: 0.85, optimum: 0.3, value: full.toFixed(3), "aria-label": `${Math.round(full * 100)} percent of the limit` });
  const drain = isNode && state.key && member.state === "serving"
    ? make("button", { type: "button", "data-focus": `drain ${member.instance}`, "aria-label": `Drain ${member.name}`, onclick: () => drainNode(member) }, "Drain…") : null;
  return make("tr", {},
    make("th", { scope: "row" }, member.name || member.instance, make("small", {}, `${member.kind} ${member.release}${member.isSelf ? ", this one" : ""}`)),
    make("td", {}, make("span", { class: `state ${kind}` }, text)),
    make("td", isNode ? of("Connections") : {}, ...(isNode ? [meter, ` ${short(member.connections)}`, make("small", {}, `of ${short(member.max_connections)}`)] : [])),
    isNode ? cellOf("Rooms", short(member.rooms)) : make("td"),
    cellOf("Events/s", rates.events === null ? "–" : short(rates.events)),
    isNode ? cellOf("Deliveries/s", rates.deliveries === null ? "–" : short(rates.deliveries)) : make("td"),
    isNode ? cellOf("Latency", millis(rates.latency)) : cellOf("Lag", entries(member.lag_entries)),
    cellOf("CPU", `${Math.round(member.cpu_permille / 10)} %`), cellOf("Memory", bytes(member.memory_bytes)),
    isNode ? cellOf("Slow", short(member.blocked)) : make("td"), cellOf("Up", span(member.uptime_s)), make("td", {}, drain ?? ""));
}

function drainNode(member) {
  act(`Drain ${member.name}?`, `${plural(member.connections, "client")} will be sent to other nodes, nobody new is let in, and the process ends. This cannot be taken back.`,
    "Drain", `drain/${segment(member.instance)}`, null, ([answer]) => `${answer.name} sends ${plural(answer.body.count, "client")} away within ${span(answer.body.spread_ms / 1000)}.`);
}

// What somebody who was woken up wants to know first.
function troubles(members, relay) {
  const found = [];
  for (const member of members) {
    const [kind, text] = judge(member);
    if (kind !== "good") found.push([kind, `${member.kind} ${member.name}: ${text}`]);
    if (member.kind === "node" && member.connections > 0.9 * member.max_connections) found.push(["warn", `node ${member.name} is nearly full`]);
  }
  if (!members.some((member) => member.kind === "relay")) found.push(["bad", "No relay is there: events are not delivered"]);
  else if (!relay) found.push(["bad", "No relay is active: events wait in Redis"]);
  else if (relay.lag_s >= 10) found.push([relay.lag_s >= 60 ? "bad" : "warn", `The relay is ${span(relay.lag_s)} behind (${entries(relay.lag_entries)})`]);
  return found;
}

function sum(list, name) {
  return list.reduce((total, one) => total + (one[name] || 0), 0);
}

const charts = {
  throughput: new Chart("Throughput, whole cluster", ["events/s", "deliveries/s"], short, ROOM, EVERY_MS / 1000),
  latency: new Chart("Latency from relay to node", ["mean of all nodes", "p99 of this node"], millis, ROOM, EVERY_MS / 1000),
};
$("charts").append(charts.throughput.figure, charts.latency.figure);

function tile(name, value, small) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, value, make("small", {}, small || "")));
}

// The share of observations up to which 99 % lie, by the buckets that have grown (Prometheus text format 0.0.4).
const HISTOGRAM = /^roomcast_event_latency_seconds_bucket\{(?=[^}]*since="relayed")[^}]*le="([^"]+)"\} (\d+)/;
function buckets(text) {
  return text.split("\n").map((line) => HISTOGRAM.exec(line)).filter(Boolean).map(([, le, count]) => [le === "+Inf" ? Infinity : Number(le), Number(count)]);
}

function quantile(now, before, share) {
  if (!before || before.length !== now.length || now.length === 0) return null;
  const grown = now.map(([le, count], at) => [le, count - before[at][1]]), all = grown[grown.length - 1][1];
  if (all <= 0) return null;
  const found = grown.findIndex(([, count]) => count >= share * all);
  return 1000 * (grown[found][0] === Infinity ? grown[Math.max(0, found - 1)][0] : grown[found][0]);
}

function meanLatency(now, before) {
  const count = rate(now, before, "age_count", 1), total = rate(now, before, "age_ms_total", 1);
  return count ? total / count : null;
}

async function refresh() {
  const [clusterAnswer, metricsAnswer] = await Promise.all([fetch("/cluster", { cache: "no-store" }), fetch("/metrics", { cache: "no-store" })]);
  if (!clusterAnswer.ok) throw new Error(`/cluster answers ${clusterAnswer.status}`);
  const document_ = await clusterAnswer.json(), histogram = buckets(metricsAnswer.ok ? await metricsAnswer.text() : "");
  const members = [{ ...document_.self, age_ms: 0, isSelf: true }, ...document_.members.sort((a, b) => a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name))];
  showCluster(members, histogram, performance.now());
}

// A member's totals change with its beats, ours at once: what each has grown by counts from its own last change.
function ratesOf(member, nowMs) {
  const known = state.before?.get(member.instance), isNew = !known || known.number !== member.number || member.isSelf;
  const seconds = known ? (nowMs - known.atMs) / 1000 : 0;
  if (!isNew) return known;
  const events = rate(member, known?.member, member.kind === "node" ? "events_total" : "stored_total", seconds);
  return { member, number: member.number, atMs: nowMs, events, deliveries: rate(member, known?.member, "deliveries_total", seconds), latency: known ? meanLatency(member, known.member) : null };
}

function showCluster(members, histogram, nowMs) {
  const rates = new Map(members.map((member) => [member.instance, ratesOf(member, nowMs)]));
  const nodes = members.filter((member) => member.kind === "node"), relay = members.find((member) => member.kind === "relay" && member.active);
  const all = (name) => nodes.map((node) => rates.get(node.instance)[name]).filter((value) => value !== null);
  const total = (name) => (all(name).length ? all(name).reduce((a, b) => a + b, 0) : null);
  const events = relay ? rates.get(relay.instance).events : null, deliveries = total("deliveries");
  const latencies = all("latency"), latency = latencies.length ? latencies.reduce((a, b) => a + b, 0) / latencies.length : null;
  const p99 = quantile(histogram, state.histogram, 0.99);
  state.before = rates;
  state.histogram = histogram;
  $("where").textContent = `from ${members[0].name}`;
  document.title = `${sum(nodes, "connections")} connections, Roomcast console`;

  const found = troubles(members, relay);
  put("health", ...(found.length ? found.map(([kind, text]) => make("p", { class: `note ${kind}` }, text)) : [make("p", { class: "note" }, `All is well: ${nodes.length} ${nodes.length === 1 ? "node" : "nodes"} serving`)]));
  put("tiles",
    tile("Connections", short(sum(nodes, "connections")), `of ${short(sum(nodes, "max_connections"))}`),
    tile("Events/s", events === null ? "–" : short(events), "stored by the relay"),
    tile("Deliveries/s", deliveries === null ? "–" : short(deliveries), "to clients"),
    tile("Latency", millis(latency), p99 === null ? "" : `p99 here ${millis(p99)}`),
    tile("Relay lag", relay ? span(relay.lag_s) : "–", relay ? `${entries(relay.lag_entries)}, ${short(relay.in_flight)} in flight` : "no active relay"),
    tile("Dead letters", relay ? short(relay.dead_total) : "–", "since its start"),
    tile("Slow clients", short(sum(nodes, "blocked")), `${bytes(sum(nodes, "queued_bytes"))} queued`));
  state.members = members;
  showRows();
  charts.throughput.add([events, deliveries]);
  charts.latency.add([latency, p99]);
}

// Also when a key was given or forgotten: with it there are buttons.
function showRows() {
  const body = $("cluster-rows"), rows = state.members.map((member) => nodeRow(member, state.before.get(member.instance)));
  const focus = document.activeElement, label = body.contains(focus) ? focus.getAttribute("data-focus") : null;
  body.replaceChildren(...rows);
  if (label) [...body.querySelectorAll("[data-focus]")].find((one) => one.getAttribute("data-focus") === label)?.focus();
}

// --- rooms, slow clients, closes

const inspectButton = (kind, id) => make("button", { type: "button", class: `link ${kind}`, "data-focus": `${kind} ${id}`, onclick: () => inspect(kind, id) }, id);

function showRooms(answers) {
  const rooms = new Map();
  for (const { body } of answers)
    for (const room of body.rooms) {
      const id = room.chat ?? room.user, known = rooms.get(id) || { id, kind: room.chat ? "room" : "user", members: 0, deliveries: 0, events: 0 };
      rooms.set(id, { ...known, members: known.members + room.members, deliveries: known.deliveries + room.deliveries / room.seconds, events: Math.max(known.events, room.events / room.seconds) });
    }
  const rows = [...rooms.values()].sort((a, b) => b.deliveries - a.deliveries).slice(0, 20);
  put("rooms", table("Busiest rooms", [["Room"], ["Members", "n"], ["Events/s", "n"], ["Deliveries/s", "n"]],
    rows.map((room) => make("tr", {}, cell([inspectButton(room.kind, room.id), room.kind === "user" ? make("small", {}, "notifications of a user") : null].filter(Boolean)), number(short(room.members)), number(short(room.events)), number(short(room.deliveries))))));
}

function showSlow(answers) {
  const clients = answers.flatMap(({ name, body }) => body.slow.map((client) => ({ ...client, node: name }))).sort((a, b) => b.queue_bytes - a.queue_bytes).slice(0, 20);
  put("slow", table("Slow clients", [["User"], ["Node"], ["Queue", "n"], ["State"], [""]], clients.map((client) => make("tr", {},
    cell([inspectButton("user", client.user), make("small", {}, client.peer)]), cell(client.node),
    number([bytes(client.queue_bytes), make("small", {}, `${client.queue_messages} messages`)]),
    cell(client.blocked ? make("span", { class: "bad" }, client.closed_in_ms === undefined ? "takes nothing" : `takes nothing, closed in ${span(client.closed_in_ms / 1000)}`) : "reads slowly"),
    cell(disconnectButton(client.user))))));
}

function showCloses(answers) {
  const closes = answers.flatMap(({ name, body }) => body.closes.map((close) => ({ ...close, node: name }))).sort((a, b) => b.at_ms - a.at_ms);
  const reasons = new Map();
  for (const close of closes) reasons.set(close.reason, (reasons.get(close.reason) || 0) + 1);
  const counted = [...reasons].sort((a, b) => b[1] - a[1]).map(([reason, count]) => `${count} × ${reason}`).join(", ");
  put("closes", make("p", { class: "quiet" }, counted || "Nobody has left since the nodes started."), closes.length ? table("Recent closes", [["Time"], ["Reason"], ["User"], ["Node"]], closes.slice(0, 60).map((close) => make("tr", {},
    cell(clock(close.at_ms)), cell([close.reason, make("small", {}, `code ${close.code}`)]), cell(inspectButton("user", close.user)), cell(close.node)))) : "");
}

async function live() {
  if (!state.key) return;
  try {
    const answers = await api("live"), good = bodies(answers);
    for (const answer of answers.filter((one) => !good.includes(one))) say(`${answer.name}: ${problemOf(answer)}`);
    showRooms(good);
    showSlow(good);
    showCloses(good);
  } catch (error) {
    if (error.status === 401) lock("That key is not right any more.");
    else say(error.message);
  }
  if (!state.oldestLetter) letters();
}

// --- dead letters

async function letters() {
  const before = state.oldestLetter;
  try {
    const [answer] = await api(before ? `letters/${segment(before)}` : "letters");
    if (answer.status !== 200) throw new Error(problemOf(answer));
    showLetters(answer.body);
  } catch (error) {
    put("letters", make("p", { class: "quiet" }, `They cannot be read: ${error.message}`));
  }
}

function pageLetters(before) {
  state.oldestLetter = before;
  letters();
}

function showLetters({ count, letters: list }) {
  const rows = list.map((letter) => make("tr", {},
    cell([new Date(letter.ts).toLocaleString([], { hour12: false }), make("small", {}, letter.entry)]), cell(letter.reason), cell([letter.event_type || "–", make("small", {}, letter.source)]), number(bytes(letter.bytes)),
    cell(make("div", { class: "row" }, make("button", { type: "button", "data-focus": `show ${letter.entry}`, "aria-label": `Show dead letter ${letter.entry}`, onclick: () => showLetter(letter.entry) }, "Show"),
      letter.truncated ? null : make("button", { type: "button", "data-focus": `replay ${letter.entry}`, "aria-label": `Replay dead letter ${letter.entry}`, onclick: () => replay(letter) }, "Replay…")))));
  const pages = make("div", { class: "row" },
    state.oldestLetter ? make("button", { type: "button", "data-focus": "newest", onclick: () => pageLetters("") }, "Newest") : null,
    list.length === 20 ? make("button", { type: "button", "data-focus": "older", onclick: () => pageLetters(list[list.length - 1].entry) }, "Older") : null);
  put("letters", make("p", { class: "quiet" }, count ? `${short(count)} kept, newest first` : "None: every event could be used."), list.length ? table("Dead letters", [["Time"], ["Reason"], ["Type"], ["Size", "n"], [""]], rows) : "", pages);
}

async function showLetter(entry) {
  try {
    const [answer] = await api(`letter/${segment(entry)}`);
    if (answer.status !== 200) throw new Error(problemOf(answer));
    $("found").replaceChildren(make("h3", {}, `Dead letter ${entry}`), make("p", {}, answer.body.reason), make("pre", { tabindex: "0", "aria-label": "The event's text" }, answer.body.text), answer.body.text_cut ? make("p", { class: "quiet" }, "Not all of it is shown.") : "");
    $("found").scrollIntoView({ block: "nearest" });
  } catch (error) {
    say(error.message);
  }
}

function replay(letter) {
  act("Replay this dead letter?", `${letter.entry}: ${letter.reason}. It becomes a new entry of the event stream and leaves the dead letters. If nothing has changed it comes back as another one.`,
    "Replay", `replay/${segment(letter.entry)}`, null, ([answer]) => `Replayed as ${answer.body.entry}.`).then(letters);
}

// --- the inspector

const disconnectButton = (user) => make("button", { type: "button", class: "danger", "data-focus": `disconnect ${user}`, "aria-label": `Disconnect ${user}`, onclick: () => disconnect(user) }, "Disconnect…");

function disconnect(user) {
  act("Disconnect this user?", `All connections of ${user} on all nodes are closed with 4110. The client may connect again after some seconds; to keep it out, revoke.`,
    "Disconnect", `disconnect/${segment(user)}`, null, (answers) => `Closed ${plural(sum(answers.map(({ body }) => body), "count"), "connection")}.`);
}

const age = (session) => number(span(session.open_s));
const queue = (session) => number([session.queue_messages ? `${session.queue_messages} (${bytes(session.queue_bytes)})` : "0", session.blocked ? make("small", { class: "bad" }, "takes nothing") : null].filter(Boolean));

function userRows(answers) {
  return answers.flatMap(({ name, body }) => body.sessions.map((session) => make("tr", {}, cell(name), cell([make("code", {}, session.session), make("small", {}, session.peer)]), age(session), queue(session),
    cell([...session.chats.map((chat) => make("div", {}, inspectButton("room", chat.chat), chat.behind_at === undefined ? null : make("small", {}, `behind, at ${chat.behind_at}`))), session.rooms > session.chats.length + 1 ? make("small", {}, `${session.rooms - 1} rooms in all`) : null].filter(Boolean)))));
}

function roomRows(answers) {
  return answers.flatMap(({ name, body }) => body.sessions.map((session) => make("tr", {}, cell(inspectButton("user", session.user)), cell(name), age(session), queue(session), cell(session.behind_at === undefined ? "live" : `behind, at ${session.behind_at}`))));
}

function roomFacts(answers) {
  return table("The room on each node", [["Node"], ["Connections", "n"], ["Position", "n"], ["Events in 10 s", "n"], ["History", "n"]], answers.filter(({ body }) => body.followed).map(({ name, body }) => make("tr", {},
    cell([name, body.gap ? make("small", { class: "warn" }, "an event is missing and being fetched") : null].filter(Boolean)), number(short(body.count)), number(body.settled ? [`${body.seq}`, make("small", {}, `epoch ${body.epoch}`)] : "not known yet"), number(short(body.recent_events)), number(bytes(body.history_bytes)))));
}

async function inspect(kind, id) {
  $("inspect-id").value = id;
  try {
    const answers = await api(`${kind}/${segment(id)}`), good = bodies(answers), count = sum(good.map(({ body }) => body), "count");
    const silent = answers.filter((answer) => !good.includes(answer)).map((answer) => make("p", { class: "warn" }, `${answer.name}: ${problemOf(answer)}`));
    const shown = sum(good.map(({ body }) => ({ shown: body.sessions.length })), "shown");
    const title = `${kind === "user" ? "User" : "Chat"} ${id}: ${plural(count, "connection")}${shown < count ? `, ${shown} shown` : ""}`;
    const content = kind === "user"
      ? [count ? make("div", { class: "row" }, disconnectButton(id)) : "", table("Connections", [["Node"], ["Session"], ["For", "n"], ["Queue", "n"], ["Chats"]], userRows(good))]
      : [roomFacts(good), table("Members", [["User"], ["Node"], ["For", "n"], ["Queue", "n"], ["Position"]], roomRows(good))];
    $("found").replaceChildren(make("h3", {}, title), ...silent, ...content);
    $("inspect").scrollIntoView({ block: "nearest" });
  } catch (error) {
    $("found").replaceChildren(make("p", { class: "bad" }, error.message));
  }
}

$("inspect").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = $("inspect-id").value.trim(), kind = event.submitter?.value || "user";
  if (kind === "room" && !UUID.test(id)) $("found").replaceChildren(make("p", { class: "bad" }, "A chat id is a UUID."));
  else inspect(kind, id);
});

$("revoke").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = Object.fromEntries([...new FormData(event.target)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
  if (given.token_id ? given.user_id || given.chat_id : !given.user_id) {
    say(given.token_id ? "Either a token, or a user." : "Which user, or which token?");
    return;
  }
  const what = given.token_id ? `token ${given.token_id}` : `user ${given.user_id}${given.chat_id ? ` in chat ${given.chat_id}` : " everywhere"}`;
  act("Revoke?", `The rights of ${what} end now, on every node, for all tokens issued up to now. This cannot be taken back here.`, "Revoke", "revoke", JSON.stringify(given), () => `Revoked: ${what}.`);
});

// --- the key

function lock(problem) {
  state.key = "";
  sessionStorage.removeItem("roomcast-admin-key");
  showAccess();
  if (problem) say(problem);
}

function showAccess() {
  $("open").hidden = !state.key;
  showRows();
  $("locked").hidden = Boolean(state.key);
  $("key-button").hidden = !state.hasInspection;
  $("key-button").textContent = state.key ? "Forget key" : "Enter key";
  $("locked-text").textContent = state.hasInspection
    ? "Enter the key of option admin.key to see who is connected where, slow clients, recent closes and dead letters, and to act."
    : "Inspection and actions are off until option admin.key (or admin.key_file) is set on this node.";
}

$("key-button").addEventListener("click", () => {
  if (state.key) lock("");
  else $("key-dialog").showModal();
});
$("key-cancel").addEventListener("click", () => $("key-dialog").close());
$("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  state.key = $("key").value;
  try {
    await api("live");
    sessionStorage.setItem("roomcast-admin-key", state.key);
    $("key").value = $("key-problem").textContent = "";
    $("key-dialog").close();
  } catch (error) {
    state.key = "";
    $("key-problem").textContent = error.message;
    $("key").select();
  }
  showAccess();
  live();
});

// --- the turns

// Said aloud only when it is another one.
function tellAge(text) {
  if ($("age").textContent !== text) $("age").textContent = text;
}

$("pause").addEventListener("click", () => {
  state.isPaused = !state.isPaused;
  $("pause").setAttribute("aria-pressed", String(state.isPaused));
  $("pause").textContent = state.isPaused ? "Go on" : "Pause";
  tellAge(state.isPaused ? `Paused at ${clock(state.lastMs)}` : LIVE);
});

async function turn() {
  if (!state.isPaused && !document.hidden) {
    try {
      await refresh();
      state.lastMs = Date.now();
      tellAge(LIVE);
      if (state.turns++ % LIVE_EVERY === 0) await live();
    } catch (error) {
      tellAge(state.lastMs ? `No answer since ${clock(state.lastMs)}: ${error.message}` : `No answer: ${error.message}`);
    }
  }
  setTimeout(turn, EVERY_MS);
}

const access = await fetch("/console/api/access").then((answer) => answer.json()).catch(() => ({}));
state.hasInspection = Boolean(access.inspection);
if (!state.hasInspection) state.key = "";
showAccess();
turn();
