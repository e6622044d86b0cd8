// One user's window: a connection of their own to a node, and what comes over it.
import { ask } from "./api.js";
import { Composer } from "./composer.js";
import { Continuity } from "./continuity.js";
import { avatar, count, h } from "./dom.js";
import { Messages } from "./messages.js";
import { nodeSocket } from "./nodesocket.js";
import { Notices } from "./notices.js";
import { Tasks } from "./tasks.js";

const GOOD_BANNER_MS = 9000;
const RECONNECT_AT_ONCE = 4200; // the verdict of a close code is in its range
const TYPING_MS = 8000; // after the last word of it, which a slow writer repeats after 7 s

export class Pane {
  // shared: { connect, setup, nodebar, drawer }; place: of the node that is tried first.
  constructor(shared, user, place) {
    const { users, nodes } = shared.setup;
    this.shared = shared;
    this.user = user;
    this.name = users[user];
    this.other = Object.keys(users).find((one) => one !== user);
    this.route = { urls: nodes.map((node) => node.url), choice: place };
    this.judge = new Continuity();
    this.lateUntil = 0; // events up to this seq were missed, and came later
    this.wasConnected = false;
    this.wasJoined = false;
    this.build(users);
    this.column = shared.drawer.column(this.name, () => this.losePosition());
    this.column.sum(this.judge);
  }

  build(users) {
    this.notices = new Notices(this.name);
    this.messages = new Messages(this.user, users, { edit: (message) => this.composer.edit(message), remove: (message) => this.remove(message) });
    this.tasks = new Tasks(users, async (id, fields) => (await this.attempt("PUT", `/tasks/${id}`, fields)) || this.load());
    this.composer = new Composer(this.name, {
      post: (text) => this.attempt("POST", "/messages", { text }),
      edit: (message, text) => this.attempt("PUT", `/messages/${message.message_id}`, { text }),
      typing: (isTyping) => this.room.typing(isTyping),
      lastOwn: () => this.messages.ownLast(),
    });
    this.link = h("p", { class: "link-state", "data-state": "connecting" }, "connecting");
    this.presence = h("p", { class: "presence" });
    this.typing = h("p", { class: "typing", "aria-live": "polite" });
    this.element = h("section", { class: "pane", "data-user": this.user, "aria-label": `${this.name}'s window` },
      h("header", { class: "pane-head" }, avatar(this.user, this.name),
        h("div", { class: "who" }, h("h2", {}, this.name), this.link), this.presence, this.notices.wrap),
      this.tasks.list,
      h("div", { class: "stage" }, this.messages.list, h("div", { class: "overlay" }, this.notices.banner, this.notices.toasts)),
      this.typing, this.composer.form);
  }

  // The history at once, and again when the room is joined: what happened in between came by neither way.
  start() {
    this.load();
    this.join();
    this.room.joined.then(() => this.load(), (error) => this.notices.toast(error.message, "wrong"));
  }

  async load() {
    this.messages.list.setAttribute("aria-busy", "true");
    try {
      const history = await ask("GET", `/history?user=${this.user}`);
      history.messages.forEach((message) => this.messages.show(message));
      history.tasks.forEach((task) => this.tasks.show(task));
      history.notifications.forEach((notification) => this.notices.show(notification, { toast: false }));
    } catch (error) {
      this.notices.toast(error.message, "wrong");
    }
    this.messages.list.removeAttribute("aria-busy");
  }

  join() {
    const { connect, setup } = this.shared;
    this.client = connect(this.route.urls[this.route.choice], {
      token: async () => (await ask("GET", `/token?user=${this.user}`)).token,
      storage: sessionStorage,
      WebSocket: nodeSocket(this.route, this.column.frame),
    });
    this.client.on("state", (state) => this.onState(state));
    this.client.on("error", (error) => this.notices.toast((error.cause ?? error).message, "wrong"));
    this.client.on("notification.new", (event) => this.notices.show(event.data, { toast: true }));
    this.room = this.client.join(setup.chat_id);
    this.room.on("joined", (position) => this.onJoined(position));
    this.room.on("*", (event) => this.onEvent(event));
    this.room.on("typing", (signal) => this.onTyping(signal));
    this.room.on("presence", ({ user_id, is_online }) => user_id === this.other && this.showPresence(is_online));
    this.room.on("lost", (position) => this.onLost(position));
    this.room.on("ended", ({ message }) => this.notices.say("bad", `The node has ended the chat: ${message}`));
  }

  // -- what comes

  // The position is that of the last event before those that are replayed.
  onJoined({ epoch, seq, recovered, replayed }) {
    if (!this.wasJoined || !recovered) {
      this.judge.moveTo({ epoch, seq });
      this.column.sum(this.judge);
    }
    this.wasJoined = true;
    this.askPresence();
    if (recovered) {
      this.lateUntil = seq + replayed;
      this.resumed = { missing: replayed, messages: 0, replayed, lost: this.judge.lost, twice: this.judge.twice };
      this.tellResumed();
    }
  }

  onEvent(event) {
    this.judge.take(event);
    this.column.sum(this.judge);
    const isLate = event.seq <= this.lateUntil;
    if (event.type.startsWith("chat.message.")) {
      this.showMessage(event, isLate);
      this.showTyping(false);
    } else if (event.type === "task.updated" && event.data.task_id) {
      this.tasks.show(event.data);
    }
    if (isLate && this.resumed) {
      this.resumed.missing -= 1;
      this.resumed.messages += event.type === "chat.message.posted" ? 1 : 0;
      this.tellResumed();
    }
  }

  // Other services may publish into the chat too, as cluster/quickstart suggests: their messages need not be made as the demo's.
  showMessage(event, isLate) {
    const { data } = event;
    if (data.message_id) {
      this.messages.show(data, event, isLate);
    } else if (event.type === "chat.message.posted") {
      const content = typeof data.content === "string" ? data.content : JSON.stringify(data);
      this.messages.show({ message_id: event.id, author_id: "other", content, at: event.ts ?? new Date().toISOString(), version: 1 }, event, isLate);
    }
  }

  // When all that was missed is there, and judged.
  tellResumed() {
    const { missing, messages, replayed, lost, twice } = this.resumed;
    if (missing > 0) {
      return;
    }
    this.resumed = null;
    const words = (number) => (number === 0 ? "none" : String(number));
    const text = `Resumed on ${this.node()}: ${count(replayed, messages === replayed ? "message" : "event")} caught up, ${words(this.judge.lost - lost)} lost, ${words(this.judge.twice - twice)} twice`;
    this.notices.say("good", text, GOOD_BANNER_MS);
    this.messages.mark(`resumed on ${this.node()}`);
  }

  onLost(position) {
    this.judge.moveTo(position);
    this.column.sum(this.judge);
    this.notices.say("good", `The node could not tell what was missed: the history was loaded anew, and goes on from #${position.seq}`, GOOD_BANNER_MS);
    this.messages.mark("loaded anew");
    this.load();
  }

  onTyping({ user_id, is_typing }) {
    if (user_id === this.other) {
      this.showTyping(is_typing);
    }
  }

  onState(state) {
    if (state === "connected") {
      this.wasConnected = true;
      this.showLink("connected", `on ${this.node()}`);
      this.shared.nodebar.place(this.user, this.node());
      return;
    }
    this.shared.nodebar.place(this.user, undefined);
    this.showLink("connecting", state === "closed" ? "closed" : state === "offline" ? "no network" : "connecting");
    if (this.wasConnected && state !== "closed") {
      this.notices.say("bad", `The connection to ${this.lastNode} broke. Reconnecting…`);
      this.shared.nodebar.watch();
    }
  }

  // -- what is shown

  node() {
    this.lastNode = this.client.info?.node ?? this.lastNode;
    return this.lastNode;
  }

  showLink(state, text) {
    this.link.dataset.state = state;
    this.link.textContent = text;
  }

  async askPresence() {
    try {
      const { online } = await this.room.presence();
      this.showPresence(online.includes(this.other));
    } catch {
      // It will be told as it changes.
    }
  }

  showPresence(isOnline) {
    this.presence.dataset.online = String(isOnline);
    this.presence.textContent = `${this.shared.setup.users[this.other]} is ${isOnline ? "online" : "away"}`;
  }

  showTyping(isTyping) {
    clearTimeout(this.typingTimer);
    this.typing.textContent = isTyping ? `${this.shared.setup.users[this.other]} is typing…` : "";
    if (isTyping) {
      this.typingTimer = setTimeout(() => this.showTyping(false), TYPING_MS);
    }
  }

  // -- what the user does

  // The next position that is sent is made one of another numbering, as after a long absence.
  losePosition() {
    this.route.losesPosition = true;
    this.route.socket?.close(RECONNECT_AT_ONCE);
  }

  // The button that had the focus goes with the message.
  remove(message) {
    this.messages.list.focus();
    this.attempt("DELETE", `/messages/${message.message_id}`, {});
  }

  async attempt(method, path, fields) {
    try {
      await ask(method, path, { user: this.user, ...fields });
      return true;
    } catch (error) {
      this.notices.toast(error.message, "wrong");
      return false;
    }
  }
}
