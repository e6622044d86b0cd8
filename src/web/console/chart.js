// Two lines over the last minutes, as SVG: two minutes at first, more as they pass. Gaps (null) stay gaps.
const SECONDS_MIN = 120, WIDTH = 600, HEIGHT = 150, NS = "http://www.w3.org/2000/svg";

// 1, 2 or 5 times a power of ten, at least `value`.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= value);
}

function path(points, most, room) {
  let text = "", isDown = false;
  points.forEach((value, at) => {
    if (value === null) {
      isDown = false;
      return;
    }
    const x = WIDTH - (points.length - 1 - at) * (WIDTH / (room - 1)), y = HEIGHT - 4 - (value / most) * (HEIGHT - 12);
    text += `${isDown ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDown = true;
  });
  return text;
}

function shape(name, attributes) {
  const made = document.createElementNS(NS, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

export class Chart {
  // names: of the two lines. show(value): as text. room: how many points there are at most, one in so many seconds.
  constructor(title, names, show, room, seconds) {
    Object.assign(this, { title, names, show, room, seconds, lines: [[], []] });
    this.figure = document.createElement("figure");
    const caption = document.createElement("figcaption"), bold = document.createElement("b");
    bold.textContent = title;
    caption.append(bold);
    this.labels = names.map((name, at) => {
      const label = document.createElement("span");
      label.className = at ? "other" : "first";
      label.textContent = name;
      caption.append(label);
      return label;
    });
    this.svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.paths = ["a", "b"].map((name) => shape("path", { class: name }));
    for (const y of [8, (HEIGHT + 4) / 2, HEIGHT - 4]) this.svg.append(shape("line", { x1: 0, x2: WIDTH, y1: y, y2: y }));
    this.svg.append(...this.paths);
    const axis = document.createElement("div");
    axis.className = "axis";
    this.scale = document.createElement("span");
    const now = document.createElement("span");
    now.textContent = "now";
    axis.append(this.scale, now);
    this.figure.append(caption, this.svg, axis);
  }

  add(values) {
    this.lines.forEach((line, at) => {
      line.push(values[at]);
      if (line.length > this.room) line.shift();
    });
    const points = Math.max(this.lines[0].length, SECONDS_MIN / this.seconds), minutes = Math.ceil((points * this.seconds) / 60);
    const all = this.lines.flat().filter((value) => value !== null), most = roundUp(Math.max(1, ...all));
    this.paths.forEach((line, at) => line.setAttribute("d", path(this.lines[at], most, points)));
    const told = this.names.map((name, at) => `${name} ${values[at] === null ? "–" : this.show(values[at])}`);
    this.labels.forEach((label, at) => (label.textContent = told[at]));
    this.scale.textContent = `${minutes} min, scale 0 to ${this.show(most)}`;
    this.svg.setAttribute("aria-label", `${this.title}: ${told.join(", ")} now; highest in ${minutes} minutes ${all.length ? this.show(Math.max(...all)) : "–"}`);
  }
}
