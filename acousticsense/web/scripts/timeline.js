// The timeline: what is under the pointer, hearing from a place, zoom, and the playhead. `timeline_view.py` writes what
// is read.
(() => {
  "use strict";
  const DRAG_PIXELS = 5; // less is a click
  const MOST_TICKS = 9;
  let drag = null; // where a pointer went down: { river, x, seconds, moved }
  const rivers = () => document.querySelectorAll("[data-as-river]");
  const player = () => document.querySelector(".as-timeline-audio audio");
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const clock = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    const pad = (number) => String(number).padStart(2, "0");
    const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
  };
  const track = (river) => [Number(river.dataset.start), Number(river.dataset.end)];
  const view = (river) => river.asView || track(river); // the part that is shown
  const secondsAt = (river, clientX) => {
    const [start, end] = view(river);
    const box = river.getBoundingClientRect();
    return start + (end - start) * clamp((clientX - box.left) / box.width, 0, 1);
  };
  const place = (river, line, seconds) => {
    const [start, end] = view(river);
    line.style.left = `${(100 * (seconds - start)) / (end - start)}%`;
    line.hidden = seconds < start || seconds > end;
  };
  const reading = (river, seconds) => {
    river.asColumns ??= JSON.parse(river.dataset.columns);
    const column = river.asColumns.find(([end]) => seconds < end) || river.asColumns.at(-1);
    return `${clock(seconds)}  ${column[1]}`;
  };

  // Zoom: the drawing by its view box, segments by two numbers in their style sheet, and ticks drawn anew.
  const show = (river, from, to) => {
    const [start, end] = track(river);
    const length = clamp(to - from, Math.min(end - start, Math.max(1, Number(river.dataset.step))), end - start);
    const first = clamp(from, start, end - length);
    const zoom = (end - start) / length;
    const left = (100 * (first - start)) / (end - start);
    river.asView = zoom > 1 ? [first, first + length] : null;
    const figure = river.closest("figure");
    figure.style.setProperty("--from", left);
    figure.style.setProperty("--zoom", zoom);
    river.querySelector("svg").setAttribute("viewBox", `${left} 0 ${100 / zoom} 100`);
    figure.querySelector("[data-as-zoom-out]").hidden = zoom === 1;
    figure.querySelector(".as-river-x").replaceChildren(...ticks(river));
    if (river.asHeard !== undefined) place(river, river.querySelector(".as-river-head"), river.asHeard);
    hide(river); // the pointer stands over another second now
  };
  const ticks = (river) => {
    const [start, end] = view(river);
    const steps = river.dataset.tickSteps.split(" ").map(Number);
    const step = steps.find((each) => (end - start) / each <= MOST_TICKS) || steps.at(-1);
    const made = [];
    for (let second = Math.ceil(start / step) * step; second <= end; second += step) {
      const tick = document.createElement("span");
      const left = (100 * (second - start)) / (end - start);
      tick.textContent = clock(second);
      tick.style.left = `${left}%`;
      tick.dataset.edge = left < 3 ? "start" : left > 97 ? "end" : "";
      made.push(tick);
    }
    return made;
  };
  const showAround = (river, seconds, length) => show(river, seconds - length / 2, seconds + length / 2);

  const hear = (seconds) => {
    const audio = player();
    if (!audio) return;
    audio.currentTime = seconds;
    audio.play().catch(() => {}); // a browser may want a click on the player first
    follow(seconds, true);
  };
  const follow = (seconds, isAsked = false) => {
    for (const river of rivers()) {
      const [start, end] = view(river);
      const isIn = (moment) => moment >= start && moment <= end;
      // The part that is shown goes along, unless somebody looks at another one.
      if (!isIn(seconds) && (isAsked || isIn(river.asHeard))) showAround(river, seconds + (end - start) / 3, end - start);
      river.asHeard = seconds;
      place(river, river.querySelector(".as-river-head"), seconds);
      river.setAttribute("aria-valuenow", String(Math.round(seconds)));
      river.setAttribute("aria-valuetext", reading(river, seconds));
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-as-seek]");
    if (button) hear(Number(button.dataset.asSeek));
    const river = event.target.closest("[data-as-river]");
    if (river && !drag?.moved) hear(secondsAt(river, event.clientX));
    drag = null;
    const out = event.target.closest("[data-as-zoom-out]");
    if (out) {
      const zoomed = out.closest("figure").querySelector("[data-as-river]");
      show(zoomed, ...track(zoomed));
      zoomed.focus(); // the button is gone
    }
    const all = event.target.closest("[data-as-all]");
    if (all) {
      const table = all.closest(".as-card").querySelector(".as-segments");
      table.dataset.cut = "false";
      all.parentElement.remove();
      table.focus(); // the button is gone
    }
  });

  // Media events do not bubble, but they can be captured.
  for (const name of ["timeupdate", "seeked"]) {
    document.addEventListener(name, (event) => {
      if (event.target === player()) follow(event.target.currentTime);
    }, true);
  }

  document.addEventListener("pointerdown", (event) => {
    const river = event.target.closest?.("[data-as-river]");
    drag = river && event.button === 0 ? { river, x: event.clientX, seconds: secondsAt(river, event.clientX) } : null;
    if (drag) river.setPointerCapture(event.pointerId);
  });
  const drawDrag = (seconds) => {
    const [start, end] = view(drag.river);
    const [from, to] = [Math.min(seconds, drag.seconds), Math.max(seconds, drag.seconds)];
    const band = drag.river.querySelector(".as-river-drag");
    place(drag.river, band, from);
    band.style.width = `${(100 * (to - from)) / (end - start)}%`;
  };
  const endDrag = (event) => {
    if (!drag?.moved) return;
    drag.river.querySelector(".as-river-drag").hidden = true;
    const seconds = secondsAt(drag.river, event.clientX);
    if (event.type === "pointerup") show(drag.river, Math.min(seconds, drag.seconds), Math.max(seconds, drag.seconds));
  };
  document.addEventListener("pointerup", endDrag);
  document.addEventListener("pointercancel", endDrag);

  document.addEventListener("pointermove", (event) => {
    const river = event.target.closest?.("[data-as-river]");
    for (const other of rivers()) if (other !== river) hide(other);
    if (!river) return;
    const seconds = secondsAt(river, event.clientX);
    if (drag && event.buttons && Math.abs(event.clientX - drag.x) > DRAG_PIXELS) drag.moved = true;
    if (drag?.moved && event.buttons) drawDrag(seconds);
    const [start, end] = view(river);
    const output = river.querySelector(".as-river-readout");
    place(river, river.querySelector(".as-river-pointer"), seconds);
    place(river, output, seconds);
    output.textContent = reading(river, seconds);
    output.dataset.side = seconds > (start + end) / 2 ? "left" : "right";
  });
  const hide = (river) => {
    for (const part of river.querySelectorAll(".as-river-pointer, .as-river-readout")) part.hidden = true;
  };

  const zoomKey = (river, key, seconds) => {
    const [start, end] = view(river);
    const factor = { "+": 0.5, "=": 0.5, "-": 2, 0: Infinity }[key];
    if (factor === undefined) return false;
    const middle = seconds >= start && seconds <= end ? seconds : (start + end) / 2;
    if (factor === Infinity) show(river, ...track(river));
    else showAround(river, middle, (end - start) * factor);
    return true;
  };
  document.addEventListener("keydown", (event) => {
    const river = event.target.closest?.("[data-as-river]");
    const audio = player();
    if (!river || !audio || event.ctrlKey || event.metaKey) return;
    const [start, end] = track(river);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      audio.currentTime = clamp(audio.currentTime + step * Number(river.dataset.step), start, end);
      follow(audio.currentTime, true);
    } else if (event.key === "Enter" || event.key === " ") audio.paused ? hear(audio.currentTime) : audio.pause();
    else if (!zoomKey(river, event.key, audio.currentTime)) return;
    event.preventDefault();
  });
})();
