// Definitions that show beside their term: keeps them inside the window. The style sheet shows and hides them.

const GAP = 6;

function place(term) {
  const tip = term.querySelector(".tip");
  // on narrow screens the style sheet pins the tip to the foot of the window
  if (matchMedia("(max-width: 640px)").matches) {
    tip.style.left = tip.style.top = "";
    return;
  }
  const at = term.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = Math.max(GAP, Math.min(at.left, innerWidth - width - 2 * GAP));
  const below = at.bottom + GAP;
  const top = below + height > innerHeight && at.top > height + GAP ? at.top - height - GAP : below;
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
}

export function followTerms() {
  for (const term of document.querySelectorAll(".term")) {
    term.addEventListener("mouseenter", () => place(term));
    term.addEventListener("focus", () => place(term));
    // a tip in a fixed place would stay behind when the page moves under it
    term.addEventListener("keydown", (event) => event.key === "Escape" && term.blur());
  }
  addEventListener("scroll", () => document.activeElement?.closest?.(".term")?.blur(), { passive: true });
}
