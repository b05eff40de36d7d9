// One spectrogram: which part of it is visible, and which cell is pointed at. `templates/plot.html` writes what is read here.
const MAX_ZOOM = 16;

class Plot {
  // `former` showed the same excerpt in another way: its zoom is kept.
  constructor(view, former) {
    const data = view.dataset;
    this.view = view;
    this.layer = view.querySelector(".as-layer");
    this.readout = view.querySelector(".as-readout");
    this.cross = view.querySelector(".as-cross");
    this.playhead = view.querySelector(".as-playhead");
    this.song = view.closest("figure").dataset.name;
    this.startS = Number(data.startS);
    this.columnS = Number(data.columnS);
    this.columns = Number(data.columns);
    this.hz = data.hz.split(" ").map(Number);
    this.notes = data.notes ? data.notes.split(" ") : [];
    this.zoom = former ? former.zoom : 1;
    this.left = former ? former.left : 0;
    this.top = former ? former.top : 0;
    this.closing = new AbortController();
    this.cell = null;
    readLevels(view.querySelector("img")).then((levels) => {
      this.levels = levels;
      if (this.cell) this.point(this.cell); // a pointer at rest is told the level, too
    }, () => {});
    listen(this);
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(view);
    this.draw();
  }

  get seconds() { return this.columns * this.columnS; }
  get place() { return this.view.getBoundingClientRect(); }
  timeAt(share) { return this.startS + share * this.seconds; }
  shareOfTime(seconds) { return (seconds - this.startS) / this.seconds; }

  // Height of a frequency above the lower edge, in rows; rows are as far apart as their centres are in the list.
  rowOfHz(hz) {
    const above = this.hz.findIndex((centre) => centre >= hz);
    if (above <= 0) return above === 0 && this.hz[0] === hz ? 0.5 : null;
    const below = this.hz[above - 1];
    return above - 1 + (hz - below) / (this.hz[above] - below) + 0.5;
  }

  // Where a share of the whole image lies in the visible part.
  visibleX(share) { return (share - this.left) * this.zoom; }
  visibleY(share) { return (share - this.top) * this.zoom; }

  cellAt(x, y) {
    const column = clamp(Math.floor((this.left + x / this.zoom) * this.columns), 0, this.columns - 1);
    const line = clamp(Math.floor((this.top + y / this.zoom) * this.hz.length), 0, this.hz.length - 1);
    return { column, row: this.hz.length - 1 - line };
  }

  point(cell, spoken) {
    this.cell = cell;
    this.readout.hidden = this.cross.hidden = !cell;
    if (!cell) return;
    this.readout.setAttribute("aria-live", spoken ? "polite" : "off");
    this.readout.textContent = reading(this, cell);
    const x = clamp(this.visibleX((cell.column + 0.5) / this.columns), 0, 1);
    const y = clamp(this.visibleY((this.hz.length - 0.5 - cell.row) / this.hz.length), 0, 1);
    for (const element of [this.readout, this.cross]) {
      element.style.setProperty("--x", `${100 * x}%`);
      element.style.setProperty("--y", `${100 * y}%`);
    }
    this.readout.dataset.side = `${x > 0.5 ? "left" : "right"} ${y > 0.3 ? "above" : "below"}`;
  }

  // Zooms so that what lies at (x, y) of the visible part stays there.
  zoomTo(zoom, x = 0.5, y = 0.5) {
    const fixed = [this.left + x / this.zoom, this.top + y / this.zoom];
    this.zoom = clamp(zoom, 1, MAX_ZOOM);
    this.moveTo(fixed[0] - x / this.zoom, fixed[1] - y / this.zoom);
  }

  moveTo(left, top) {
    this.left = clamp(left, 0, 1 - 1 / this.zoom);
    this.top = clamp(top, 0, 1 - 1 / this.zoom);
    this.draw();
    this.point(this.cell);
  }

  draw() {
    const { style } = this.layer;
    style.width = style.height = `${100 * this.zoom}%`;
    style.left = `${-100 * this.left * this.zoom}%`;
    style.top = `${-100 * this.top * this.zoom}%`;
    this.view.classList.toggle("as-zoomed", this.zoom > 1);
    this.view.dataset.zoom = this.zoom.toFixed(2);
    const plot = this.view.closest(".as-plot");
    plot.querySelector(".as-x").dataset.drawn = "";
    plot.querySelector(".as-x").replaceChildren(...timeTicks(this));
    plot.querySelector(".as-y").replaceChildren(...frequencyTicks(this));
  }

  keepVisible({ column, row }) {
    const size = 1 / this.zoom;
    const x = (column + 0.5) / this.columns;
    const y = (this.hz.length - 0.5 - row) / this.hz.length;
    this.moveTo(clamp(this.left, x - size, x), clamp(this.top, y - size, y));
  }

  close() {
    this.closing.abort();
    this.resizing.disconnect();
  }
}
