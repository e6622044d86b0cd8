// The messages of one pane. Upserts by id: what is older than what is shown changes nothing, so history and events may come in
// any order.
import { AtEnd } from "./atend.js";
import { avatar, clock, h, icon } from "./dom.js";

const OTHERS = { robin: "Robin", other: "Another service" }; // who are no users
const SHOWN_MAX = 300;
const GROUP_MS = 120000; // messages of one author within it stand together

export class Messages {
  // actions: { edit(message), remove(message) } for the user's own.
  constructor(user, users, actions) {
    this.user = user;
    this.users = users;
    this.actions = actions;
    this.rows = new Map(); // id -> { message, element }
    this.list = h("ol", { class: "messages", role: "log", "aria-live": "polite", "aria-label": "Messages", tabindex: "0" });
    this.end = new AtEnd(this.list);
  }

  // event: where it stands in the room, when it came as one; caughtUp: it was missed, and sent later.
  show(message, event, caughtUp) {
    const known = this.rows.get(message.message_id);
    if (known && known.message.version >= message.version) {
      return;
    }
    const element = this.render(message, event, caughtUp || known?.element.classList.contains("caught-up"));
    if (known) {
      element.classList.toggle("follows", known.element.classList.contains("follows"));
      known.element.replaceWith(element);
    } else {
      this.insert(element, message);
    }
    this.rows.set(message.message_id, { message, element });
    this.forgetOldest();
    this.end.grown(!known && message.author_id === this.user);
  }

  ownLast() {
    const own = [...this.rows.values()].map((row) => row.message).filter((message) => message.author_id === this.user && !message.deleted);
    return own.at(-1);
  }

  // A line across the list: something happened to the connection here.
  mark(text) {
    this.list.append(h("li", { class: "mark" }, h("span", {}, text)));
    this.end.grown();
  }

  // By time; nearly always at the end.
  insert(element, message) {
    let before = this.list.lastElementChild;
    while (before && this.rows.get(before.dataset.id)?.message.at > message.at) {
      before = before.previousElementSibling;
    }
    element.classList.toggle("follows", this.continues(before, message));
    before ? before.after(element) : this.list.prepend(element);
  }

  continues(element, message) {
    const before = element && this.rows.get(element.dataset.id)?.message;
    return Boolean(before) && before.author_id === message.author_id && new Date(message.at) - new Date(before.at) < GROUP_MS;
  }

  forgetOldest() {
    while (this.list.children.length > SHOWN_MAX) {
      this.rows.delete(this.list.firstElementChild.dataset.id);
      this.list.firstElementChild.remove();
    }
  }

  render(message, event, caughtUp) {
    const own = message.author_id === this.user;
    const name = this.users[message.author_id] ?? OTHERS[message.author_id] ?? message.author_id;
    const classes = ["message", own ? "own" : "other", message.deleted && "deleted", caughtUp && "caught-up"];
    const text = message.deleted ? "Message deleted" : message.content;
    return h("li", { class: classes.filter(Boolean).join(" "), "data-id": message.message_id, "data-user": message.author_id },
      own ? null : avatar(message.author_id, name),
      h("div", { class: "body" },
        h("p", { class: "author" }, own ? "You" : name),
        h("p", { class: "bubble", dir: "auto" }, text),
        h("p", { class: "meta" },
          h("time", { datetime: message.at }, clock(message.at)),
          message.edited && !message.deleted ? h("span", {}, "edited") : null,
          caughtUp ? h("span", { class: "late" }, "caught up") : null,
          event ? h("span", { class: "seq" }, `#${event.seq}`) : null)),
      own && !message.deleted ? this.renderActions(message) : null);
  }

  renderActions(message) {
    const button = (name, label, act) => h("button", { class: "icon-button", type: "button", "aria-label": label, title: label, onclick: () => act(message) }, icon(name));
    return h("div", { class: "actions" },
      button("edit", "Edit", this.actions.edit),
      button("trash", "Delete", this.actions.remove));
  }
}
