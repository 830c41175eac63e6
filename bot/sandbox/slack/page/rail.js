/** The left rail: places, personas, whether the bot is there; and Ctrl+K. */

import { byId, el } from "./dom.js";
import { avatar } from "./message.js";
import { app, hash, HOME, standing } from "./state.js";

/** Draws the rail from the state. */
export function drawRail() {
  const places = [
    ...app.channels.map((one) => ({
      place: one.name,
      label: one.direct ? "Messages with Signalbox" : `# ${one.name}`,
      id: one.id,
    })),
    { place: HOME, label: "App Home" },
  ];
  byId("places").replaceChildren(
    ...places.map(({ place, label, id }) =>
      el(
        "li",
        {},
        el(
          "a",
          {
            href: hash(app.user, place),
            class: app.unread.has(id) ? "unread" : "",
            "aria-current": app.place === place ? "page" : undefined,
          },
          label,
        ),
      ),
    ),
  );
  byId("personas").replaceChildren(
    ...app.personas.map((one) =>
      el(
        "li",
        {},
        el(
          "a",
          { href: hash(one.name, app.place), "aria-current": one.name === app.user ? "true" : undefined },
          avatar(one.name),
          el("span", {}, `@${one.name}`),
          standing(one) && el("small", {}, standing(one)),
        ),
      ),
    ),
  );
  drawBot();
}

/** The mark that tells whether commands will be heard. */
export function drawBot() {
  const bot = byId("bot");
  bot.className = app.botConnected ? "bot" : "bot gone";
  bot.textContent = app.botConnected ? "Bot connected" : "Bot away";
  const away = byId("away");
  away.hidden = app.botConnected;
  away.textContent = "Signalbox is away: Slack has no one to deliver commands and clicks to.";
  document.title = `${app.botConnected ? "" : "⚠ "}@${app.user} · ${app.place === HOME ? "App Home" : `#${app.place}`} · Signalbox sandbox`;
}

/** Ctrl+K: type a few letters of a persona, Enter. */
export function switcher() {
  const dialog = byId("switch");
  const box = el("input", {
    type: "text",
    class: "write",
    placeholder: "Become…",
    "aria-label": "Persona",
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": "switch-list",
    autocomplete: "off",
  });
  const list = el("ul", { id: "switch-list", role: "listbox" });
  let at = 0;
  let found = [];
  const go = (one) => {
    dialog.close();
    if (one) location.hash = hash(one.name, app.place);
  };
  const draw = () => {
    const sought = box.value.trim().toLowerCase().replace(/^@/, "");
    found = app.personas.filter((one) => `${one.name} ${one.real_name}`.toLowerCase().includes(sought));
    at = Math.min(at, Math.max(0, found.length - 1));
    list.replaceChildren(
      ...found.map((one, index) =>
        el(
          "li",
          { role: "option", "aria-selected": String(index === at), on: { click: () => go(one) } },
          avatar(one.name),
          el("span", {}, `@${one.name}`),
          el("small", {}, standing(one) ?? one.real_name),
        ),
      ),
    );
    list.children[at]?.scrollIntoView({ block: "nearest" });
  };
  box.addEventListener("input", () => {
    at = 0;
    draw();
  });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") go(found[at]);
    else if (step && found.length) at = (at + step + found.length) % found.length;
    else return;
    event.preventDefault();
    draw();
  });
  dialog.replaceChildren(box, list);
  draw();
  if (!dialog.open) dialog.showModal();
  box.focus();
}
