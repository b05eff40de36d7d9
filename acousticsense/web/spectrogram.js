// Reading a spectrogram: axes, values under the pointer, zoom, and the playhead. `plot_html.py` writes what is read here.
(() => {
  "use strict";
  const MAX_ZOOM = 16;
  const TIME_STEPS_S = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
  const PIXELS_PER_TIME_TICK = 64;
  const PIXELS_PER_HZ_TICK = 18;
  const CLICK_PIXELS = 4;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  // Octaves first; further ones fill the room that zooming makes.
  const hzTicks = (() => {
    const octaves = [64, 128, 256, 512, 1024, 2048, 4096, 8192];
    const between = [500, 100, 50, 10, 2].flatMap((step) => Array.from({ length: 40 }, (_, index) => step * (index + 1)));
    return [...octaves, 32, 6000, 10000, 3000, 5000, 7000, ...between];
  })();

  // The image is a PNG with a palette whose rows are not filtered: unpacked, its bytes are the levels.
  const readLevels = async (image) => {
    const bytes = Uint8Array.from(atob(image.src.split(",")[1]), (letter) => letter.charCodeAt(0));
    const header = new DataView(bytes.buffer);
    const packed = [];
    for (let at = 8; at < bytes.length; at += header.getUint32(at) + 12) {
      const isData = String.fromCharCode(...bytes.subarray(at + 4, at + 8)) === "IDAT";
      if (isData) packed.push(bytes.subarray(at + 8, at + 8 + header.getUint32(at)));
    }
    const rows = new Blob(packed).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(rows).arrayBuffer());
  };

  const clock = (seconds, decimals) => {
    if (seconds < 60) return seconds.toFixed(decimals);
    const whole = Math.floor(seconds / 60);
    const rest = (seconds - 60 * whole).toFixed(decimals);
    return `${whole}:${rest.padStart(decimals ? decimals + 3 : 2, "0")}`;
  };

  // Gradio's player draws the waveform inside a shadow root; a long track plays in an ordinary audio element.
  const findPlayer = (selector, trackSeconds) => {
    const box = document.querySelector(selector);
    if (!box) return null;
    const audio = box.querySelector("audio");
    if (audio && audio.currentSrc) {
      return { seconds: audio.currentTime, seek: (seconds) => { audio.currentTime = seconds; } };
    }
    const host = [...box.querySelectorAll("[id=waveform] > div")].find((element) => element.shadowRoot);
    const cursor = host && host.shadowRoot.querySelector("[part~=cursor]");
    if (!cursor || !trackSeconds) return null;
    return {
      seconds: (parseFloat(cursor.style.left || "0") / 100) * trackSeconds,
      seek: (seconds) => {
        const wrapper = host.shadowRoot.querySelector("[part~=wrapper]");
        const place = wrapper.getBoundingClientRect();
        const clientX = place.left + (place.width * seconds) / trackSeconds;
        wrapper.dispatchEvent(new MouseEvent("click", { clientX, clientY: place.top + 1, bubbles: true }));
      },
    };
  };

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
      this.pointers = new Map();
      readLevels(view.querySelector("img")).then((levels) => {
        this.levels = levels;
        if (this.cell) this.point(this.cell); // a pointer at rest is told the level, too
      }, () => {});
      this.listen();
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

    words({ column, row }) {
      const time = this.timeAt((column + 0.5) / this.columns);
      const shownTime = `${clock(time, 2)}${time < 60 ? " s" : ""}`;
      const note = this.notes[row];
      const hz = `${this.hz[row].toFixed(this.hz[row] < 100 ? 1 : 0)} Hz`;
      const pitch = this.view.dataset.kind === "chroma" ? note : note ? `${hz} (${note})` : hz;
      return [shownTime, pitch, this.decibels(column, row)].filter(Boolean).join(" · ");
    }

    decibels(column, row) {
      if (!this.levels) return "";
      const range = Number(this.view.dataset.rangeDb);
      const level = this.levels[(this.hz.length - 1 - row) * (this.columns + 1) + 1 + column];
      if (level === 0) return `≤ −${range} dB`;
      return `${((range * level) / 255 - range).toFixed(1).replace("-", "−")} dB`;
    }

    point(cell, spoken) {
      this.cell = cell;
      this.readout.hidden = this.cross.hidden = !cell;
      if (!cell) return;
      this.readout.setAttribute("aria-live", spoken ? "polite" : "off");
      this.readout.textContent = this.words(cell);
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
      plot.querySelector(".as-x").replaceChildren(...this.timeTicks());
      plot.querySelector(".as-y").replaceChildren(...this.frequencyTicks());
    }

    timeTicks() {
      const [start, seconds] = [this.timeAt(this.left), this.seconds / this.zoom];
      const most = clamp(Math.floor(this.place.width / PIXELS_PER_TIME_TICK), 2, 11);
      const step = TIME_STEPS_S.find((candidate) => seconds / candidate <= most) || 7200;
      const decimals = step < 1 ? (step < 0.1 ? 2 : 1) : 0;
      const ticks = [];
      // The last frame of ten seconds ends a little before them: half a per cent more is let in.
      for (let index = Math.ceil((start + 1e-9) / step); index * step <= start + 1.005 * seconds; index += 1) {
        const share = clamp((index * step - start) / seconds, 0, 1);
        ticks.push(this.tick(clock(index * step, decimals), "left", share));
      }
      return ticks;
    }

    frequencyTicks() {
      const rows = this.hz.length;
      if (this.view.dataset.kind === "chroma") {
        return this.notes.map((note, row) => [note, 1 - this.visibleY(1 - (row + 0.5) / rows)])
          .filter(([, share]) => share >= 0 && share <= 1)
          .map(([note, share]) => this.tick(note, "bottom", share));
      }
      const room = PIXELS_PER_HZ_TICK / Math.max(this.place.height, 100);
      const taken = new Map();
      for (const hz of hzTicks) {
        const row = this.rowOfHz(hz);
        const share = row === null ? -1 : 1 - this.visibleY(1 - row / rows);
        const isFree = [...taken.values()].every((other) => Math.abs(other - share) >= room);
        if (share >= 0 && share <= 1 && isFree) taken.set(hz, share);
        if (hz === 8192 && taken.size >= 4) break;
      }
      return [...taken].map(([hz, share]) => this.tick(String(hz), "bottom", share));
    }

    tick(words, side, share) {
      const tick = document.createElement("span");
      tick.textContent = words;
      tick.style[side] = `${(100 * share).toFixed(2)}%`;
      return tick;
    }

    listen() {
      const { view } = this;
      const { signal } = this.closing;
      const figure = view.closest("figure");
      const at = (event) => {
        const place = this.place;
        return [(event.clientX - place.left) / place.width, (event.clientY - place.top) / place.height];
      };
      view.addEventListener("wheel", (event) => {
        // Without a key the wheel scrolls the page, unless somebody is at work here.
        if (!event.ctrlKey && !event.metaKey && !document.fullscreenElement && this.zoom === 1) return;
        event.preventDefault();
        this.zoomTo(this.zoom * 2 ** (-clamp(event.deltaY, -100, 100) / 200), ...at(event));
      }, { passive: false, signal });
      view.addEventListener("pointerdown", (event) => {
        view.setPointerCapture(event.pointerId);
        this.pointers.set(event.pointerId, at(event));
        this.pressed = this.pointers.size === 1 ? [event.clientX, event.clientY] : null;
      }, { signal });
      view.addEventListener("pointermove", (event) => this.onMove(event, at(event)), { signal });
      for (const kind of ["pointerup", "pointercancel"]) {
        view.addEventListener(kind, (event) => {
          this.pointers.delete(event.pointerId);
          const isClick = kind === "pointerup" && this.pressed && event.button === 0;
          if (isClick) this.onClick(...at(event));
          this.pressed = null;
        }, { signal });
      }
      view.addEventListener("pointerleave", (event) => {
        if (event.pointerType === "mouse") this.point(null);
      }, { signal });
      view.addEventListener("keydown", (event) => this.onKey(event), { signal });
      for (const button of figure.querySelectorAll("[data-as-zoom]")) {
        button.addEventListener("click", () => {
          const factor = { in: 2, out: 0.5, reset: 0 }[button.dataset.asZoom];
          this.zoomTo(this.zoom * factor);
        }, { signal });
      }
      this.resizing = new ResizeObserver(() => this.draw());
      this.resizing.observe(view);
    }

    onMove(event, now) {
      const before = this.pointers.get(event.pointerId);
      if (this.pressed && Math.hypot(event.clientX - this.pressed[0], event.clientY - this.pressed[1]) > CLICK_PIXELS) {
        this.pressed = null;
      }
      if (before && this.pointers.size === 2) {
        const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
        const spread = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1e-3;
        this.zoomTo((this.zoom * spread(now)) / spread(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      } else if (before && this.zoom > 1 && !this.pressed) {
        this.moveTo(this.left - (now[0] - before[0]) / this.zoom, this.top - (now[1] - before[1]) / this.zoom);
      }
      if (before) this.pointers.set(event.pointerId, now);
      this.point(this.cellAt(...now));
    }

    onClick(x, y) {
      const cell = this.cellAt(x, y);
      this.point(cell);
      this.seek(cell);
    }

    seek(cell) {
      const player = findPlayer(this.view.dataset.player, Number(this.view.dataset.trackS));
      const seconds = this.timeAt((cell.column + 0.5) / this.columns);
      if (player && seconds <= Number(this.view.dataset.endS)) player.seek(seconds);
    }

    onKey(event) {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const step = steps[event.key];
      const zooms = { "+": 2, "=": 2, "-": 0.5, 0: 0 };
      if (step) {
        const from = this.cell || this.cellAt(0.5, 0.5);
        const many = event.shiftKey ? 10 : 1;
        const column = clamp(from.column + step[0] * many, 0, this.columns - 1);
        const row = clamp(from.row + step[1] * many, 0, this.hz.length - 1);
        this.keepVisible({ column, row });
        this.point({ column, row }, true);
      } else if (event.key in zooms && !event.ctrlKey && !event.metaKey) {
        const cell = this.cell || this.cellAt(0.5, 0.5);
        const x = this.visibleX((cell.column + 0.5) / this.columns);
        const y = this.visibleY((this.hz.length - 0.5 - cell.row) / this.hz.length);
        this.zoomTo(this.zoom * zooms[event.key], x, y);
      } else if (event.key === "Enter" && this.cell) {
        this.seek(this.cell);
      } else if (event.key === "Escape" && this.cell && !document.fullscreenElement) {
        this.point(null);
      } else {
        return;
      }
      event.preventDefault();
    }

    keepVisible({ column, row }) {
      const size = 1 / this.zoom;
      const x = (column + 0.5) / this.columns;
      const y = (this.hz.length - 0.5 - row) / this.hz.length;
      this.moveTo(clamp(this.left, x - size, x), clamp(this.top, y - size, y));
    }

    follow() {
      const player = findPlayer(this.view.dataset.player, Number(this.view.dataset.trackS));
      const seconds = player ? player.seconds : 0;
      const x = this.visibleX(this.shareOfTime(seconds));
      const isShown = seconds > 0 && seconds <= Number(this.view.dataset.endS) && x >= 0 && x <= 1;
      this.playhead.hidden = !isShown;
      if (isShown) this.playhead.style.left = `${(100 * x).toFixed(3)}%`;
    }

    close() {
      this.closing.abort();
      this.resizing.disconnect();
    }
  }

  const plots = new Map();
  const departed = new Map(); // the last plot that went from beside each player
  const isSameExcerpt = (plot, view) => plot.song === view.closest("figure").dataset.name
    && plot.startS === Number(view.dataset.startS) && plot.columns === Number(view.dataset.columns);

  // With each answer Gradio replaces the card or changes it in place; either way the axes come empty from the server.
  const update = () => {
    for (const [view, plot] of plots) {
      if (view.isConnected) continue;
      plot.close();
      plots.delete(view);
      departed.set(view.dataset.player, plot);
    }
    for (const view of document.querySelectorAll(".as-view")) {
      const former = plots.get(view) || departed.get(view.dataset.player);
      const isNew = view.closest(".as-plot").querySelector(".as-x").dataset.drawn === undefined;
      if (plots.has(view) && !isNew) continue;
      if (former) former.close();
      plots.set(view, new Plot(view, former && isSameExcerpt(former, view) ? former : null));
    }
  };
  const follow = () => {
    for (const plot of plots.values()) plot.follow();
    requestAnimationFrame(follow);
  };
  new MutationObserver(update).observe(document.documentElement, { childList: true, subtree: true });
  requestAnimationFrame(follow);
})();
