// Every spectrogram on the page, as answers bring and replace them.
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
const followAll = () => {
  for (const plot of plots.values()) follow(plot);
  requestAnimationFrame(followAll);
};
new MutationObserver(update).observe(document.documentElement, { childList: true, subtree: true });
requestAnimationFrame(followAll);
