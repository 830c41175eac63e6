/** "Are you sure?": a button's confirm object as a dialog. */

import { byId, el } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { mrkdwn } from "./mrkdwn.js";

const words = (object, otherwise) =>
  object ? (object.type === "mrkdwn" ? mrkdwn(object.text) : withEmoji(object.text)) : otherwise;

/** Resolves to true when the reader confirms; Esc and the other button are a no. */
export function confirmed(question) {
  const dialog = byId("confirm");
  return new Promise((resolve) => {
    const answer = (yes) => () => dialog.close(yes ? "yes" : "");
    dialog.returnValue = "";
    dialog.replaceChildren(
      el("h2", { id: "confirm-title" }, words(question.title, "Are you sure?")),
      el("div", { class: "body" }, words(question.text, "")),
      el(
        "footer",
        {},
        el("button", { type: "button", class: "button", on: { click: answer(false) } }, words(question.deny, "No")),
        el(
          "button",
          {
            type: "button",
            class: `button ${question.style ?? "primary"}`,
            autofocus: true,
            on: { click: answer(true) },
          },
          words(question.confirm, "Yes"),
        ),
      ),
    );
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
}
