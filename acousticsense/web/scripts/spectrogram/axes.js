// The axes: ticks in seconds of the track, and in hertz or pitch classes.
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const TIME_STEPS_S = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const PIXELS_PER_TIME_TICK = 64;
const PIXELS_PER_HZ_TICK = 18;

// Octaves first; further ones fill the room that zooming makes.
const hzTicks = (() => {
  const octaves = [64, 128, 256, 512, 1024, 2048, 4096, 8192];
  const between = [500, 100, 50, 10, 2].flatMap((step) => Array.from({ length: 40 }, (_, index) => step * (index + 1)));
  return [...octaves, 32, 6000, 10000, 3000, 5000, 7000, ...between];
})();

const clock = (seconds, decimals) => {
  if (seconds < 60) return seconds.toFixed(decimals);
  const whole = Math.floor(seconds / 60);
  const rest = (seconds - 60 * whole).toFixed(decimals);
  return `${whole}:${rest.padStart(decimals ? decimals + 3 : 2, "0")}`;
};

const tick = (words, side, share) => {
  const tick = document.createElement("span");
  tick.textContent = words;
  tick.style[side] = `${(100 * share).toFixed(2)}%`;
  return tick;
};

const timeTicks = (plot) => {
  const [start, seconds] = [plot.timeAt(plot.left), plot.seconds / plot.zoom];
  const most = clamp(Math.floor(plot.place.width / PIXELS_PER_TIME_TICK), 2, 11);
  const step = TIME_STEPS_S.find((candidate) => seconds / candidate <= most) || 7200;
  const decimals = step < 1 ? (step < 0.1 ? 2 : 1) : 0;
  const ticks = [];
  // The last frame of ten seconds ends a little before them: half a per cent more is let in.
  for (let index = Math.ceil((start + 1e-9) / step); index * step <= start + 1.005 * seconds; index += 1) {
    const share = clamp((index * step - start) / seconds, 0, 1);
    ticks.push(tick(clock(index * step, decimals), "left", share));
  }
  return ticks;
};

const frequencyTicks = (plot) => {
  const rows = plot.hz.length;
  if (plot.view.dataset.kind === "chroma") {
    return plot.notes.map((note, row) => [note, 1 - plot.visibleY(1 - (row + 0.5) / rows)])
      .filter(([, share]) => share >= 0 && share <= 1)
      .map(([note, share]) => tick(note, "bottom", share));
  }
  const room = PIXELS_PER_HZ_TICK / Math.max(plot.place.height, 100);
  const taken = new Map();
  for (const hz of hzTicks) {
    const row = plot.rowOfHz(hz);
    const share = row === null ? -1 : 1 - plot.visibleY(1 - row / rows);
    const isFree = [...taken.values()].every((other) => Math.abs(other - share) >= room);
    if (share >= 0 && share <= 1 && isFree) taken.set(hz, share);
    if (hz === 8192 && taken.size >= 4) break;
  }
  return [...taken].map(([hz, share]) => tick(String(hz), "bottom", share));
};
