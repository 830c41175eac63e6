/** The strip below: customers, faults, bots. Silent where the sandbox's console is not there. */

import { post, read, Refused, remove } from "./api.js";
import { chart } from "./chart.js";
import { byId, el, sync } from "./dom.js";

const REGIONS = ["us-east-1", "us-west-2"]; // each keeps its colour, served from or not
const SECONDS = 300; // simulated, shown in the chart

// The faults with a switch of their own, and those behind "More".
const MAIN = [
  { label: "us-east-1 dark", kind: "region-dark", params: { region: "us-east-1" } },
  { label: "us-west-2 short of capacity", kind: "capacity-short", params: { region: "us-west-2" } },
  { label: "Slack down", kind: "slack-down", params: {} },
];
const MORE = [
  { label: "us-west-2 dark", kind: "region-dark", params: { region: "us-west-2" } },
  { label: "us-east-1 cut off from the bot", kind: "region-partitioned", params: { region: "us-east-1" } },
  { label: "Replicas 30 s behind", kind: "replication-lag", params: { seconds: 30 } },
  { label: "us-east-1 answers every other call", kind: "region-flaky", params: { region: "us-east-1" } },
  { label: "A name server is stale", kind: "name-server-stale", params: { server: "127.0.0.2" } },
  { label: "Few health checkers see STOP", kind: "checkers-disagree", params: { share: 0.1 } },
  { label: "payment-service never ready", kind: "service-never-ready", params: { service: "payment-service" } },
  { label: "AWS throttles", kind: "aws-throttle", params: {} },
  { label: "AWS throttles two calls in five", kind: "aws-throttle", params: { rate: 0.4 } },
  { label: "One AWS reply lost", kind: "aws-reply-lost", params: { count: 1 } },
  { label: "Everything 2 s slower", kind: "latency", params: { seconds: 2 } },
  { label: "Metrics down", kind: "metrics-down", params: {} },
  { label: "Bot's database down", kind: "database-down", params: {} },
  { label: "Slack drops the socket", kind: "slack-drop-socket", params: { count: 1 } },
];

const same = (a, b) =>
  a.kind === b.kind &&
  JSON.stringify(Object.entries(a.params).sort()) === JSON.stringify(Object.entries(b.params).sort());
const named = (fault) =>
  [...MAIN, ...MORE].find((one) => same(one, fault))?.label ?? `${fault.kind} ${Object.values(fault.params).join(" ")}`;

const parts = {
  chart: el("div", { class: "chart" }),
  legend: el("ul", { class: "legend" }),
  numbers: el("dl", { class: "numbers" }),
  faults: el("ul", { class: "faults" }),
  more: el("select", { class: "select small", "aria-label": "Another fault" }),
  bots: el("ul", { class: "bots" }),
  note: el("p", { class: "note", role: "status" }),
};

async function change(work) {
  parts.note.textContent = "";
  try {
    await work();
  } catch (refused) {
    parts.note.textContent = refused.message;
  }
  await refresh();
}

const number = (value) => new Intl.NumberFormat("en").format(Math.round(value));

function drawCustomers({ totals, by_region: byRegion = {}, timeline = [] }) {
  const regions = [...new Set([...REGIONS, ...Object.keys(byRegion).sort()])];
  const shown = timeline.slice(-SECONDS);
  const { node, top } = chart(shown, regions);
  const last = shown.slice(-5);
  const rate = (pick) => (last.length ? last.reduce((sum, p) => sum + pick(p), 0) / last.length : 0);
  const span = shown.length > 1 ? shown.at(-1).t - shown[0].t : 0;
  const back = span >= 120 ? `${Math.round(span / 60)} min ago` : `${Math.round(span)} s ago`;
  parts.chart.replaceChildren(
    el("span", { class: "top" }, `${number(top)}/s`),
    node,
    el("span", { class: "back" }, back),
    el("span", { class: "now" }, "now"),
  );
  const entries = [
    ...regions.map((region, i) => [
      `region${i}`,
      region,
      rate((p) => Number(p.by_region?.[region]?.ok ?? p.by_region?.[region] ?? 0)),
    ]),
    ["failed", "failed", rate((p) => p.failed ?? 0)],
  ];
  parts.legend.replaceChildren(
    ...entries.map(([look, label, value]) => el("li", { class: look }, label, " ", el("b", {}, `${number(value)}/s`))),
  );
  const bad = (value) => (value > 0 ? "bad" : "");
  const facts = [
    ["Payments taken", number(totals.payments_acknowledged), ""],
    ["Requests failed", number(totals.failed), bad(totals.failed)],
    ["Payments lost", number(totals.payments_lost), bad(totals.payments_lost)],
    ["Taken by two writers", number(totals.acknowledged_by_two_writers), bad(totals.acknowledged_by_two_writers)],
  ];
  parts.numbers.replaceChildren(
    ...facts.map(([label, value, look]) => el("div", { class: look }, el("dt", {}, label), el("dd", {}, value))),
  );
}

function drawFaults(answer) {
  const faults = answer.faults.map(({ id, kind, params, ...flat }) => ({ id, kind, params: params ?? flat }));
  const rows = [
    ...MAIN.map((one) => ({ ...one, id: faults.find((fault) => same(fault, one))?.id ?? null })),
    ...faults
      .filter((fault) => !MAIN.some((one) => same(one, fault)))
      .map((fault) => ({ ...fault, label: named(fault) })),
  ];
  sync(
    parts.faults,
    rows,
    (row) => `${row.kind}${JSON.stringify(row.params)}`,
    (row) =>
      el(
        "li",
        {},
        el(
          "button",
          {
            type: "button",
            class: "toggle",
            role: "switch",
            "aria-checked": String(row.id !== null),
            data: { focus: row.label },
            on: {
              click: () =>
                change(() =>
                  row.id === null
                    ? post("/control/faults", { kind: row.kind, ...row.params })
                    : remove(`/control/faults/${encodeURIComponent(row.id)}`),
                ),
            },
          },
          row.label,
        ),
      ),
  );
}

function drawBots(answer) {
  const bots = answer.bots.map(({ index, pid, alive, state }) => ({
    index,
    pid,
    alive: alive ?? state !== "dead",
    stopped: state === "stopped",
  }));
  sync(
    parts.bots,
    bots,
    (bot) => bot.index,
    (bot) => {
      const halted = bot.stopped;
      const order = (label, what) =>
        el(
          "button",
          {
            type: "button",
            class: "button small",
            data: { focus: `${what}${bot.index}` },
            on: { click: () => change(() => post(`/control/bots/${bot.index}`, { do: what })) },
          },
          label,
        );
      return el(
        "li",
        { class: bot.alive ? (halted ? "halted" : "alive") : "dead" },
        el("b", {}, `Bot ${bot.index + 1}`),
        el(
          "span",
          { title: bot.alive ? `pid ${bot.pid}` : undefined },
          bot.alive ? (halted ? "paused" : "running") : "not running",
        ),
        bot.alive
          ? [halted ? order("Go on", "cont") : order("Pause", "stop"), halted || order("Kill", "kill")]
          : order("Start", "start"),
      );
    },
  );
}

async function refresh() {
  const [customers, faults, bots] = await Promise.all([
    read("/control/customers", { last: SECONDS }),
    read("/control/faults"),
    read("/control/bots"),
  ]);
  drawCustomers(customers);
  drawFaults(faults);
  drawBots(bots);
}

/** Draws the strip and looks once a second; without a console it hides and asks seldom. */
export function startWorld() {
  const world = byId("world");
  const option = (one, value) => el("option", { value }, one.label);
  parts.more.replaceChildren(el("option", { value: "none" }, "More…"), ...MORE.map(option));
  parts.more.addEventListener("change", () => {
    const one = MORE[Number(parts.more.value)];
    parts.more.value = "none";
    if (one) change(() => post("/control/faults", { kind: one.kind, ...one.params }));
  });
  world.replaceChildren(
    el("div", { class: "customers" }, el("h2", {}, "Customers"), parts.legend, parts.chart),
    parts.numbers,
    el("div", { class: "switches" }, el("h2", {}, "Faults ", parts.more), parts.faults),
    el("div", { class: "machines" }, el("h2", {}, "Bots"), parts.bots, parts.note),
  );
  (async function look() {
    let wait = 1000;
    try {
      if (!document.hidden) await refresh();
      world.hidden = false;
    } catch (refused) {
      world.hidden = refused instanceof Refused && refused.status === 404;
      wait = 5000;
    }
    setTimeout(look, wait);
  })();
}
