// Where a message is written, and changed.
import { h, icon } from "./dom.js";

const TEXT_MAX = 2000;

export class Composer {
  // actions: { post(text), edit(message, text) }, both of which may fail; typing(isTyping); lastOwn(): a message or undefined.
  constructor(name, actions) {
    this.actions = actions;
    this.editing = null;
    this.input = h("textarea", { rows: "1", maxlength: String(TEXT_MAX), "aria-label": `Message as ${name}`, placeholder: `Message as ${name}`,
      oninput: () => this.onInput(), onkeydown: (event) => this.onKey(event), onblur: () => this.setTyping(false) });
    this.label = h("p", { class: "editing", hidden: true }, h("span", {}, "Editing your message"),
      h("button", { class: "link", type: "button", onclick: () => this.cancel() }, "Cancel"));
    this.form = h("form", { class: "composer", onsubmit: (event) => this.onSubmit(event) },
      this.label,
      h("div", { class: "line" }, this.input, h("button", { class: "send", type: "submit", "aria-label": "Send" }, icon("send"))));
  }

  edit(message) {
    this.editing = message;
    this.label.hidden = false;
    this.input.value = message.content;
    this.grow();
    this.input.focus();
  }

  cancel() {
    this.editing = null;
    this.label.hidden = true;
    this.input.value = "";
    this.grow();
    this.setTyping(false);
    this.input.focus();
  }

  onKey(event) {
    if (event.isComposing) {
      return;
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.form.requestSubmit();
    } else if (event.key === "Escape" && this.editing) {
      this.cancel();
    } else if (event.key === "ArrowUp" && this.input.value === "" && this.actions.lastOwn()) {
      event.preventDefault();
      this.edit(this.actions.lastOwn());
    }
  }

  onInput() {
    this.grow();
    this.setTyping(this.input.value.trim() !== "");
  }

  async onSubmit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    const editing = this.editing;
    if (!text) {
      return;
    }
    this.cancel();
    const done = editing ? this.actions.edit(editing, text) : this.actions.post(text);
    if (!(await done) && this.input.value === "") { // it failed: the text comes back
      this.input.value = text;
      this.grow();
    }
  }

  // With every key: the client tells the others no oftener than the server passes it on.
  setTyping(isTyping) {
    if (isTyping || this.isTyping) {
      this.actions.typing(isTyping);
    }
    this.isTyping = isTyping;
  }

  grow() {
    this.input.rows = Math.min(4, this.input.value.split("\n").length);
  }
}
