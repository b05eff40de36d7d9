// What the pointer is told: time, frequency (and note), level.
const decibels = (plot, column, row) => {
  if (!plot.levels) return "";
  const range = Number(plot.view.dataset.rangeDb);
  const level = plot.levels[(plot.hz.length - 1 - row) * (plot.columns + 1) + 1 + column];
  if (level === 0) return `≤ −${range} dB`;
  return `${((range * level) / 255 - range).toFixed(1).replace("-", "−")} dB`;
};

const reading = (plot, { column, row }) => {
  const time = plot.timeAt((column + 0.5) / plot.columns);
  const shownTime = `${clock(time, 2)}${time < 60 ? " s" : ""}`;
  const note = plot.notes[row];
  const hz = `${plot.hz[row].toFixed(plot.hz[row] < 100 ? 1 : 0)} Hz`;
  const pitch = plot.view.dataset.kind === "chroma" ? note : note ? `${hz} (${note})` : hz;
  return [shownTime, pitch, decibels(plot, column, row)].filter(Boolean).join(" · ");
};
