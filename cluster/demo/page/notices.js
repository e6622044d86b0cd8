// Notifications of one user: the bell with its count, the list behind it, and toasts; and the banner about the connection.
import { clock, count, h, icon } from "./dom.js";

const TOAST_MS = 6000;
const TOASTS_MAX = 3;
const KEPT_MAX = 20;

export class Notices {
  constructor(name) {
    this.name = name;
    this.known = new Set();
    this.unread = 0;
    this.badge = h("span", { class: "badge", hidden: true });
    this.button = h("button", { class: "icon-button bell", type: "button", "aria-expanded": "false", onclick: () => this.toggle() }, icon("bell"), this.badge);
    this.items = h("ol", { class: "notices" });
    this.empty = h("p", { class: "quiet" }, "Nothing yet. Get a task, or be mentioned with @.");
    this.panel = h("div", { class: "notice-panel", role: "dialog", "aria-label": `Notifications of ${name}`, hidden: true },
      h("h3", {}, "Notifications"), this.empty, this.items);
    this.toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
    this.banner = h("div", { class: "banners", role: "status", "aria-live": "polite" });
    this.wrap = h("div", { class: "bell-wrap", onkeydown: (event) => this.onKey(event), onfocusout: (event) => this.onLeave(event) }, this.button, this.panel);
    document.addEventListener("pointerdown", (event) => this.wrap.contains(event.target) || this.close());
    this.showCount();
  }

  // toast: it came just now.
  show(notification, { toast }) {
    if (this.known.has(notification.notification_id)) {
      return;
    }
    this.known.add(notification.notification_id);
    this.items.prepend(h("li", {}, h("p", {}, notification.text), h("time", { datetime: notification.at }, clock(notification.at))));
    while (this.items.children.length > KEPT_MAX) {
      this.items.lastElementChild.remove();
    }
    this.empty.hidden = true;
    if (toast) {
      this.toast(notification.text, "news");
      if (this.panel.hidden) {
        this.unread += 1;
        this.showCount();
      }
    }
  }

  toast(text, kind) {
    if (kind === "wrong" && [...this.toasts.children].some((shown) => shown.textContent === text)) {
      return; // it is said already
    }
    const element = h("p", { class: `toast ${kind}` }, icon(kind === "wrong" ? "close" : "bell"), h("span", {}, text));
    this.toasts.append(element);
    while (this.toasts.children.length > TOASTS_MAX) {
      this.toasts.firstElementChild.remove();
    }
    setTimeout(() => element.remove(), TOAST_MS);
  }

  // One banner at a time. ms: how long it stays; without, until the next one.
  say(kind, text, ms) {
    clearTimeout(this.bannerTimer);
    const element = h("p", { class: `banner ${kind}` }, icon(kind === "good" ? "check" : "sync"), h("span", {}, text));
    this.banner.replaceChildren(element);
    if (ms) {
      this.bannerTimer = setTimeout(() => this.hush(), ms);
    }
  }

  hush() {
    clearTimeout(this.bannerTimer);
    this.banner.replaceChildren();
  }

  toggle() {
    if (!this.panel.hidden) {
      return this.close();
    }
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.unread = 0;
    this.showCount();
  }

  close() {
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }

  onKey(event) {
    if (event.key === "Escape" && !this.panel.hidden) {
      this.close();
      this.button.focus();
    }
  }

  onLeave(event) {
    if (event.relatedTarget && !this.wrap.contains(event.relatedTarget)) {
      this.close();
    }
  }

  showCount() {
    this.badge.textContent = this.unread > 9 ? "9+" : String(this.unread);
    this.badge.hidden = this.unread === 0;
    this.button.setAttribute("aria-label", `Notifications of ${this.name}, ${count(this.unread, "new one")}`);
  }
}
