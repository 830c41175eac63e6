/** Elements from plain data. Text always goes in as text: nothing here parses HTML. */

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, heard] of Object.entries(value)) node.addEventListener(event, heard);
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element; `on` holds listeners, `data` the dataset, every other property is an attribute. */
export const el = (tag, props, ...children) => fill(document.createElement(tag), props, children);

/** The same for SVG. */
export const svg = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

export const byId = (id) => document.getElementById(id);

/** Makes `list` show `items`, keeping every element whose item did not change (and so its focus and its height).
 *  `key` names an item, `draw` makes its element. */
export function sync(list, items, key, draw) {
  const held = list.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  const known = new Map([...list.children].map((node) => [node.dataset.key, node]));
  let place = list.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const shape = JSON.stringify(item);
    let node = known.get(name);
    known.delete(name);
    if (node === undefined || node.drawnFrom !== shape) {
      const fresh = draw(item);
      fresh.dataset.key = name;
      fresh.drawnFrom = shape;
      if (node) {
        if (node === place) place = fresh;
        node.replaceWith(fresh);
      }
      node = fresh;
    }
    if (node === place) place = place.nextElementSibling;
    else list.insertBefore(node, place);
  }
  for (const gone of known.values()) gone.remove();
  if (held && document.activeElement === document.body) {
    list.querySelector(`[data-focus="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  }
}
