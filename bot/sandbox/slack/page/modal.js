/** The stack of modals: the top one is shown, what was typed survives an update. */

import { coalesced, post, read } from "./api.js";
import { blocks, text, undrawn } from "./blocks.js";
import { clicks, trouble as words } from "./click.js";
import { byId, el } from "./dom.js";
import { given, input } from "./inputs.js";
import { app } from "./state.js";

const typed = new Map(); // view id -> {"block/action": value}
let top = null;
let fields = [];
let shape = "";

const key = (blockId, actionId) => `${blockId}/${actionId}`;

/** An input block of `view`: label, field, hint, place for its error. */
function field(view) {
  return (block) => {
    const before = typed.get(view.id) ?? {};
    const name = key(block.block_id, block.element.action_id);
    const made = input(block.element, { initial: before[name], text });
    if (!made) return undrawn(block.element.type);
    const keep = () => typed.set(view.id, { ...typed.get(view.id), [name]: made.value() });
    made.node.addEventListener("input", keep);
    made.node.addEventListener("change", keep);
    made.node.dataset.focus = name;
    const error = el("p", { class: "error", role: "alert", hidden: true });
    const group = made.node.classList.contains("boxes");
    fields.push({ block, value: made.value, node: made.node, error });
    return el(
      group ? "fieldset" : "label",
      { class: "input" },
      el(group ? "legend" : "span", { class: "label" }, text(block.label), block.optional && el("em", {}, " optional")),
      made.node,
      block.hint && el("small", { class: "hint" }, text(block.hint)),
      error,
    );
  };
}

function complain(errors) {
  let first = null;
  for (const { block, node, error } of fields) {
    const said = errors[block.block_id];
    error.textContent = said ?? "";
    error.hidden = !said;
    node.classList.toggle("wrong", Boolean(said));
    if (said) first ??= node.matches(".boxes") ? node.querySelector("input") : node;
  }
  first?.focus();
}

function trouble(said) {
  const line = byId("view").querySelector(".trouble");
  line.textContent = said ?? "";
  line.hidden = !said;
}

async function submit(view) {
  const missing = fields.filter(({ block, value }) => !block.optional && !given(value()));
  complain(Object.fromEntries(missing.map(({ block }) => [block.block_id, "Please fill this in."])));
  trouble(null);
  if (missing.length) return;
  const values = {};
  for (const { block, value } of fields) (values[block.block_id] ??= {})[block.element.action_id] = value();
  const send = byId("view").querySelector("[data-submit]");
  send.setAttribute("aria-busy", "true");
  try {
    const answer = await post("/page/submit", { user: app.user, view_id: view.id, values });
    if (answer.errors) complain(answer.errors);
    else if (answer.ok === false || answer.error) trouble(answer.notice ?? words(answer.error));
  } catch (refused) {
    trouble(refused.message);
  } finally {
    send.removeAttribute("aria-busy");
  }
  await refreshViews();
}

async function close(view) {
  typed.delete(view.id);
  await post("/page/close", { user: app.user, view_id: view.id }).catch((refused) => trouble(refused.message));
  await refreshViews();
}

function draw(view, depth) {
  const dialog = byId("view");
  const held = dialog.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const sameView = top?.id === view.id;
  const scrolled = sameView ? dialog.querySelector(".body")?.scrollTop : 0;
  fields = [];
  const back = depth > 1;
  dialog.replaceChildren(
    el(
      "form",
      {
        novalidate: true,
        on: {
          submit: (event) => {
            event.preventDefault();
            submit(view);
          },
        },
      },
      el(
        "header",
        {},
        back &&
          el("button", { type: "button", class: "icon", "aria-label": "Back", on: { click: () => close(view) } }, "←"),
        el("h2", { id: "view-title" }, text(view.title)),
        el(
          "button",
          {
            type: "button",
            class: "icon",
            "aria-label": "Close",
            title: "Close (Esc)",
            on: { click: () => close(view) },
          },
          "×",
        ),
      ),
      el(
        "div",
        { class: "body", tabindex: -1, autofocus: true },
        blocks(view.blocks, { act: clicks({ view_id: view.id }), field: field(view), typed: () => undefined }),
      ),
      el("p", { class: "trouble", role: "alert", hidden: true }),
      el(
        "footer",
        {},
        el(
          "button",
          { type: "button", class: "button", on: { click: () => close(view) } },
          view.close ? text(view.close) : view.submit ? "Cancel" : "Close",
        ),
        view.submit &&
          el("button", { type: "submit", class: "button primary", data: { submit: "" } }, text(view.submit)),
      ),
    ),
  );
  top = view;
  if (!dialog.open) dialog.showModal();
  trouble(view.notice);
  if (sameView) dialog.querySelector(".body").scrollTop = scrolled;
  const focus = held && dialog.querySelector(`[data-focus="${CSS.escape(held)}"]`);
  (
    focus ||
    (sameView ? null : fields[0]?.node.matches(".boxes") ? fields[0].node.querySelector("input") : fields[0]?.node)
  )?.focus();
  if (Object.keys(view.errors ?? {}).length) complain(view.errors);
}

/** Shows what the simulator says is open for this persona. */
export const refreshViews = coalesced(async () => {
  const { views } = await read("/page/views", { user: app.user });
  const view = views.at(-1);
  if (!view) {
    top = null; // before close(): the listener below then knows that this one was ours
    shape = "";
    typed.clear();
    if (byId("view").open) byId("view").close();
    return;
  }
  const now = JSON.stringify({ ...view, state: null, hash: null, depth: views.length });
  if (now === shape && byId("view").open) return;
  shape = now;
  draw(view, views.length);
});

byId("view").addEventListener("cancel", (event) => {
  event.preventDefault();
  if (top) close(top);
});

// A browser lets a second Esc through although the first was refused.
byId("view").addEventListener("close", () => top && close(top));
