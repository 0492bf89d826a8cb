// Runs before the first paint: sets the theme that the reader chose, and tells the style sheet that scripts run.
// The one classic script; all else waits for the page.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // storage is switched off: the system's theme it is
  }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
})();
