// Marks on charts: what happened meanwhile, as upright lines and fields with the numbers of the list under the chart.

const TONES = { bad: "bad", warn: "warn", info: "accent", dns: "c-covered_complaint", user: "ink-soft", run: "c-suppressed" };

function colour(mark) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${TONES[mark.tone]}`).trim();
}

/** The step in which a time lies; what lies before or after the chart is at its edge. */
function place(data, at) {
  const index = Math.floor((at - data.at[0]) / data.step_s);
  return Math.min(Math.max(index, 0), data.at.length - 1);
}

/** The marks that touch a step. */
export function marksAt(data, index) {
  const from = data.at[index];
  return data.marks.filter((mark) => mark.from < from + data.step_s && mark.until >= from);
}

/** A series without figures, which holds the marks: those of the others hold limits, and the field without data. */
export function markSeries(data, theme) {
  const label = (mark) => ({
    formatter: String(mark.number),
    position: "end",
    distance: 2,
    fontSize: 11,
    fontWeight: 600,
    lineHeight: 13,
    padding: [1, 4],
    borderRadius: 3,
    color: theme.panel,
    backgroundColor: colour(mark),
  });
  // of several in one step the first has the number; the tooltip tells all
  const seen = new Set();
  const isFirst = (mark) => !seen.has(place(data, mark.from)) && seen.add(place(data, mark.from));
  const line = (mark) => ({
    xAxis: place(data, mark.from),
    lineStyle: { color: colour(mark), type: "solid", width: 1.25, opacity: 0.85 },
    label: isFirst(mark) ? label(mark) : { show: false },
  });
  const field = (mark) => [
    { xAxis: place(data, mark.from), itemStyle: { color: colour(mark), opacity: 0.09 } },
    { xAxis: place(data, mark.until) },
  ];
  const isLong = (mark) => place(data, mark.until) > place(data, mark.from);
  return {
    name: "marks",
    type: "line",
    data: [],
    silent: true,
    z: 9,
    markLine: { silent: true, symbol: "none", animation: false, data: data.marks.map(line) },
    markArea: { silent: true, animation: false, data: data.marks.filter(isLong).map(field) },
  };
}
