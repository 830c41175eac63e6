/** Slack's mrkdwn as DOM nodes. */

import { dateText } from "./dates.js";
import { el } from "./dom.js";
import { emoji } from "./emoji.js";
import { channelName, groupName, person } from "./state.js";

const INLINE = new RegExp(
  [
    "`(?<code>[^`\\n]+)`",
    "<(?<angle>[^<>\\n]+)>",
    "(?<![\\w*])\\*(?=\\S)(?<bold>[^*\\n]+?)(?<=\\S)\\*(?![\\w*])",
    "(?<![\\w_])_(?=\\S)(?<italic>[^_\\n]+?)(?<=\\S)_(?![\\w_])",
    "(?<![\\w~])~(?=\\S)(?<strike>[^~\\n]+?)(?<=\\S)~(?![\\w~])",
    ":(?<emoji>[a-z0-9_+-]+):",
    "(?<url>https?://[^\\s<>]*[^\\s<>.,;:!?)])",
  ].join("|"),
  "g",
);

const plain = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** A link, or only its label when the address is not one a reader should follow. */
export function link(address, label) {
  const url = plain(address);
  if (!/^(https?:\/\/|mailto:)/i.test(url)) return el("span", {}, label ?? url);
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label ?? url);
}

export function mention(id, label) {
  const who = person(id);
  return el("span", { class: who.mine ? "mention mine" : "mention", data: { user: id } }, `@${label ?? who.name}`);
}

export const channelMention = (id, label) => el("span", { class: "mention" }, `#${label || channelName(id)}`);

function angle(inner) {
  const cut = inner.indexOf("|");
  const target = cut < 0 ? inner : inner.slice(0, cut);
  const label = cut < 0 ? undefined : inner.slice(cut + 1);
  if (target.startsWith("@")) return mention(target.slice(1), label);
  if (target.startsWith("#")) return channelMention(target.slice(1), label && plain(label));
  if (target.startsWith("!date^")) {
    const [, seconds, template, address] = target.split("^");
    const time = el("time", {}, dateText(seconds, plain(template ?? ""), plain(label ?? "")));
    return address ? link(address, time) : time;
  }
  if (target.startsWith("!subteam^"))
    return el("span", { class: "mention" }, plain(label ?? `@${groupName(target.slice(9))}`));
  if (target.startsWith("!")) return el("span", { class: "mention mine" }, `@${target.slice(1)}`);
  return link(target, label === undefined ? undefined : el("span", {}, inline(label)));
}

/** Nodes of one line of mrkdwn. */
export function inline(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    const part = match.groups;
    let node;
    if (part.code !== undefined) node = el("code", {}, plain(part.code));
    else if (part.angle !== undefined) node = angle(part.angle);
    else if (part.bold !== undefined) node = el("strong", {}, inline(part.bold));
    else if (part.italic !== undefined) node = el("em", {}, inline(part.italic));
    else if (part.strike !== undefined) node = el("s", {}, inline(part.strike));
    else if (part.url !== undefined) node = link(part.url);
    else {
      const drawn = emoji(part.emoji);
      if (drawn === undefined) continue;
      node = el("span", { class: "emoji", role: "img", "aria-label": part.emoji.replaceAll("_", " ") }, drawn);
    }
    if (match.index > from) nodes.push(plain(text.slice(from, match.index)));
    nodes.push(node);
    from = match.index + match[0].length;
  }
  if (from < text.length) nodes.push(plain(text.slice(from)));
  return nodes;
}

// A line that opens with a mark (bullet, number, emoji) hangs its text under its text, not under the mark.
const MARKED = /^\s*(?:[•◦▪-]\s|:[a-z0-9_+-]+:\s)/;

function line(text) {
  if (!text.trim()) return el("div", { class: "line blank" });
  const deep = Math.min(3, Math.floor(text.match(/^ */)[0].length / 2));
  return el(
    "div",
    { class: `line${MARKED.test(text) ? " marked" : ""}${deep ? ` deep${deep}` : ""}` },
    inline(text.trimEnd()),
  );
}

function paragraph(text) {
  const nodes = [];
  let quote = null;
  for (const row of text.replace(/^\n|\n$/g, "").split("\n")) {
    const quoted = row.match(/^(?:>|&gt;) ?(.*)$/s);
    if (quoted) {
      if (!quote) nodes.push((quote = el("blockquote", {})));
      quote.append(line(quoted[1]));
    } else {
      quote = null;
      nodes.push(line(row));
    }
  }
  return nodes;
}

/** Nodes of a whole mrkdwn text. */
export function mrkdwn(text) {
  const nodes = [];
  for (const [index, part] of String(text).split("```").entries()) {
    if (index % 2) nodes.push(el("pre", {}, plain(part.replace(/^\n|\n$/g, ""))));
    else if (part.trim()) nodes.push(...paragraph(part));
  }
  return nodes;
}
