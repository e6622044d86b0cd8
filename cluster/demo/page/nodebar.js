// The nodes in the page's head: which of them serve, who is on which, and the button that kills one.
import { ask } from "./api.js";
import { avatar, h, icon } from "./dom.js";

const POLL_MS = 700;
const STORM = { lines: 24, per_second: 8 };

export class NodeBar {
  // wrong(text): told what failed.
  constructor(element, nodes, users, wrong) {
    this.users = users;
    this.wrong = wrong;
    this.places = {}; // user -> name of the node, or undefined
    this.chips = new Map(nodes.map(({ name }) => [name, this.chip(name)]));
    element.append(...[...this.chips.values()].map((chip) => chip.element));
  }

  chip(name) {
    const state = h("span", { class: "state" }, "serving");
    const faces = h("span", { class: "faces" });
    const button = h("button", { class: "button kill", type: "button", "aria-label": `Kill ${name}`, title: `kill -9 of the process ${name}; it is started again after some seconds`,
      onclick: () => this.kill(name) }, icon("bolt"), "Kill");
    const element = h("div", { class: "node", "data-node": name, "data-state": "up" },
      h("span", { class: "dot" }), h("span", { class: "words" }, h("strong", {}, name), state), faces, button);
    return { element, state, faces, button };
  }

  place(user, node) {
    this.places[user] = node;
    for (const [name, chip] of this.chips) {
      const here = Object.keys(this.users).filter((one) => this.places[one] === name);
      chip.faces.replaceChildren(...here.map((one) => avatar(one, this.users[one])));
    }
  }

  async kill(name) {
    this.setAll(true);
    try {
      await ask("POST", "/storm", STORM);
      await ask("POST", "/kill", { node: name });
      this.set(name, "down", "killed, back soon");
    } catch (error) {
      this.wrong(error.message);
    }
    this.watch();
  }

  // Until all are up.
  async watch() {
    clearTimeout(this.timer);
    try {
      const { nodes } = await ask("GET", "/nodes");
      for (const { name, ready } of nodes) {
        this.set(name, ready ? "up" : "down", ready ? "serving" : "killed, back soon");
      }
      this.setAll(nodes.some((node) => !node.ready));
      if (nodes.every((node) => node.ready)) {
        return;
      }
    } catch {
      this.chips.forEach((_, name) => this.set(name, "down", "not known")); // until it can be asked again
      this.setAll(true);
    }
    this.timer = setTimeout(() => this.watch(), POLL_MS);
  }

  set(name, state, words) {
    const chip = this.chips.get(name);
    chip.element.dataset.state = state;
    chip.state.textContent = words;
  }

  setAll(disabled) {
    for (const chip of this.chips.values()) {
      chip.button.disabled = disabled;
    }
  }
}
