// Text to take along: a block with a button that copies it.

import { el } from "./dom.js";

const SAID_MS = 1600;

/** A button that copies a text and says so. */
export function copyButton(text, label = "Copy") {
  const button = el("button", { type: "button", class: "copy", "aria-label": label === "Copy" ? "Copy to the clipboard" : label }, "Copy");
  button.addEventListener("click", async () => {
    const isCopied = await copy(text);
    button.textContent = isCopied ? "Copied" : "Select and copy by hand";
    setTimeout(() => (button.textContent = "Copy"), SAID_MS);
  });
  return button;
}

/** A block of code with its button. */
export function codeBlock(text) {
  return el("div", { class: "code" }, el("pre", { tabindex: 0 }, el("code", {}, text)), copyButton(text));
}

/** Browsers give the clipboard to pages over HTTPS and to this machine's; elsewhere the old command still works. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    return isCopied;
  }
}
