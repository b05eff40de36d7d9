// Versions played at once, of which one is heard: a change of version is a change of volume, at the same place.
(() => {
  "use strict";
  const APART_S = 0.1; // what playing at once leaves between two of them
  const soundsOf = (group) => [...group.querySelectorAll("audio")];
  const choices = (group) => [...group.querySelectorAll("[data-as-ab]:not([data-as-ab=play])")];
  const groupOf = (target) => target.closest?.(".as-ab");

  const draw = (group) => {
    const sounds = soundsOf(group);
    const button = group.querySelector("[data-as-ab=play]");
    button.textContent = button.dataset[sounds[0].paused ? "play" : "pause"];
    choices(group).forEach((choice, index) => {
      sounds[index].muted = choice.getAttribute("aria-pressed") !== "true";
      sounds[index].volume = Number(sounds[index].dataset.volume);
    });
  };
  const toggle = (group) => {
    const [first, ...others] = soundsOf(group);
    if (!first.paused) {
      for (const sound of [first, ...others]) sound.pause();
      return;
    }
    if (!first.currentTime) first.currentTime = Number(group.dataset.offset);
    for (const sound of others) sound.currentTime = first.currentTime;
    for (const sound of [first, ...others]) sound.play().catch(() => {});
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-as-ab]");
    if (!button) return;
    const group = groupOf(button);
    if (button.dataset.asAb === "play") toggle(group);
    else for (const choice of choices(group)) choice.setAttribute("aria-pressed", String(choice === button));
    draw(group);
  });
  // Media events do not bubble, but they can be captured.
  for (const kind of ["play", "pause", "ended"]) {
    document.addEventListener(kind, (event) => {
      const group = groupOf(event.target);
      if (group) draw(group);
    }, true);
  }
  // A place chosen in one version's image is the place of all.
  document.addEventListener("seeked", (event) => {
    const group = groupOf(event.target);
    if (!group) return;
    for (const sound of soundsOf(group)) {
      const { currentTime } = event.target;
      if (Math.abs(sound.currentTime - currentTime) > APART_S && sound.duration > currentTime) sound.currentTime = currentTime;
    }
  }, true);
})();
