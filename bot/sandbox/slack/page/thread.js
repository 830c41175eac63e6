/** The right pane: one thread, beside its channel. */

import { coalesced, read, Refused } from "./api.js";
import { byId, el, sync } from "./dom.js";
import { message } from "./message.js";
import { Scroll } from "./scroll.js";
import { app, channelName } from "./state.js";

const pane = byId("thread");
const list = byId("thread-messages");
const scroll = new Scroll(byId("thread-scroll"), byId("thread-latest"));
let open = null; // {channel, ts}
let chosen = false; // by the reader: then no newer change takes its place
let newest = "";

export const openedThread = () => open;

export const refreshThread = coalesced(async () => {
  const at = open;
  if (!at) return;
  let messages;
  try {
    ({ messages } = await read("/page/messages", { user: app.user, channel: at.channel, thread: at.ts }));
  } catch (refused) {
    if (refused instanceof Refused && refused.status >= 400) return closeThread();
    throw refused;
  }
  if (open !== at) return;
  scroll.around(() => {
    sync(
      list,
      messages,
      (one) => `${at.ts}/${one.ts}${one.ephemeral ? "/e" : ""}`,
      (one) => message(one, at.channel),
    );
    const last = messages.at(-1)?.ts ?? "";
    const news = last > newest;
    newest = last;
    return news;
  });
  byId("thread-sub").textContent = `in #${channelName(at.channel)}`;
});

/** `byReader`: asked for, so it stays and takes the keyboard. */
export async function openThread(channel, ts, byReader = false) {
  const same = open?.ts === ts && open.channel === channel;
  chosen = byReader;
  if (!same) {
    open = { channel, ts };
    newest = "";
    list.replaceChildren();
    pane.classList.remove("idle");
    mark();
    scroll.down();
    await refreshThread();
  }
  if (byReader) byId("thread-composer").querySelector("textarea")?.focus();
}

export function closeThread() {
  open = null;
  chosen = true;
  idle();
  mark();
}

/** Nothing open, and the next change with a thread may show itself. */
export function resetThread() {
  open = null;
  chosen = false;
  idle();
}

function idle() {
  pane.classList.add("idle");
  byId("thread-sub").textContent = "";
  list.replaceChildren(el("li", { class: "empty" }, "A change and its run show here."));
}

function mark() {
  for (const node of document.querySelectorAll("#channel-messages > .message"))
    node.classList.toggle("open", node.dataset.ts === open?.ts);
}

const decides = (one) => one.author?.bot && one.blocks?.some((block) => block.type === "actions");

/** Opens the newest thread with an open change (the app's card still has buttons, or its run still speaks),
 *  unless the reader chose or closed one, or is writing in the one that is open. */
export function offerThread(channel, messages) {
  mark();
  if (chosen || byId("thread-composer").querySelector("textarea")?.value) return;
  const cards = messages.filter((one) => !one.ephemeral && one.author?.bot);
  const best = cards.findLast(decides) ?? cards.findLast((one) => one.reply_count > 0);
  const ts = best?.thread_ts ?? best?.ts;
  if (best && (open?.ts !== ts || open.channel !== channel)) openThread(channel, ts);
}

byId("thread-close").addEventListener("click", closeThread);
