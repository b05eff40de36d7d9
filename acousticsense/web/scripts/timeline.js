// The timeline: what is under the pointer, hearing from a place, and the playhead. `timeline_html.py` writes what is read.
(() => {
  "use strict";
  const rivers = () => document.querySelectorAll("[data-as-river]");
  const player = () => document.querySelector(".as-timeline-audio audio");
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const clock = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    const pad = (number) => String(number).padStart(2, "0");
    const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
  };
  const range = (river) => [Number(river.dataset.start), Number(river.dataset.end)];
  const secondsAt = (river, clientX) => {
    const [start, end] = range(river);
    const box = river.getBoundingClientRect();
    return start + (end - start) * clamp((clientX - box.left) / box.width, 0, 1);
  };
  const place = (river, line, seconds) => {
    const [start, end] = range(river);
    line.style.left = `${(100 * (seconds - start)) / (end - start)}%`;
    line.hidden = seconds < start || seconds > end;
  };
  const reading = (river, seconds) => {
    river.asColumns ??= JSON.parse(river.dataset.columns);
    const column = river.asColumns.find(([end]) => seconds < end) || river.asColumns.at(-1);
    return `${clock(seconds)}  ${column[1]}`;
  };

  const hear = (seconds) => {
    const audio = player();
    if (!audio) return;
    audio.currentTime = seconds;
    audio.play().catch(() => {}); // a browser may want a click on the player first
    follow(seconds);
  };
  const follow = (seconds) => {
    for (const river of rivers()) {
      place(river, river.querySelector(".as-river-head"), seconds);
      river.setAttribute("aria-valuenow", String(Math.round(seconds)));
      river.setAttribute("aria-valuetext", reading(river, seconds));
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-as-seek]");
    if (button) hear(Number(button.dataset.asSeek));
    const river = event.target.closest("[data-as-river]");
    if (river) hear(secondsAt(river, event.clientX));
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

  document.addEventListener("pointermove", (event) => {
    const river = event.target.closest?.("[data-as-river]");
    for (const other of rivers()) if (other !== river) hide(other);
    if (!river) return;
    const seconds = secondsAt(river, event.clientX);
    const [start, end] = range(river);
    const output = river.querySelector(".as-river-readout");
    place(river, river.querySelector(".as-river-pointer"), seconds);
    place(river, output, seconds);
    output.textContent = reading(river, seconds);
    output.dataset.side = seconds > (start + end) / 2 ? "left" : "right";
  });
  const hide = (river) => {
    for (const part of river.querySelectorAll(".as-river-pointer, .as-river-readout")) part.hidden = true;
  };

  document.addEventListener("keydown", (event) => {
    const river = event.target.closest?.("[data-as-river]");
    const audio = player();
    if (!river || !audio) return;
    const [start, end] = range(river);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) audio.currentTime = clamp(audio.currentTime + step * Number(river.dataset.step), start, end);
    else if (event.key === "Enter" || event.key === " ") audio.paused ? hear(audio.currentTime) : audio.pause();
    else return;
    event.preventDefault();
  });
})();
