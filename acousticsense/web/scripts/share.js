// An answer to pass on: copied as a line of text, drawn as an image, printed on a page of its own.
(() => {
  "use strict";
  const [WIDTH, HEIGHT, EDGE] = [1200, 800, 56];
  const FONTS = 'ui-sans-serif, system-ui, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif';
  const TOLD_MS = 2000;

  const copy = async (text) => {
    // Only pages of https and of this machine have a clipboard.
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = document.createElement("textarea");
    field.value = text;
    field.style.position = "fixed";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) throw new Error("refused");
  };
  const tell = (button) => {
    const words = button.textContent;
    if (button.disabled) return;
    button.disabled = true;
    button.textContent = button.dataset.done;
    setTimeout(() => {
      button.textContent = words;
      button.disabled = false;
    }, TOLD_MS);
  };

  const textOf = (card, name) => card.querySelector(name)?.textContent.trim() || "";
  const clipped = (pen, text, width) => {
    if (pen.measureText(text).width <= width) return text;
    const letters = [...text];
    while (letters.length > 1 && pen.measureText(`${letters.join("")}…`).width > width) letters.pop();
    return `${letters.join("")}…`;
  };

  const spectrogramOf = async (card) => {
    const shown = document.querySelector(".as-spectrogram:not(.as-heatmap, [data-state=empty]) img");
    if (!shown || !shown.getAttribute("src") || shown.closest("figure").dataset.name !== card.dataset.name) return null;
    await shown.decode();
    return shown;
  };

  const draw = async (card) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [WIDTH, HEIGHT];
    const pen = canvas.getContext("2d");
    const colour = (name) => getComputedStyle(card).getPropertyValue(`--as-${name}`).trim();
    const write = (text, x, y, size, { weight = 400, ink = "ink", align = "left", width = WIDTH - 2 * EDGE } = {}) => {
      pen.font = `${weight} ${size}px ${FONTS}`;
      pen.fillStyle = colour(ink);
      pen.textAlign = align;
      pen.fillText(clipped(pen, text, width), x, y);
      return pen.measureText(text).width;
    };
    pen.fillStyle = colour("panel");
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    write(textOf(card, ".as-file b"), EDGE, 84, 30, { weight: 600 });
    write(textOf(card, ".as-file [data-as-excerpt]"), EDGE, 122, 22, { ink: "ink-2" });
    const genre = card.querySelector(".as-best").firstChild.textContent.trim();
    const end = write(genre, EDGE, 214, 76, { weight: 680, width: 620 });
    write(textOf(card, ".as-share"), EDGE + Math.min(end, 620) + 24, 214, 56, { weight: 550, ink: "accent" });
    write(textOf(card, ".as-verdict"), EDGE, 264, 26, { weight: 650, ink: "fair" });

    [...card.querySelectorAll(".as-top li")].forEach((row, place) => {
      const [y, left] = [318 + 36 * place, 250];
      const share = parseFloat(row.dataset.share) || 0;
      write(textOf(row, ".as-label"), EDGE, y, 22, { weight: place ? 400 : 650, width: left - EDGE - 16 });
      pen.fillStyle = colour("rail");
      pen.fillRect(left, y - 15, 780, 14);
      pen.fillStyle = colour(place ? "bar" : "accent");
      pen.fillRect(left, y - 15, 780 * share, 14);
      write(textOf(row, ".as-value"), WIDTH - EDGE, y, 22, { align: "right", weight: place ? 400 : 650 });
    });

    const image = await spectrogramOf(card);
    if (image) pen.drawImage(image, EDGE, 506, WIDTH - 2 * EDGE, 220);
    write("AcousticSense", WIDTH - EDGE, 768, 20, { align: "right", ink: "ink-2" });
    write(card.dataset.model, EDGE, 768, 20, { ink: "ink-2", width: 800 });
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  };

  const save = async (card, file) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await draw(card));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-as-share]");
    if (!button) return;
    const card = button.closest(".as-result");
    if (button.dataset.asShare === "print") window.print();
    else if (button.dataset.asShare === "image") await save(card, button.dataset.file);
    else await copy(card.dataset.line).then(() => tell(button), () => window.prompt("", card.dataset.line));
  });
})();
