// One stop for the Tab key in each heatmap; the arrow keys go from cell to cell.

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function steer(table) {
  const grid = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.querySelector("a")));
  const links = grid.flat().filter(Boolean);
  if (links.length === 0) return;
  for (const link of links) link.tabIndex = -1;
  links[0].tabIndex = 0;

  table.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    const from = event.target.closest("td a");
    if (!move || !from) return;
    event.preventDefault();
    let y = from.closest("tr").sectionRowIndex;
    let x = from.closest("td").cellIndex;
    // cells without mail are passed over
    do {
      x += move[0];
      y += move[1];
    } while (grid[y] && x >= 0 && x < grid[y].length && !grid[y][x]);
    const to = grid[y]?.[x];
    if (!to) return;
    from.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  });
}

export function steerHeatmaps() {
  for (const table of document.querySelectorAll("table.heat")) steer(table);
}
