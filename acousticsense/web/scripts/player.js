// Gradio's player: takes files of any kind, and says when the browser cannot play one.
(() => {
  "use strict";
  const words = (name) => document.querySelector(".as-header")?.dataset[name] || "";

  // Gradio refuses what the browser does not call audio, a video with sound or a file without a suffix among them.
  const isAudio = (file) => file.type.startsWith("audio/");
  const asAudio = (files) => {
    const transfer = new DataTransfer();
    for (const file of files) {
      transfer.items.add(isAudio(file) ? file : new File([file], file.name, { type: "audio/mpeg" }));
    }
    return transfer;
  };

  const tell = (box, canPlay) => {
    let note = box.parentElement.querySelector(".as-cannot-play");
    if (!note && canPlay) return;
    if (!note) {
      note = document.createElement("p");
      note.className = "as-note as-cannot-play";
      note.setAttribute("role", "status");
      box.after(note);
    }
    note.textContent = canPlay ? "" : words("cannotPlay");
    note.hidden = canPlay;
  };
  const tryOut = (box, file) => {
    tell(box, true);
    if (!file) return;
    const probe = new Audio();
    const done = (canPlay) => {
      URL.revokeObjectURL(probe.src);
      if (box.isConnected) tell(box, canPlay);
    };
    probe.preload = "metadata";
    probe.onloadedmetadata = () => done(true);
    probe.onerror = () => done(false);
    probe.src = URL.createObjectURL(file);
  };

  document.addEventListener("change", (event) => {
    const input = event.target;
    const box = input.type === "file" && input.closest(".as-audio");
    if (!box) return;
    tryOut(box, input.files[0]);
    if (![...input.files].every(isAudio)) input.files = asAudio(input.files).files;
  }, true);
  document.addEventListener("drop", (event) => {
    const box = event.target.closest?.(".as-audio");
    const files = event.dataTransfer?.files || [];
    if (!box || !files.length) return;
    if ([...files].every(isAudio)) {
      tryOut(box, files[0]);
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    const init = { bubbles: true, cancelable: true, dataTransfer: asAudio(files) };
    event.target.dispatchEvent(new DragEvent("drop", init));
  }, true);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".as-audio button");
    const label = button?.getAttribute("aria-label") || button?.title;
    if (["Clear", "清除"].includes(label)) tell(button.closest(".as-audio"), true);
  }, true);

  const polish = () => {
    for (const input of document.querySelectorAll(".as-audio input[type=file][accept]")) input.removeAttribute("accept");
  };
  new MutationObserver(polish).observe(document.documentElement, { childList: true, subtree: true });
})();
