// Buttons that move a version up or down in the list of Compare: dragging takes a mouse.
(() => {
  "use strict";
  const header = () => document.querySelector(".as-header")?.dataset;
  const rowsOf = (list) => [...list.querySelectorAll("tr.file")];
  const nameOf = (row) => row.querySelector(".filename").getAttribute("aria-label");
  const STEPS = { up: -1, down: 1 };
  const ARROWS = { up: "↑", down: "↓" };

  const buttonOf = (row, way) => row.querySelector(`[data-as-move=${way}]`);
  const draw = (row, index, n) => {
    if (!row.querySelector(".as-move") && n > 1) {
      const cell = document.createElement("td");
      cell.className = "as-move";
      for (const way of Object.keys(STEPS)) {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.asMove = way;
        button.textContent = ARROWS[way];
        button.title = header()[way].replace("{name}", nameOf(row));
        button.setAttribute("aria-label", button.title);
        cell.append(button);
      }
      row.querySelector(".filename").after(cell);
    }
    for (const [way, step] of Object.entries(STEPS)) {
      const button = buttonOf(row, way);
      if (button) button.disabled = index + step < 0 || index + step >= n;
    }
  };
  const look = () => {
    const rows = [...document.querySelectorAll(".as-version-files")].map(rowsOf).flat();
    rows.forEach((row, index) => draw(row, index, rows.length));
  };
  new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-as-move]");
    if (!button) return;
    const list = button.closest(".as-version-files");
    const from = rowsOf(list).indexOf(button.closest("tr"));
    const to = from + STEPS[button.dataset.asMove];
    // Gradio's list changes its order by these two events alone.
    rowsOf(list)[from].dispatchEvent(new DragEvent("dragstart"));
    rowsOf(list)[to].dispatchEvent(new DragEvent("drop", { cancelable: true }));
    requestAnimationFrame(() => {
      const [same, other] = [button.dataset.asMove, button.dataset.asMove === "up" ? "down" : "up"];
      const row = rowsOf(list)[to];
      [buttonOf(row, same), buttonOf(row, other)].find((each) => each && !each.disabled)?.focus();
    });
  });
})();
