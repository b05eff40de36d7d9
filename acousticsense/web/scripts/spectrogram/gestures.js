// Pointer, wheel and keyboard.
const CLICK_PIXELS = 4;

// One pointer moves what is visible, two zoom it.
const dragOrPinch = (plot, pointers, id, now) => {
  const before = pointers.get(id);
  if (before && pointers.size === 2) {
    const other = [...pointers].find(([key]) => key !== id)[1];
    const spread = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1e-3;
    plot.zoomTo((plot.zoom * spread(now)) / spread(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  } else if (before && plot.zoom > 1) {
    plot.moveTo(plot.left - (now[0] - before[0]) / plot.zoom, plot.top - (now[1] - before[1]) / plot.zoom);
  }
};

const onKey = (plot, event) => {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const step = steps[event.key];
  const zooms = { "+": 2, "=": 2, "-": 0.5, 0: 0 };
  if (step) {
    const from = plot.cell || plot.cellAt(0.5, 0.5);
    const many = event.shiftKey ? 10 : 1;
    const column = clamp(from.column + step[0] * many, 0, plot.columns - 1);
    const row = clamp(from.row + step[1] * many, 0, plot.hz.length - 1);
    plot.keepVisible({ column, row });
    plot.point({ column, row }, true);
  } else if (event.key in zooms && !event.ctrlKey && !event.metaKey) {
    const cell = plot.cell || plot.cellAt(0.5, 0.5);
    const x = plot.visibleX((cell.column + 0.5) / plot.columns);
    const y = plot.visibleY((plot.hz.length - 0.5 - cell.row) / plot.hz.length);
    plot.zoomTo(plot.zoom * zooms[event.key], x, y);
  } else if (event.key === "Enter" && plot.cell) {
    seek(plot, plot.cell);
  } else if (event.key === "Escape" && plot.cell && !document.fullscreenElement) {
    plot.point(null);
  } else {
    return;
  }
  event.preventDefault();
};

const listen = (plot) => {
  const { view } = plot;
  const { signal } = plot.closing;
  const pointers = new Map(); // id -> place
  let pressed = null; // where a click began
  const figure = view.closest("figure");
  const at = (event) => {
    const place = plot.place;
    return [(event.clientX - place.left) / place.width, (event.clientY - place.top) / place.height];
  };
  view.addEventListener("wheel", (event) => {
    // Without a key the wheel scrolls the page, unless somebody is at work here.
    if (!event.ctrlKey && !event.metaKey && !document.fullscreenElement && plot.zoom === 1) return;
    event.preventDefault();
    plot.zoomTo(plot.zoom * 2 ** (-clamp(event.deltaY, -100, 100) / 200), ...at(event));
  }, { passive: false, signal });
  view.addEventListener("pointerdown", (event) => {
    view.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    pressed = pointers.size === 1 ? [event.clientX, event.clientY] : null;
  }, { signal });
  view.addEventListener("pointermove", (event) => {
    if (pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > CLICK_PIXELS) pressed = null;
    if (!pressed) dragOrPinch(plot, pointers, event.pointerId, at(event));
    if (pointers.has(event.pointerId)) pointers.set(event.pointerId, at(event));
    plot.point(plot.cellAt(...at(event)));
  }, { signal });
  for (const kind of ["pointerup", "pointercancel"]) {
    view.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      const isClick = kind === "pointerup" && pressed && event.button === 0;
      if (isClick) {
        const cell = plot.cellAt(...at(event));
        plot.point(cell);
        seek(plot, cell);
      }
      pressed = null;
    }, { signal });
  }
  view.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") plot.point(null);
  }, { signal });
  view.addEventListener("keydown", (event) => onKey(plot, event), { signal });
  for (const button of figure.querySelectorAll("[data-as-zoom]")) {
    button.addEventListener("click", () => {
      const factor = { in: 2, out: 0.5, reset: 0 }[button.dataset.asZoom];
      plot.zoomTo(plot.zoom * factor);
    }, { signal });
  }
};
