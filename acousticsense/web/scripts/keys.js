// Keyboard shortcuts, listed by "?". None fires while somebody types, and they can be switched off.
(() => {
  "use strict";
  const KEY = "as-keys";
  // A browser may forbid to keep the choice; then it holds for this visit.
  let chosen = "on";
  try { chosen = localStorage.getItem(KEY) || chosen; } catch { /* as above */ }

  const list = () => document.querySelector("dialog.as-keys");
  const shown = (selector) => [...document.querySelectorAll(selector)].find((element) => element.offsetParent);
  const press = (selector) => shown(selector)?.click();
  const choose = () => press(":is(.as-audio, .as-files, .as-version-files) button:has(input[type=file])");
  const play = () => {
    const button = shown(".as-audio .play-pause-button, [data-as-ab=play]");
    const player = shown(".as-audio audio"); // the browser's own, for long tracks
    if (button) button.click();
    else if (player) player.paused ? player.play() : player.pause();
  };
  const openList = () => {
    list().querySelector("input").checked = chosen === "on";
    list().showModal();
  };
  const ACTIONS = {
    "?": openList,
    o: choose,
    c: () => press("button.as-go"),
    s: () => press(".as-stop, .as-answer-stop, .as-song-stop, .as-library-stop"),
    p: play,
    t: () => press("[data-as-theme]"),
  };

  const TYPED = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]";
  document.addEventListener("keydown", (event) => {
    const isOurs = !event.defaultPrevented && !event.isComposing && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!isOurs || event.repeat || event.target.closest?.(TYPED) || document.querySelector("dialog[open]")) return;
    if (chosen !== "on" && event.key !== "?") return;
    const tab = /^[1-9]$/.test(event.key) && document.querySelectorAll(".as-tabs [role=tab]")[event.key - 1];
    if (tab) tab.click();
    else if (Object.hasOwn(ACTIONS, event.key)) ACTIONS[event.key]();
    else return;
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-as-keys]")) openList();
    if (event.target.closest("[data-as-close]") || event.target === list()) list().close();
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches?.(".as-keys input")) return;
    chosen = event.target.checked ? "on" : "off";
    try { localStorage.setItem(KEY, chosen); } catch { /* as above */ }
  });
})();
