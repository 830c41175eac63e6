/** Payments per second as an SVG: served by each Region, stacked, and failures in red on top. */

import { svg } from "./dom.js";

const WIDTH = 1000; // user units; the SVG stretches to its box
const HEIGHT = 100;
const POINTS = 240;

/** How many were served by this Region in this point of the timeline. */
const served = (point, region) => Number(point.by_region?.[region]?.ok ?? point.by_region?.[region] ?? 0);

/** At most POINTS sums of neighbouring seconds, per second. */
function buckets(timeline, regions) {
  const step = Math.max(1, Math.ceil(timeline.length / POINTS));
  const points = [];
  for (let from = 0; from < timeline.length; from += step) {
    const part = timeline.slice(from, from + step);
    const mean = (pick) => part.reduce((sum, point) => sum + pick(point), 0) / part.length;
    points.push({
      t: part[0].t,
      failed: mean((p) => p.failed ?? 0),
      regions: regions.map((region) => mean((p) => served(p, region))),
    });
  }
  return points;
}

/** Round number above `value`: where the scale ends. */
function ceiling(value) {
  const size = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((n) => n * size).find((n) => n >= value);
}

/** `timeline` in simulated seconds, oldest first; `regions` from the bottom up. Answers the SVG and the scale's top. */
export function chart(timeline, regions) {
  const points = buckets(timeline, regions);
  const total = (p) => p.failed + p.regions.reduce((a, b) => a + b, 0);
  const top = ceiling(Math.max(...points.map(total), 1) * 1.04);
  const x = (i) => (points.length < 2 ? WIDTH : (i / (points.length - 1)) * WIDTH).toFixed(1);
  const y = (value) => (HEIGHT - (value / top) * HEIGHT).toFixed(1);
  const layers = [...regions.map((_, i) => (p) => p.regions[i]), (p) => p.failed];
  const floor = points.map(() => 0);
  const areas = layers.map((pick, layer) => {
    const low = points.map((_, i) => `${x(i)},${y(floor[i])}`);
    points.forEach((p, i) => (floor[i] += pick(p)));
    const high = points.map((_, i) => `${x(i)},${y(floor[i])}`);
    return svg("path", {
      class: layer === regions.length ? "failed" : `region${layer}`,
      d: points.length ? `M${high.join("L")}L${low.reverse().join("L")}Z` : "",
    });
  });
  const rule = svg("path", { class: "rule", d: `M0,0H${WIDTH}M0,${HEIGHT / 2}H${WIDTH}M0,${HEIGHT}H${WIDTH}` });
  return {
    node: svg(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": "Payments per second",
      },
      areas,
      rule,
    ),
    top,
  };
}
