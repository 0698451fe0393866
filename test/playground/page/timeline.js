// The timeline draws a dot for each event as it arrives, a row for each user, and
// a line for each thing that happens to a node, so that silence can be seen.
const shown = 60_000;  // milliseconds
const rowHeight = 30, labelHeight = 16, labelRows = 3, topHeight = labelHeight * labelRows + 6, labelWidth = 52;

export class Timeline {
  #canvas; #rows; #dots = []; #marks = [];

  // names are those of the users, a row each.
  constructor(canvas, names) {
    this.#canvas = canvas;
    this.#rows = names;
    canvas.style.height = `${topHeight + rowHeight * names.length}px`;
    setInterval(() => { if (!document.hidden) this.#draw(); }, 200);
  }

  dot(row, { at, via, fresh }) { this.#dots.push({ row, at, via, fresh }); }
  mark(text) { this.#marks.push({ at: performance.now(), text }); }

  #draw() {
    const now = performance.now();
    const recent = (list) => list.filter((e) => now - e.at < shown);
    this.#dots = recent(this.#dots);
    this.#marks = recent(this.#marks);

    const canvas = this.#canvas, { clientWidth: width, clientHeight: height } = canvas;
    const scale = devicePixelRatio;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`);
    const x = (at) => width - 6 - (now - at) / shown * (width - labelWidth - 6);
    const y = (row) => topHeight + rowHeight * (row + .5);
    pen.font = `13px ${style.fontFamily}`;
    pen.textBaseline = "middle";

    this.#rows.forEach((name, row) => {
      pen.fillStyle = style.color;
      pen.fillText(name, 2, y(row));
      pen.fillStyle = colour("rule");
      pen.fillRect(labelWidth, y(row), width - labelWidth, 1);
    });
    // What happens at about the same time has its words one below the other.
    const ends = Array(labelRows).fill(-Infinity);
    for (const { at, text } of this.#marks) {
      pen.fillStyle = colour("mark");
      pen.fillRect(x(at), topHeight, 1, height - topHeight);
      const room = pen.measureText(text).width;
      const left = Math.max(labelWidth, Math.min(x(at), width - room));
      const row = Math.max(0, ends.findIndex((end) => end < left));
      ends[row] = left + room + 8;
      pen.fillText(text, left, labelHeight * (row + .5));
    }
    const nudge = { kafka: -6, http: 0, nats: 6 };
    for (const { row, at, via, fresh } of this.#dots) {
      pen.fillStyle = colour(fresh ? via : "mark");
      pen.beginPath();
      pen.arc(x(at), y(row) + nudge[via], fresh ? 2.6 : 5, 0, 2 * Math.PI);
      pen.fill();
    }
  }
}
