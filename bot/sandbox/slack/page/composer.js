/** Where people type: messages, and slash commands completed by keyboard. */

import { post } from "./api.js";
import { trouble } from "./click.js";
import { el } from "./dom.js";
import { app } from "./state.js";

const drafts = new Map(); // where -> text
const spoken = []; // commands of this tab, newest last

export class Composer {
  #matches = [];
  #at = 0;
  #recalled = 0;
  #where = "";

  /** `target()` is `{channel, thread_ts?}` or null; `threads` tells that commands do not work here. */
  constructor(form, { target, threads = false }) {
    this.form = form;
    this.target = target;
    this.threads = threads;
    const id = `${form.id}-list`;
    this.menu = el("ul", { class: "menu", id, role: "listbox", hidden: true });
    this.usage = el("p", { class: "usage", role: "status" });
    this.notice = el("p", { class: "notice", role: "alert", hidden: true });
    this.box = el("textarea", {
      rows: 1,
      "aria-label": threads ? "Reply" : "Message",
      "aria-autocomplete": "list",
      "aria-controls": id,
      spellcheck: false,
    });
    form.replaceChildren(
      this.notice,
      this.menu,
      el("div", { class: "line" }, this.box, el("button", { class: "button primary", type: "submit" }, "Send")),
      this.usage,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.box.addEventListener("input", () => this.#typed());
    this.box.addEventListener("keydown", (event) => this.#key(event));
    this.box.addEventListener("blur", () => this.#show([]));
    this.box.addEventListener("focus", () => this.#typed());
  }

  /** Moves to another place: its own draft, its own placeholder. */
  at(where, placeholder) {
    this.#where = where;
    this.box.placeholder = placeholder;
    this.box.value = drafts.get(where) ?? "";
    this.notice.hidden = true;
    this.#typed();
  }

  #typed() {
    const text = this.box.value;
    drafts.set(this.#where, text);
    this.box.rows = Math.min(8, text.split("\n").length);
    const command = text.match(/^\/\S*/)?.[0];
    const whole = command && app.commands.find((one) => one.command === command);
    const choosing = !this.threads && command !== undefined && command === text && document.activeElement === this.box;
    this.#show(choosing ? app.commands.filter((one) => one.command.startsWith(text)) : []);
    this.usage.replaceChildren(...this.#hint(command, whole));
  }

  #hint(command, whole) {
    if (command && this.threads) return ["Slack delivers no commands from a thread: type it in the channel."];
    if (whole)
      return [
        el("b", {}, whole.command),
        " ",
        el("span", { class: "args" }, whole.usage_hint ?? ""),
        el("span", { class: "what" }, whole.description ?? ""),
      ];
    if (!this.box.value)
      return [
        el(
          "span",
          { class: "what" },
          this.threads
            ? "Enter sends · Esc closes the thread"
            : "/ for commands · Enter sends · Shift Enter new line · ↑ last command",
        ),
      ];
    return [];
  }

  #show(matches) {
    if (matches.length !== this.#matches.length || matches.some((one, i) => one !== this.#matches[i])) this.#at = 0;
    this.#matches = matches;
    this.menu.hidden = matches.length === 0;
    this.menu.replaceChildren(
      ...matches.map((one, index) =>
        el(
          "li",
          {
            role: "option",
            id: `${this.menu.id}-${index}`,
            "aria-selected": String(index === this.#at),
            on: {
              mousedown: (event) => {
                event.preventDefault();
                this.#complete(one);
              },
            },
          },
          el("b", {}, one.command),
          " ",
          el("span", { class: "args" }, one.usage_hint ?? ""),
          el("span", { class: "what" }, one.description ?? ""),
        ),
      ),
    );
    this.menu.children[this.#at]?.scrollIntoView({ block: "nearest" });
    if (matches.length) this.box.setAttribute("aria-activedescendant", `${this.menu.id}-${this.#at}`);
    else this.box.removeAttribute("aria-activedescendant");
  }

  #complete(one) {
    this.box.value = `${one.command} `;
    this.box.focus();
    this.#typed();
  }

  #key(event) {
    const choosing = this.#matches.length > 0;
    const one = this.#matches[this.#at];
    const keys = {
      ArrowDown: choosing && (() => this.#move(1)),
      ArrowUp: choosing
        ? () => this.#move(-1)
        : !this.threads && (this.box.value === "" || this.#recalled > 0) && spoken.length && (() => this.#recall()),
      Tab: choosing && (() => this.#complete(one)),
      Enter:
        !event.shiftKey &&
        !event.isComposing &&
        (choosing && one.command !== this.box.value ? () => this.#complete(one) : () => this.#send()),
      Escape: choosing && (() => this.#show([])),
    };
    if (event.key !== "ArrowUp") this.#recalled = 0;
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  #move(step) {
    this.#at = (this.#at + step + this.#matches.length) % this.#matches.length;
    this.#show(this.#matches);
  }

  #recall() {
    this.#recalled = Math.min(this.#recalled + 1, spoken.length);
    this.box.value = spoken.at(-this.#recalled);
    this.#typed();
  }

  async #send() {
    const text = this.box.value.trim();
    const target = this.target();
    if (!text || !target) return;
    if (text.startsWith("/") && spoken.at(-1) !== text) spoken.push(text);
    this.box.value = "";
    this.#recalled = 0;
    this.#typed();
    this.#say("");
    try {
      const answer = await post("/page/send", { user: app.user, ...target, text: named(text) });
      if (answer.ok === false && answer.error) this.#say(trouble(answer.error));
    } catch (refused) {
      this.#say(refused.message);
      if (!this.box.value) this.box.value = text; // nothing typed is lost
      this.#typed();
    }
  }

  #say(text) {
    this.notice.textContent = text;
    this.notice.hidden = !text;
  }
}

/** `@lead` and `@signalbox` as Slack's client would send them. */
function named(text) {
  const known = new Map(app.personas.map((one) => [one.name.toLowerCase(), one.id]));
  if (app.bot) known.set(app.bot.name.toLowerCase(), app.bot.id);
  return text.replace(/(?<![\w<])@([\w-]+)/g, (whole, name) =>
    known.has(name.toLowerCase()) ? `<@${known.get(name.toLowerCase())}>` : whole,
  );
}
