// Runs before the page is drawn, so that it never shows in the wrong colors; no module, so that it also runs from files.
(() => {
  const root = document.documentElement;
  // Browsers load no modules from files: there the plain tables stay.
  if (location.protocol !== "file:") root.classList.add("scripts");
  let kept = null;
  try {
    kept = localStorage.getItem("zoo-theme");
  } catch {
    // A browser that keeps nothing asks the system each time.
  }
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;

  // Forms are read by the pages themselves; Enter before a page is ready must not load it anew without its address.
  addEventListener("submit", (event) => event.preventDefault());

  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const name = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", isDark() ? "Use light colors" : "Use dark colors");
    };
    button.hidden = false;
    name();
    prefersDark.addEventListener("change", name);
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem("zoo-theme", root.dataset.theme);
      } catch {
        // It holds for this page then.
      }
      name();
    });
  });
})();
