// Files from anywhere: dropped on any part of the page or pasted; and how much of an upload is done.
(() => {
  "use strict";
  const root = document.documentElement;
  const words = (name) => document.querySelector(".as-header")?.dataset[name] || "";
  const visible = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.offsetParent);

  // What is looked for is there after Gradio's next drawing, or never.
  const PATIENCE_MS = 20_000;
  const appears = (find) => new Promise((resolve) => {
    const until = performance.now() + PATIENCE_MS;
    const look = () => {
      const found = find();
      if (found || performance.now() > until) resolve(found);
      else requestAnimationFrame(look);
    };
    look();
  });
  const openTab = (tab) => document.querySelector(`.as-tabs [role=tab][data-tab-id=${tab}]`)?.click();
  const inputOf = (box) => box.querySelector("input[type=file]");
  const hand = (input, files) => {
    const transfer = new DataTransfer();
    for (const file of input.multiple ? files : files.slice(0, 1)) transfer.items.add(file);
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  // A place for one song that holds another, or records one, is emptied first.
  const empty = (box) => {
    const buttons = [...box.querySelectorAll("button")];
    const named = (button) => ["Clear", "清除"].includes(button.getAttribute("aria-label") || button.title);
    (buttons.find(named) || box.querySelector(".source-selection button"))?.click();
  };
  const LISTS = ".as-files, .as-version-files";
  const toList = async (files, lists = LISTS) => {
    if (!visible(lists).length) openTab("library");
    const input = await appears(() => visible(lists).map(inputOf).find(Boolean));
    if (input) hand(input, files);
  };
  window.acousticSenseToLibrary = (files) => toList(files, ".as-files");
  const toSong = async (file) => {
    if (!visible(".as-audio").length) openTab("classify");
    const boxes = await appears(() => visible(".as-audio").length && visible(".as-audio"));
    if (!boxes) return;
    const box = boxes.find(inputOf) || boxes.at(-1);
    if (!inputOf(box)) empty(box);
    const input = await appears(() => inputOf(box));
    if (input) hand(input, [file]);
  };
  const take = (files) => {
    const isMany = files.length > 1 || /\.zip$/i.test(files[0].name) || visible(LISTS).length;
    return isMany ? toList(files) : toSong(files[0]);
  };

  // A sentence about what was dropped, until the next press.
  const say = (sentence) => {
    const told = document.querySelector(".as-said");
    if (told && told.textContent !== sentence) told.textContent = sentence;
  };
  window.acousticSenseSay = say;
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, () => say(""));

  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const told = (over) => {
    say("");
    if (over) document.body.dataset.asDrop = words("drop");
    else delete document.body.dataset.asDrop;
  };
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    told(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || told(false));
  document.addEventListener("drop", (event) => {
    told(false);
    const files = hasFiles(event) ? [...event.dataTransfer.files] : [];
    if (!files.length) return;
    if (window.acousticSenseFolderDropped(event.dataTransfer)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    // Gradio's own places take what fits them.
    const place = event.target.closest?.("[aria-dropeffect]");
    if (place && (files.length === 1 || inputOf(place).multiple)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    take(files);
  }, true);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files || [])];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });

  // Gradio uploads by fetch, which does not tell how much was sent.
  const uploads = new Map(); // of each: bytes that were sent, and all
  const tell = () => {
    const [sent, all] = [...uploads.values()].reduce(([a, b], [sent, all]) => [a + sent, b + all], [0, 0]);
    if (all) root.style.setProperty("--as-sent", `"${Math.floor((100 * sent) / all)}%"`);
    else root.style.removeProperty("--as-sent");
  };
  const upload = (address, { method, headers, body, credentials, signal }) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const over = () => { uploads.delete(request); tell(); };
    request.open(method, address);
    for (const [name, value] of new Headers(headers)) request.setRequestHeader(name, value);
    request.withCredentials = credentials === "include";
    request.responseType = "blob";
    request.upload.onprogress = (event) => { uploads.set(request, [event.loaded, event.total]); tell(); };
    request.onload = () => resolve(new Response(request.response, { status: request.status }));
    request.onerror = () => reject(new TypeError("Failed to fetch"));
    request.onabort = () => reject(new DOMException("The upload was given up.", "AbortError"));
    request.onloadend = over;
    signal?.addEventListener("abort", () => request.abort());
    request.send(body);
  });
  const plainly = window.fetch.bind(window);
  window.fetch = (address, options) => (
    options?.body instanceof FormData && /\/gradio_api\/upload\b/.test(String(address))
      ? upload(String(address), options) : plainly(address, options)
  );
})();
