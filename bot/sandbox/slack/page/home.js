/** The App Home tab. */

import { post, read } from "./api.js";
import { blocks } from "./blocks.js";
import { clicks } from "./click.js";
import { byId, el } from "./dom.js";
import { app } from "./state.js";

let shape = "";

/** Tells the app that its Home was opened, as Slack does, then shows it. */
export async function openHome() {
  shape = "";
  byId("home").replaceChildren(el("p", { class: "empty" }, "Asking Signalbox for its Home…"));
  await post("/page/home", { user: app.user }).catch(() => {});
  await refreshHome();
}

export async function refreshHome() {
  const { view } = await read("/page/home", { user: app.user });
  const now = JSON.stringify(view ?? null);
  if (now === shape) return;
  shape = now;
  byId("home").replaceChildren(
    ...(view
      ? blocks(view.blocks, { act: clicks({ view_id: view.id }) })
      : [el("p", { class: "empty" }, "Signalbox has published no Home for this persona.")]),
  );
}
