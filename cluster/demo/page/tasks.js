// The task board of one pane.
import { avatar, h } from "./dom.js";

const STATUSES = { todo: "To do", doing: "Doing", done: "Done" };

export class Tasks {
  // change(taskId, fields): told when the user changes one.
  constructor(users, change) {
    this.users = users;
    this.change = change;
    this.cards = new Map();
    this.list = h("ul", { class: "tasks", "aria-label": "Tasks" });
  }

  show(task) {
    const card = this.cards.get(task.task_id) ?? this.add(task);
    if (card.version >= task.version) {
      return;
    }
    const isNews = card.version > 0;
    card.version = task.version;
    card.status.value = task.status;
    card.assignee.value = task.assignee_id ?? "";
    card.element.dataset.status = task.status;
    card.face.replaceChildren(task.assignee_id ? avatar(task.assignee_id, this.users[task.assignee_id] ?? "?") : h("span", { class: "avatar nobody", "aria-hidden": "true" }));
    if (isNews) {
      card.element.classList.remove("changed");
      void card.element.offsetWidth; // so that the animation begins anew
      card.element.classList.add("changed");
    }
  }

  add(task) {
    const id = task.task_id;
    const status = this.select(`Status of ${task.title}`, STATUSES, (value) => this.change(id, { status: value }));
    const assignee = this.select(`Assignee of ${task.title}`, { "": "Nobody", ...this.users }, (value) => this.change(id, { assignee: value }));
    status.className = "status";
    assignee.className = "assignee";
    const face = h("span", { class: "face" });
    const element = h("li", { class: "task", "data-task": id },
      h("p", { class: "title" }, task.title),
      h("div", { class: "fields" }, status, h("span", { class: "who" }, assignee, face)));
    const card = { element, status, assignee, face, version: 0 };
    this.cards.set(id, card);
    this.list.append(element);
    return card;
  }

  select(label, options, chosen) {
    const choices = Object.entries(options).map(([value, text]) => h("option", { value }, text));
    return h("select", { "aria-label": label, onchange: (event) => chosen(event.target.value) }, ...choices);
  }
}
