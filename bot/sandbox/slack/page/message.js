/** One message: who, when, what, and for a top-level one the way into its thread. */

import { blocks } from "./blocks.js";
import { clicks } from "./click.js";
import { stamp } from "./dates.js";
import { el } from "./dom.js";
import { mrkdwn } from "./mrkdwn.js";
import { app } from "./state.js";

const SLACKBOT = "Slackbot"; // speaks for Slack itself, so it does not wear the app's face

/** Initials on the persona's own tint; the app has its signal. */
export function avatar(name, bot) {
  if (bot && name !== SLACKBOT) return el("img", { class: "avatar bot", src: "/assets/signal.svg", alt: "" });
  const place = app.personas.findIndex((one) => one.name === name || one.real_name === name);
  const full = app.personas[place]?.real_name ?? name;
  const initials = full
    .split(/[\s-]+/)
    .map((word) => word[0] ?? "")
    .join("")
    .slice(0, 2)
    .toUpperCase();
  return el("span", { class: `avatar ${place < 0 ? "nobody" : `tint${place % 9}`}`, "aria-hidden": "true" }, initials);
}

function file(one) {
  if (/^image\//.test(one.mimetype ?? "")) {
    return el(
      "figure",
      {},
      el("figcaption", {}, one.title),
      el("a", { href: one.url, target: "_blank", rel: "noopener" }, el("img", { src: one.url, alt: one.title ?? "" })),
    );
  }
  return el("a", { class: "file", href: one.url, target: "_blank", rel: "noopener" }, `📄 ${one.title}`);
}

function replies(message, open) {
  const count = `${message.reply_count} ${message.reply_count === 1 ? "reply" : "replies"}`;
  const last = message.latest_reply ? ` · last at ${stamp(message.latest_reply).clock}` : "";
  return el(
    "button",
    {
      class: "replies",
      type: "button",
      data: { focus: `replies/${message.ts}` },
      on: { click: () => open(message.ts) },
    },
    el("b", {}, count),
    last,
  );
}

/** `open(ts)`, if given, is how its thread opens. */
export function message(one, channelId, open) {
  const when = stamp(one.ts);
  // A reply that was sent to the channel too belongs to the thread it came from.
  const thread = one.thread_ts ?? one.ts;
  const body = one.blocks?.length
    ? el(
        "div",
        { class: "card" },
        blocks(one.blocks, { act: clicks({ channel: channelId, ts: one.ts }), failed: one.click_failed ?? [] }),
      )
    : el("div", { class: "text" }, mrkdwn(one.text ?? ""));
  return el(
    "li",
    { class: `message${one.ephemeral ? " ephemeral" : ""}${one.author?.bot ? " from-bot" : ""}`, data: { ts: one.ts } },
    avatar(one.author?.name ?? "?", one.author?.bot),
    el(
      "div",
      { class: "content" },
      el(
        "div",
        { class: "by" },
        el("b", {}, one.author?.name ?? "?"),
        one.author?.bot && el("span", { class: "tag" }, "app"),
        el("time", { datetime: when.iso, title: when.full }, when.clock),
        one.edited && el("span", { class: "quiet" }, "edited"),
        open && thread !== one.ts && el("span", { class: "quiet" }, "in a thread, and here"),
        one.ephemeral && el("span", { class: "private" }, "Only visible to you"),
        open &&
          !one.ephemeral &&
          el(
            "button",
            { class: "reply", type: "button", "aria-label": "Reply in thread", on: { click: () => open(thread) } },
            "Reply",
          ),
      ),
      body,
      one.files?.map(file),
      open && one.reply_count > 0 && replies(one, open),
    ),
  );
}
