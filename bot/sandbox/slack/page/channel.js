/** The middle pane: a channel's messages, or the App Home. */

import { coalesced, read } from "./api.js";
import { byId, el, sync } from "./dom.js";
import { openHome, refreshHome } from "./home.js";
import { message } from "./message.js";
import { Scroll } from "./scroll.js";
import { app, channel, HOME } from "./state.js";
import { offerThread, openThread } from "./thread.js";

const list = byId("channel-messages");
const scroll = new Scroll(byId("channel-scroll"), byId("channel-latest"));
let newest = "";

const ABOUT = { ops: "changes and incidents", drills: "rehearsals of the calendar", random: "everything else" };

/** Fetches and draws what the channel holds now. */
export const refreshChannel = coalesced(async () => {
  if (app.place === HOME) return refreshHome();
  const here = channel();
  if (!here) return;
  const { messages } = await read("/page/messages", { user: app.user, channel: here.id });
  if (channel() !== here) return;
  scroll.around(() => {
    sync(
      list,
      messages,
      (one) => `${here.id}/${one.ts}${one.ephemeral ? "/e" : ""}`,
      (one) => message(one, here.id, (ts) => openThread(here.id, ts, true)),
    );
    if (!messages.length)
      list.replaceChildren(el("li", { class: "empty" }, "Nothing yet. Type / to see the commands."));
    const last = messages.at(-1)?.ts ?? "";
    const news = last > newest;
    newest = last;
    return news;
  });
  offerThread(here.id, messages);
});

/** Shows the place that the state names. */
export async function showPlace() {
  const home = app.place === HOME;
  const here = channel();
  byId("channel-title").textContent = home || here?.direct ? "Signalbox" : `# ${here?.name ?? app.place}`;
  byId("channel-sub").textContent = home
    ? "App Home"
    : (ABOUT[here?.name] ?? (here?.direct ? "direct messages" : here ? "" : "no such channel"));
  byId("channel-composer").hidden = home;
  list.hidden = home;
  byId("home").hidden = !home;
  list.replaceChildren();
  newest = "";
  app.unread.delete(here?.id);
  scroll.down();
  await (home ? openHome() : refreshChannel());
}
