// Numbers and times as charts write them; the same ways as `src/web/format.rs`.

const THIN = "\u202f";

function withPrefix(value) {
  const [scaled, prefix] =
    value >= 1e9 ? [value / 1e9, "G"] : value >= 1e6 ? [value / 1e6, "M"] : value >= 1e4 ? [value / 1e3, "k"] : [value, ""];
  return prefix ? `${Number(scaled.toPrecision(3))}${THIN}${prefix}` : scaled.toLocaleString("en-US");
}

function duration(ms) {
  const [value, unit] =
    ms < 1e3 ? [ms, "ms"]
    : ms < 6e4 ? [ms / 1e3, "s"]
    : ms < 3.6e6 ? [ms / 6e4, "min"]
    : ms < 8.64e7 ? [ms / 3.6e6, "h"]
    : [ms / 8.64e7, "d"];
  return `${Number(value.toPrecision(3))}${THIN}${unit}`;
}

/** A figure with its unit: `axis` short, `tip` whole. */
export const UNITS = {
  messages: { name: "messages", axis: withPrefix, tip: (value) => value.toLocaleString("en-US") },
  attempts: { name: "attempts", axis: withPrefix, tip: (value) => value.toLocaleString("en-US") },
  items: { name: "items", axis: withPrefix, tip: (value) => value.toLocaleString("en-US") },
  percent: {
    name: "",
    axis: (value) => `${Number(value.toPrecision(3))}${THIN}%`,
    tip: (value) => `${value < 1 ? value.toFixed(3) : value.toFixed(2)}${THIN}%`,
  },
  duration: { name: "", axis: duration, tip: duration },
};

const two = (number) => String(number).padStart(2, "0");

/** `2026-08-01T12:30` in UTC, as `from` and `to` in an address. */
export function urlMinute(unix) {
  return new Date(unix * 1000).toISOString().slice(0, 16);
}

export function clock(unix) {
  const at = new Date(unix * 1000);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
}

export function day(unix) {
  return new Date(unix * 1000).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
}

/** The step that begins at `unix`, in words. */
export function span(unix, stepS) {
  const end = unix + stepS;
  return stepS >= 86_400 ? `${day(unix)} UTC` : `${day(unix)}, ${clock(unix)}–${clock(end)} UTC`;
}
