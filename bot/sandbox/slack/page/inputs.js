/** Form elements of Block Kit. Each has a node, and `value()` as `/page/submit` wants it. */

import { el } from "./dom.js";

/** `<option>`s of a select, groups too; `text` draws text objects. */
export function choices(element, text, initial = element.initial_option?.value) {
  const option = (one) => el("option", { value: one.value, selected: one.value === initial }, text(one.text));
  return [
    el(
      "option",
      { value: "", disabled: true, hidden: true, selected: initial === undefined || initial === null },
      text(element.placeholder ?? { text: "Select…" }),
    ),
    ...(element.options ?? []).map(option),
    ...(element.option_groups ?? []).map((group) =>
      el("optgroup", { label: group.label?.text ?? "" }, group.options.map(option)),
    ),
  ];
}

let groups = 0;

function boxes(kind, element, initial, text) {
  const name = `group-${++groups}`;
  const node = el(
    "div",
    { class: "boxes", role: kind === "radio" ? "radiogroup" : "group" },
    (element.options ?? []).map((one) =>
      el(
        "label",
        {},
        el("input", { type: kind, name, value: one.value, checked: initial.includes(one.value) }),
        el("span", {}, text(one.text), one.description && el("small", {}, text(one.description))),
      ),
    ),
  );
  return { node, chosen: () => [...node.querySelectorAll("input:checked")].map((box) => box.value) };
}

function written(tag, element, initial, attributes = {}) {
  const node = el(tag, {
    class: "write",
    placeholder: element.placeholder?.text,
    maxlength: element.max_length,
    minlength: element.min_length,
    ...attributes,
  });
  node.value = initial ?? "";
  return { node, value: () => node.value || null };
}

const moment = (seconds) => {
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

const KINDS = {
  plain_text_input: (e, given) =>
    e.multiline
      ? written("textarea", e, given ?? e.initial_value, { rows: 4 })
      : written("input", e, given ?? e.initial_value, { type: "text", autocomplete: "off" }),
  number_input: (e, given) =>
    written("input", e, given ?? e.initial_value, {
      type: "number",
      min: e.min_value,
      max: e.max_value,
      step: e.is_decimal_allowed ? "any" : 1,
    }),
  email_text_input: (e, given) => written("input", e, given ?? e.initial_value, { type: "email" }),
  url_text_input: (e, given) => written("input", e, given ?? e.initial_value, { type: "url" }),
  datepicker: (e, given) => written("input", e, given ?? e.initial_date, { type: "date" }),
  timepicker: (e, given) => written("input", e, given ?? e.initial_time, { type: "time" }),
  datetimepicker: (e, given) => {
    const start = given ?? e.initial_date_time;
    const field = written("input", e, start ? moment(start) : "", { type: "datetime-local" });
    return {
      node: field.node,
      value: () => (field.node.value ? Math.round(new Date(field.node.value).getTime() / 1000) : null),
    };
  },
  static_select: (e, given, text) => {
    const node = el("select", { class: "select" }, choices(e, text, given ?? e.initial_option?.value));
    return { node, value: () => node.value || null };
  },
  radio_buttons: (e, given, text) => {
    const { node, chosen } = boxes("radio", e, [given ?? e.initial_option?.value], text);
    return { node, value: () => chosen()[0] ?? null };
  },
  checkboxes: (e, given, text) => {
    const { node, chosen } = boxes("checkbox", e, given ?? (e.initial_options ?? []).map((one) => one.value), text);
    return { node, value: chosen };
  },
  multi_static_select: (e, given, text) => KINDS.checkboxes(e, given, text),
};

/** `{node, value()}` for an element, null when its type is not drawn. `initial` is what was typed before, if anything. */
export function input(element, { initial, text }) {
  if (!Object.hasOwn(KINDS, element.type)) return null;
  return KINDS[element.type](element, initial, text);
}

/** Whether a value counts as given for a required input. */
export const given = (value) => value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);
