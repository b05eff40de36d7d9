// Two versions played at once, of which one is heard: a change of version is a change of volume, at the same place.
(() => {
  "use strict";
  let sounds = [];
  let card = null;

  const heard = () => [...card.querySelectorAll("[data-src]")].findIndex((b) => b.getAttribute("aria-pressed") === "true");
  const draw = () => {
    const button = card.querySelector('[data-as-ab="play"]');
    const paused = sounds[0].paused;
    button.textContent = button.dataset[paused ? "play" : "pause"];
    sounds.forEach((sound, index) => { sound.muted = index !== heard(); });
  };
  const stop = () => sounds.forEach((sound) => sound.pause());
  const open = (group) => {
    stop();
    card = group;
    sounds = [...group.querySelectorAll("[data-src]")].map((button) => {
      const sound = new Audio(button.dataset.src);
      sound.volume = Number(button.dataset.volume);
      sound.currentTime = Number(group.dataset.offset);
      for (const kind of ["play", "pause", "ended"]) sound.addEventListener(kind, draw);
      return sound;
    });
  };
  const toggle = () => {
    if (!sounds[0].paused) {
      stop();
      return;
    }
    sounds[1].currentTime = sounds[0].currentTime;
    sounds.forEach((sound) => sound.play().catch(() => {}));
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-as-ab]");
    if (!button) return;
    const group = button.closest(".as-ab");
    if (group !== card) open(group);
    if (button.dataset.asAb === "play") {
      toggle();
    } else {
      for (const other of group.querySelectorAll("[data-src]")) other.setAttribute("aria-pressed", String(other === button));
    }
    draw();
  });
  // A new comparison takes the card away, and its sound with it.
  new MutationObserver(() => {
    if (!card || card.isConnected) return;
    stop();
    card = null;
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
