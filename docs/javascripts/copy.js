// The copy button of a console block takes its commands: neither the prompts nor what was printed.
document.addEventListener(
  "click",
  (event) => {
    const button = event.target.closest?.('[data-md-type="copy"]');
    const code = button?.closest("pre")?.querySelector("code");
    if (!code?.querySelector(".gp") || !navigator.clipboard) return;

    event.preventDefault();
    event.stopImmediatePropagation();

    const commands = code.cloneNode(true);
    for (const part of commands.querySelectorAll(".gp, .go")) part.remove();
    const lines = commands.textContent.split("\n").filter((line) => line.trim());
    navigator.clipboard.writeText(lines.join("\n"));

    button.title = "Copied";
    setTimeout(() => { button.title = "Copy to clipboard"; }, 2000);
  },
  true,
);
