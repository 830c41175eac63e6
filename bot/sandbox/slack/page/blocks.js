/** Block Kit as DOM nodes. What is not known shows as `[not drawn: TYPE]`, so that nothing is left out in silence. */

import { confirmed } from "./confirm.js";
import { el } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { choices, input } from "./inputs.js";
import { mrkdwn } from "./mrkdwn.js";
import { richText, table } from "./richtext.js";

export const undrawn = (type) => el("p", { class: "undrawn" }, `[not drawn: ${type}]`);

/** A text object: plain_text or mrkdwn. */
export function text(object) {
  if (!object) return [];
  if (object.type === "mrkdwn") return mrkdwn(object.text);
  return object.emoji === false ? object.text : withEmoji(object.text);
}

const picture = (block) =>
  el("img", { src: block.image_url ?? block.slack_file?.url, alt: block.alt_text ?? "", loading: "lazy" });

/** Runs an action: asks first if the element says so, marks it busy, and shows on it when Slack could not deliver it. */
async function act(node, element, block, value, context) {
  if (node.getAttribute("aria-busy") === "true") return false;
  if (element.confirm && !(await confirmed(element.confirm))) return false;
  node.classList.remove("failed");
  node.setAttribute("aria-busy", "true");
  const trouble = await context.act(element, block, value);
  node.removeAttribute("aria-busy");
  if (trouble) {
    node.classList.add("failed");
    node.title = trouble;
    node.parentElement?.querySelector(":scope > .trouble")?.remove();
    node.after(el("span", { class: "trouble", role: "alert" }, trouble));
  }
  return !trouble;
}

function button(element, block, context) {
  const label = el("span", {}, text(element.text));
  const look = {
    class: `button ${element.style ?? ""}`,
    data: { focus: `${block.block_id}/${element.action_id}/${element.value ?? ""}`, action: element.action_id ?? "" },
    "aria-label": element.accessibility_label,
  };
  const failed = context.failed?.includes(element.action_id);
  if (failed) Object.assign(look, { class: `${look.class} failed`, title: "The app did not answer the last click" });
  const pressed = (event) => act(event.currentTarget, element, block, element.value, context);
  if (element.url)
    return el(
      "a",
      {
        ...look,
        href: /^https?:/i.test(element.url) ? element.url : undefined,
        target: "_blank",
        rel: "noopener noreferrer",
        on: { click: pressed },
      },
      label,
    );
  return el("button", { ...look, type: "button", on: { click: pressed } }, label);
}

function select(element, block, context) {
  const node = el(
    "select",
    { class: "select", data: { focus: `${block.block_id}/${element.action_id}`, action: element.action_id ?? "" } },
    choices(element, text),
  );
  let before = node.value;
  node.addEventListener("change", async () => {
    if (await act(node, element, block, node.value, context)) before = node.value;
    else node.value = before;
  });
  return node;
}

// Inputs outside an input block (radio buttons in a section, say) act at once.
function acting(element, block, context) {
  const field = input(element, { initial: context.typed?.(block, element), text });
  if (!field) return undrawn(element.type);
  field.node.addEventListener("change", () => act(field.node, element, block, field.value(), context));
  return field.node;
}

export function placed(item, block, context) {
  if (item.type === "button") return button(item, block, context);
  if (item.type === "static_select") return select(item, block, context);
  if (item.type === "image") return picture(item);
  return acting(item, block, context);
}

const BLOCKS = {
  header: (b) => el("h3", { class: "header" }, text(b.text)),
  divider: () => el("hr", {}),
  section: (b, context) => {
    const body = el(
      "div",
      { class: "text" },
      b.text && el("div", {}, text(b.text)),
      b.fields &&
        el(
          "div",
          { class: "fields" },
          b.fields.map((field) => el("div", { class: "field" }, text(field))),
        ),
    );
    return el(
      "div",
      { class: "section" },
      body,
      b.accessory && el("div", { class: "accessory" }, placed(b.accessory, b, context)),
    );
  },
  context: (b) =>
    el(
      "div",
      { class: "context" },
      b.elements.map((item) => (item.type === "image" ? picture(item) : el("span", {}, text(item)))),
    ),
  actions: (b, context) =>
    el(
      "div",
      { class: "actions" },
      b.elements.map((item) => placed(item, b, context)),
    ),
  image: (b) => el("figure", {}, b.title && el("figcaption", {}, text(b.title)), picture(b)),
  rich_text: richText,
  table,
  input: (b, context) => (context.field ? context.field(b) : undrawn("input")),
};

/** `context.act(element, block, value)` delivers an action and answers a line of trouble or nothing;
 *  `context.field(block)` draws an input block, `context.typed(block, element)` is what stands in it: both in views only. */
export function blocks(list, context) {
  return (list ?? []).map((block) => {
    const draw = Object.hasOwn(BLOCKS, block.type) ? BLOCKS[block.type] : () => undrawn(block.type);
    return el("div", { class: "block", data: { block: block.block_id ?? "" } }, draw(block, context));
  });
}
