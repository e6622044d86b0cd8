// What the tests drive: a client whose connections go to the `nodes` in turn, and notes of all it said.
// Parameters of the page: nodes, token (or ttl: of tokens that are fetched), user, chat, options.
const parameters = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const { connect } = await import(parameters.module);

let choice = 0;
class NodeSocket extends WebSocket {
  constructor(url, protocols) {
    super(parameters.nodes[choice++ % parameters.nodes.length], protocols);
  }
}

async function fetchToken() {
  const ttl = page.tokens++ === 0 ? parameters.firstTtl ?? parameters.ttl : parameters.ttl;
  return (await fetch(`/token?${new URLSearchParams({ user: parameters.user, ttl })}`)).text();
}

const page = (window.page = { events: [], lost: [], ended: [], states: [], errors: [], typing: [], presence: [], notes: [], tokens: 0 });
const client = (page.client = connect(parameters.nodes[0], {
  token: parameters.token ?? fetchToken,
  WebSocket: NodeSocket,
  storage: parameters.keeps ? sessionStorage : undefined,
  minBackoffMs: 50,
  maxBackoffMs: 500,
  ...parameters.options,
}));
client.on("state", (state, why) => page.states.push([state, why.code ?? null]));
client.on("error", (error) => page.errors.push(error.code ?? String(error)));
client.on("notification.new", (event) => page.notes.push(event.seq));
const room = (page.room = client.join(parameters.chat));
room.on("message.posted", ({ seq, data }) => page.events.push([seq, data.number]));
room.on("lost", (position) => page.lost.push(position));
room.on("ended", ({ code }) => page.ended.push(code));
room.on("typing", ({ user_id, is_typing }) => page.typing.push([user_id, is_typing]));
room.on("presence", ({ user_id, is_online }) => page.presence.push([user_id, is_online]));
room.joined.then(
  () => (page.joined = true),
  (error) => (page.refused = error.code),
);
