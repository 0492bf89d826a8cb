// What makes pages more comfortable. Everything can be read without it.
import { followTerms } from "./terms.js";
import { steerHeatmaps } from "./heatmap.js";
import { takeFiles } from "./import.js";

const root = document.documentElement;

/** Switches between light and dark, and remembers it. Charts listen to `themechange`. */
function offerThemes(button) {
  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const show = () => button?.setAttribute("aria-pressed", String(isDark()));
  const announce = () => {
    show();
    document.dispatchEvent(new Event("themechange"));
  };
  button?.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // storage is switched off: the choice lasts for this page
    }
    announce();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announce);
  show();
}

/** Leaves fields that were not filled in out of the address. */
function dropEmptyFields(form) {
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) {
      if (value === "") {
        const kept = event.formData.getAll(name).filter((other) => other !== "");
        event.formData.delete(name);
        for (const other of kept) event.formData.append(name, other);
      }
    }
  });
}

/** Closes open menus by Escape and by a click beside them. */
function closeMenus() {
  const close = (except) => {
    for (const menu of document.querySelectorAll("details.drop[open]")) {
      if (!menu.contains(except)) menu.open = false;
    }
  };
  document.addEventListener("click", (event) => close(event.target));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement?.closest("details.drop[open]");
    close(null);
    menu?.querySelector("summary").focus();
  });
}

/** On a narrow screen the pages are one menu, which opens where one is. */
function unfoldMenu(menu) {
  menu?.addEventListener("toggle", (event) => {
    const here = menu.querySelector("summary[aria-current]")?.parentElement;
    if (here && event.target === menu) here.open = event.newState === "open";
  });
}

/** Charts are large, so that they are loaded only where there is one. Without them the tables show. */
async function drawCharts() {
  const figures = document.querySelectorAll("figure.chart");
  if (figures.length === 0 || root.dataset.charts !== "on") return;
  try {
    const { drawChart } = await import("./charts.js");
    for (const figure of figures) drawChart(figure);
  } catch (error) {
    root.dataset.charts = "off";
    throw error;
  }
}

offerThemes(document.querySelector("[data-theme-toggle]"));
for (const form of document.querySelectorAll("form[data-drop-empty]")) dropEmptyFields(form);
closeMenus();
unfoldMenu(document.querySelector(".top nav"));
followTerms();
steerHeatmaps();
takeFiles();
drawCharts();
