// Charts: reads the JSON that `src/web/parts/chart.rs` wrote into the page and draws it with Apache ECharts.
// Colours come from the style sheet, so that a colour means the same in a chart and in a table.
import * as echarts from "../vendor/echarts.esm.min.js";
import { markSeries, marksAt } from "./marks.js";
import { UNITS, clock, day, span, urlMinute } from "./units.js";

const HEIGHT_MIN = 120;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    of: (key) => read(`c-${key}`) || read("ink-faint"),
    ink: read("ink"),
    soft: read("ink-soft"),
    faint: read("ink-faint"),
    edge: read("edge-strong"),
    grid: read("grid"),
    panel: read("panel"),
    raised: read("raised"),
    font: style.getPropertyValue("--font"),
  };
}

/** A bar of a step that is not whole: hatched, for its count will grow or is cut. */
function hatched(colour, theme) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  pen.fillStyle = theme.panel;
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = colour;
  pen.lineWidth = 1.6;
  pen.beginPath();
  for (const shift of [-6, 0, 6]) {
    pen.moveTo(shift, 6);
    pen.lineTo(shift + 6, 0);
  }
  pen.stroke();
  return { color: { image: tile, repeat: "repeat" }, borderColor: colour, borderWidth: 0.5 };
}

function bars(data, series, theme) {
  const partial = new Set(data.partial);
  const colour = theme.of(series.key);
  return {
    name: series.name,
    type: "bar",
    stack: "all",
    barCategoryGap: data.at.length > 60 ? "8%" : "18%",
    itemStyle: { color: colour },
    emphasis: { focus: "series" },
    data: series.values.map((value, index) =>
      partial.has(index) ? { value, itemStyle: hatched(colour, theme) } : value),
  };
}

/** A line in two parts: whole steps drawn through, and a dashed tail to the step that is still running. */
function lines(data, series, theme) {
  const colour = theme.of(series.key);
  const partial = new Set(data.partial);
  const line = (name, values, style) => ({
    name,
    type: "line",
    data: values,
    showSymbol: false,
    symbolSize: 7,
    connectNulls: false,
    lineStyle: { width: series.key === "p50" ? 1.5 : 2, color: colour, ...style },
    itemStyle: { color: colour },
    emphasis: { focus: "series" },
  });
  // a step between two empty ones would be invisible as a line
  const isAlone = (index) =>
    series.values[index] !== null && series.values[index - 1] == null && series.values[index + 1] == null;
  const solid = series.values.map((value, index) => {
    if (partial.has(index)) return null;
    return isAlone(index) ? { value, symbol: "circle", symbolSize: 4 } : value;
  });
  const touchesPartial = (index) => partial.has(index) || partial.has(index - 1) || partial.has(index + 1);
  const dashed = series.values.map((value, index) => (touchesPartial(index) ? value : null));
  const parts = [line(series.name, solid, {})];
  if (data.partial.length > 0) parts.push({ ...line(series.name, dashed, { type: [3, 3] }), silent: true });
  return parts;
}

/** The limits of the dictionary, as dashed lines with their names. */
function limitLines(data, theme) {
  return {
    silent: true,
    z: 8,
    symbol: "none",
    animation: false,
    lineStyle: { color: theme.soft, type: [5, 4], width: 1 },
    label: { position: "insideEndTop", color: theme.soft, fontSize: 11, distance: [4, 3], backgroundColor: theme.panel, padding: [1, 3] },
    data: data.limits.map((limit) => ({ yAxis: limit.value, label: { formatter: limit.label } })),
  };
}

/** From the newest event on, nothing is known: a field with words, so that it cannot pass for zero. */
function staleArea(data, theme) {
  const first = data.at.findIndex((at) => at + data.step_s > data.stale_since);
  return {
    silent: true,
    animation: false,
    itemStyle: hatched(theme.edge, theme),
    label: { color: theme.soft, fontSize: 11, position: "insideRight", backgroundColor: theme.panel, padding: [3, 6] },
    data: [[{ name: `no data since ${clock(data.stale_since)}`, xAxis: Math.min(first + 1, data.at.length - 1) }, { xAxis: data.at.length - 1 }]],
  };
}

/** Room for all figures and the nearest limit; further limits come into view when the figures near them. */
function axisMax(data) {
  if (data.limits.length === 0) return undefined;
  const largest = Math.max(0, ...data.series.flatMap((series) => series.values.filter((value) => value !== null)));
  const limits = data.limits.map((limit) => limit.value);
  const inView = limits.filter((limit) => limit <= Math.max(largest * 1.6, Math.min(...limits)));
  return Math.max(largest, ...inView) * 1.12;
}

/** Labels at full hours or days, so that a reader never meets 11:45 as the only anchor. */
function timeAxis(data, theme, width) {
  const spanS = data.at.length * data.step_s;
  const room = Math.max(2, Math.floor(width / 76));
  const steps = [300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 604_800, 2_592_000];
  const every = steps.find((step) => step >= data.step_s && spanS / step <= room) ?? 2_592_000;
  const isMark = (index) => data.at[index] % every === 0;
  return {
    type: "category",
    data: data.at,
    axisLine: { lineStyle: { color: theme.edge } },
    // ticks stay unseen, one for each step: the field without data is fitted to them
    axisTick: { show: false, interval: 0 },
    axisLabel: {
      color: theme.faint,
      fontSize: 11,
      interval: isMark,
      hideOverlap: true,
      formatter: (at) => (Number(at) % 86_400 === 0 ? day(Number(at)) : clock(Number(at))),
    },
  };
}

/** A power of ten of milliseconds: the marks of a logarithmic axis are round in seconds, not in minutes. */
const decade = (ms) => (ms < 1000 ? UNITS.duration.axis(ms) : `${(ms / 1000).toLocaleString("en-US")}\u202fs`);

function valueAxis(data, theme) {
  const unit = UNITS[data.unit];
  const isLog = data.unit === "duration";
  return {
    type: isLog ? "log" : "value",
    max: isLog ? undefined : axisMax(data),
    minInterval: data.unit === "percent" || isLog ? undefined : 1,
    splitNumber: 4,
    name: unit.name,
    nameTextStyle: { color: theme.faint, fontSize: 11, align: "left", padding: [0, 0, 0, -36] },
    nameGap: 17,
    splitLine: { lineStyle: { color: theme.grid } },
    axisLabel: { color: theme.faint, fontSize: 11, formatter: isLog ? decade : unit.axis, showMaxLabel: isLog || data.limits.length === 0 },
  };
}

/** The tooltip as elements: markup with style attributes would be against the content security policy. */
function tip(data, index) {
  const unit = UNITS[data.unit];
  const box = document.createElement("div");
  box.className = "chart-tip";
  const head = document.createElement("strong");
  head.textContent = span(data.at[index], data.step_s);
  box.append(head);
  for (const series of data.series.toReversed()) {
    const value = series.values[index];
    if (data.kind === "stack" && !value) continue;
    const row = document.createElement("div");
    const spot = document.createElement("span");
    spot.className = `spot fill-${series.key}`;
    const figure = document.createElement("b");
    figure.textContent = value === null ? "no data" : unit.tip(value);
    row.append(spot, series.name, figure);
    box.append(row);
  }
  for (const mark of marksAt(data, index)) {
    const note = document.createElement("i");
    note.textContent = `${mark.number} ${mark.title}`;
    box.append(note);
  }
  if (data.partial.includes(index)) {
    const note = document.createElement("i");
    note.textContent = "not a whole step";
    box.append(note);
  }
  return box;
}

function option(data, width) {
  const theme = colours();
  const series = data.series.flatMap((one) => (data.kind === "stack" ? bars(data, one, theme) : lines(data, one, theme)));
  if (data.limits.length > 0) series[0].markLine = limitLines(data, theme);
  if (data.stale_since !== null) series[0].markArea = staleArea(data, theme);
  if (data.marks.length > 0) series.push(markSeries(data, theme));
  return {
    animation: false,
    aria: { enabled: true },
    textStyle: { fontFamily: theme.font, color: theme.ink },
    grid: { left: 4, right: 8, top: 34, bottom: 2, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    legend: {
      top: 0, right: 0, itemWidth: 10, itemHeight: 10, itemGap: 14, icon: "roundRect",
      textStyle: { color: theme.soft, fontSize: 12 }, inactiveColor: theme.edge, type: "scroll", left: 70,
      pageIconColor: theme.soft, pageTextStyle: { color: theme.soft },
      data: data.series.map((one) => one.name),
    },
    xAxis: timeAxis(data, theme, width),
    yAxis: valueAxis(data, theme),
    tooltip: {
      trigger: "axis",
      axisPointer: { type: data.kind === "stack" ? "shadow" : "line", lineStyle: { color: theme.edge }, shadowStyle: { color: theme.grid, opacity: 0.5 } },
      backgroundColor: theme.raised,
      borderColor: theme.edge,
      padding: [8, 11],
      confine: true,
      transitionDuration: 0,
      formatter: (points) => tip(data, points[0]?.dataIndex ?? points.dataIndex),
    },
    series,
  };
}

/** Goes to the messages behind the step and series that were clicked. */
function drill(data, seriesName, index) {
  const series = data.series.find((one) => one.name === seriesName) ?? data.series.find((one) => one.drill);
  if (!series?.drill || index < 0 || index >= data.at.length) return;
  const from = data.at[index];
  location.assign(series.drill.replace("{from}", urlMinute(from)).replace("{to}", urlMinute(from + data.step_s)));
}

function listen(chart, data) {
  // a click anywhere in a step counts: thin lines are hard to hit; a bar tells its series
  let hit = null;
  chart.on("click", (event) => {
    hit = { name: event.seriesName, index: event.dataIndex };
  });
  chart.getZr().on("click", (event) => {
    const point = [event.offsetX, event.offsetY];
    if (!chart.containPixel("grid", point)) return;
    const [index] = chart.convertFromPixel("grid", point);
    // the chart's own event comes after this one
    setTimeout(() => {
      const { name, index: at } = hit ?? { name: null, index };
      drill(data, name, at);
    });
  });
  chart.getZr().on("mousemove", (event) => {
    const isInside = chart.containPixel("grid", [event.offsetX, event.offsetY]);
    const leads = data.series.some((series) => series.drill);
    chart.getZr().setCursorStyle(isInside && leads ? "pointer" : "default");
  });
}

export function drawChart(figure) {
  const data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  const canvas = figure.querySelector(".chart-canvas");
  const chart = echarts.init(canvas, null, { renderer: "canvas", height: Math.max(canvas.clientHeight, HEIGHT_MIN) });
  const draw = () => chart.setOption(option(data, canvas.clientWidth), { notMerge: true });
  draw();
  listen(chart, data);
  let width = canvas.clientWidth;
  new ResizeObserver(() => {
    if (canvas.clientWidth === 0 || canvas.clientWidth === width) return;
    width = canvas.clientWidth;
    chart.resize();
    draw();
  }).observe(canvas);
  document.addEventListener("themechange", draw);

  const button = figure.querySelector(".table-toggle");
  button.addEventListener("click", () => {
    const asTable = figure.classList.toggle("as-table");
    button.setAttribute("aria-pressed", String(asTable));
    button.textContent = asTable ? "Chart" : "Table";
  });
}
