/** Times: Slack's `<!date^…>` tokens, and how old a message is. */

const pad = (n) => String(n).padStart(2, "0");

const format = (date, options) => new Intl.DateTimeFormat("en-GB", options).format(date);

function day(date, options) {
  return format(date, { day: "numeric", month: "long", year: "numeric", ...options });
}

function pretty(date, plain) {
  const midnight = (moment) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate()).getTime();
  const days = Math.round((midnight(date) - midnight(new Date())) / 86_400_000);
  return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days] ?? plain;
}

/** "4 min ago", "in 2 h". `date` is a Date. */
export function ago(date) {
  const seconds = Math.round((Date.now() - date.getTime()) / 1000);
  const size = Math.abs(seconds);
  const span =
    size < 60
      ? `${size} s`
      : size < 3600
        ? `${Math.round(size / 60)} min`
        : size < 172_800
          ? `${Math.round(size / 3600)} h`
          : `${Math.round(size / 86_400)} days`;
  return seconds >= 0 ? `${span} ago` : `in ${span}`;
}

const TOKENS = {
  date_num: (d) => `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`,
  date_slash: (d) => `${pad(d.getMonth() + 1)}/${pad(d.getDate())}/${d.getFullYear()}`,
  date: (d) => day(d),
  date_short: (d) => day(d, { month: "short" }),
  date_long: (d) => day(d, { weekday: "long" }),
  date_pretty: (d) => pretty(d, day(d)),
  date_short_pretty: (d) => pretty(d, day(d, { month: "short" })),
  date_long_pretty: (d) => pretty(d, day(d, { weekday: "long" })),
  time: (d) => `${pad(d.getHours())}:${pad(d.getMinutes())}`,
  time_secs: (d) => `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`,
  ago,
};

/** Text of a date token; `fallback` when the template or the number is wrong. */
export function dateText(seconds, template, fallback) {
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return fallback;
  let known = true;
  const text = template.replace(/\{(\w+)\}/g, (_, token) => {
    if (Object.hasOwn(TOKENS, token)) return TOKENS[token](date);
    known = false;
    return "";
  });
  return known ? text : fallback;
}

/** Clock time of a message's ts, and its full date for a tooltip. */
export function stamp(ts) {
  const date = new Date(Number(ts) * 1000);
  return {
    clock: TOKENS.time_secs(date),
    full: `${TOKENS.date_long(date)}, ${TOKENS.time_secs(date)}`,
    iso: date.toISOString(),
  };
}
