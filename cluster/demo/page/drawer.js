// What developers want to see: every frame of both connections, and the count of what came.
import { AtEnd } from "./atend.js";
import { count, h } from "./dom.js";

const FRAMES_MAX = 200;

export class Drawer {
  constructor(element, button) {
    this.element = element;
    this.button = button;
    button.addEventListener("click", () => {
      this.toggle(element.hidden);
      element.scrollIntoView({ block: "nearest" }); // on a narrow screen it lies below the panes
    });
    this.toggle(localStorage.getItem("drawer") === "open");
  }

  toggle(isOpen) {
    this.element.hidden = !isOpen;
    document.body.classList.toggle("with-drawer", isOpen);
    this.button.setAttribute("aria-expanded", String(isOpen));
    localStorage.setItem("drawer", isOpen ? "open" : "closed");
  }

  // A column of it. forget(): called when the user wants the position lost.
  column(name, forget) {
    const sums = h("p", { class: "sums" });
    const frames = h("ol", { class: "frames", tabindex: "0", "aria-label": `Frames of ${name}` });
    const end = new AtEnd(frames);
    this.element.append(h("div", { class: "column" },
      h("div", { class: "column-head" }, h("h2", {}, name), sums,
        h("button", { class: "link", type: "button", title: "Connect again from a position that the node does not know: recovered is false, and the history is loaded anew", onclick: forget }, "Lose the position")),
      frames));
    return {
      sum: (judge) => {
        sums.textContent = `epoch ${judge.epoch || "–"} · seq ${judge.seq} · ${count(judge.received, "event")} · ${judge.lost} lost · ${judge.twice} twice`;
        sums.classList.toggle("bad", judge.lost + judge.twice > 0);
      },
      frame: (direction, text) => this.frame(end, direction, text),
    };
  }

  frame(end, direction, text) {
    const shown = text.replace(/"token":"[^"]*"/g, '"token":"…"');
    const { chat_id, seq } = JSON.parse(text);
    end.list.append(h("li", { class: direction },
      h("span", { class: "way", "aria-label": direction === "in" ? "received" : "sent" }, direction === "in" ? "↓" : "↑"),
      h("span", { class: "number" }, chat_id && seq ? `#${seq}` : ""),
      h("code", {}, shown)));
    if (end.list.children.length > FRAMES_MAX) {
      end.list.firstElementChild.remove();
    }
    end.grown();
  }
}
