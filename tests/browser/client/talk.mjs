// What every JavaScript runtime runs: talk.mjs URL-of-the-module URL-of-the-node token chat last [ws], where `ws` is
// the module of a WebSocket, or "react-native". It prints what it hears, a line of JSON each, and ends after the
// event with the number `last`.
const [module, url, token, chat, last, socket] = globalThis.Deno ? Deno.args : process.argv.slice(2);

// The globals of React Native, and no others: no page, no storage, no events of the window, a URL of its own.
async function importInReactNative(WebSocket) {
  const [{ createContext, SourceTextModule }, { readFile }] = await Promise.all([import("node:vm"), import("node:fs/promises")]);
  // Libraries/Blob/URL.js of React Native 0.72 to 0.79, as far as an absolute URL goes through it.
  class URL {
    constructor(text) {
      this._url = text.endsWith("/") ? text : `${text}/`;
    }
    get href() {
      return this.toString();
    }
    toString() {
      return this._url;
    }
  }
  const globals = { WebSocket, URL, console, setTimeout, clearTimeout, navigator: { product: "ReactNative" } };
  const context = createContext(globals);
  globals.window = globals;
  const text = new SourceTextModule(await readFile(module, "utf8"), { context });
  await text.link(() => {
    throw new Error("it imports nothing");
  });
  await text.evaluate();
  return text.namespace;
}

const say = (...what) => console.log(JSON.stringify(what));
const isReactNative = socket === "react-native";
const WebSocket = isReactNative ? (await import("ws")).default : socket && (await import(socket)).default;
const { connect } = isReactNative ? await importInReactNative(WebSocket) : await import(module);
const client = connect(url, { token, minBackoffMs: 50, maxBackoffMs: 500, ...(WebSocket && !isReactNative && { WebSocket }) });
client.on("error", (error) => say("error", error.code ?? String(error)));
const room = client.join(chat);
room.on("joined", ({ recovered, replayed }) => say("joined", recovered, replayed));
room.on("lost", () => say("lost"));
for await (const { seq, data } of room) {
  say("event", seq, data.number);
  if (data.number === Number(last)) break;
}
client.close();
