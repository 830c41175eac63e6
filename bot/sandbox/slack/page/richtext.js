/** `rich_text` and `table` blocks, plainly. */

import { dateText } from "./dates.js";
import { el } from "./dom.js";
import { emoji } from "./emoji.js";
import { channelMention, link, mention } from "./mrkdwn.js";
import { groupName } from "./state.js";

function styled(node, style = {}) {
  if (style.code) node = el("code", {}, node);
  if (style.bold) node = el("strong", {}, node);
  if (style.italic) node = el("em", {}, node);
  if (style.strike) node = el("s", {}, node);
  return node;
}

const ELEMENTS = {
  text: (e) => e.text ?? "",
  link: (e) => link(e.url ?? "", e.text),
  user: (e) => mention(e.user_id),
  usergroup: (e) => el("span", { class: "mention" }, `@${groupName(e.usergroup_id)}`),
  channel: (e) => channelMention(e.channel_id),
  broadcast: (e) => el("span", { class: "mention mine" }, `@${e.range}`),
  emoji: (e) => emoji(e.name) ?? `:${e.name}:`,
  date: (e) => el("time", {}, dateText(e.timestamp, e.format ?? "", e.fallback ?? "")),
};

const elements = (list) => (list ?? []).map((e) => styled(ELEMENTS[e.type]?.(e) ?? `[not drawn: ${e.type}]`, e.style));

const PARTS = {
  rich_text_section: (part) => el("div", { class: "rich" }, elements(part.elements)),
  rich_text_preformatted: (part) => el("pre", {}, elements(part.elements)),
  rich_text_quote: (part) => el("blockquote", { class: "rich" }, elements(part.elements)),
  rich_text_list: (part) =>
    el(
      part.style === "ordered" ? "ol" : "ul",
      {
        class: `list deep${Math.min(part.indent ?? 0, 3)}`,
        start: part.style === "ordered" && part.offset ? part.offset + 1 : undefined,
      },
      (part.elements ?? []).map((item) => el("li", {}, elements(item.elements))),
    ),
};

export function richText(block) {
  return (block.elements ?? []).map(
    (part) => PARTS[part.type]?.(part) ?? el("p", { class: "undrawn" }, `[not drawn: ${part.type}]`),
  );
}

function cell(content) {
  if (content?.type === "rich_text") return richText(content);
  return String(content?.text ?? "");
}

/** The first row is the head; `column_settings` align the columns. */
export function table(block) {
  const settings = block.column_settings ?? [];
  const row = (cells, tag) =>
    el(
      "tr",
      {},
      cells.map((content, column) => {
        const { align = "left", is_wrapped: wrapped = false } = settings[column] ?? {};
        return el(
          tag,
          { class: `${align}${wrapped ? " wrapped" : ""}`, scope: tag === "th" ? "col" : undefined },
          cell(content),
        );
      }),
    );
  const [head = [], ...rows] = block.rows ?? [];
  return el(
    "div",
    { class: "table" },
    el(
      "table",
      {},
      el("thead", {}, row(head, "th")),
      el(
        "tbody",
        {},
        rows.map((cells) => row(cells, "td")),
      ),
    ),
  );
}
