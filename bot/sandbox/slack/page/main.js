/** Starts the page and keeps it up to date: who (hash), where, and what the simulator says changed. */

import { coalesced, live, read } from "./api.js";
import { refreshChannel, showPlace } from "./channel.js";
import { Composer } from "./composer.js";
import { byId } from "./dom.js";
import { refreshHome } from "./home.js";
import { refreshViews } from "./modal.js";
import { drawBot, drawRail, switcher } from "./rail.js";
import { app, channel, channelName, fromHash, hash, HOME } from "./state.js";
import { closeThread, openedThread, openThread, refreshThread, resetThread } from "./thread.js";
import { startWorld } from "./world.js";

const below = new Composer(byId("channel-composer"), { target: () => channel() && { channel: channel().id } });
const beside = new Composer(byId("thread-composer"), {
  target: () => openedThread() && { channel: openedThread().channel, thread_ts: openedThread().ts },
  threads: true,
});
beside.at("thread", "Reply in this thread");

const refreshState = coalesced(async () => {
  const state = await read("/page/state", { user: app.user });
  Object.assign(app, {
    me: state.me,
    personas: state.personas,
    channels: state.channels,
    commands: state.commands,
    groups: state.user_groups ?? [],
    bot: state.bot ?? null,
    botConnected: state.bot_connected,
  });
  drawRail();
});

function changed(news) {
  if (news.what === "messages") {
    const here = !news.channel || news.channel === channel()?.id;
    if (here) refreshChannel();
    else if (!app.unread.has(news.channel)) {
      app.unread.add(news.channel);
      drawRail();
    }
    if (!news.channel || news.channel === openedThread()?.channel) refreshThread();
  } else if (news.what === "views") refreshViews();
  else if (news.what === "home" && app.place === HOME) refreshHome();
  else if (news.what === "bot") refreshState();
}

let hangUp = () => {};

// After a gap nothing is known: everything is fetched anew.
function link(up) {
  document.body.classList.toggle("cut-off", !up);
  if (!up) {
    app.botConnected = false;
    drawBot();
    byId("away").textContent = "The sandbox itself does not answer. This page tries again by itself.";
    return;
  }
  refreshState().then(() => Promise.all([refreshChannel(), refreshThread(), refreshViews()]));
}

async function arrive() {
  const before = app.user;
  const wasAt = app.place;
  fromHash();
  const other = before !== app.user || app.me === null;
  if (other) {
    hangUp();
    resetThread();
    app.unread.clear();
    await refreshState();
    hangUp = live(app.user, changed, link);
    await refreshViews();
  } else if (wasAt === app.place) return;
  drawRail();
  below.at(`${app.user}/${app.place}`, `Message #${app.place} as @${app.user}`);
  await showPlace();
  drawRail();
  if (app.place !== HOME) byId("channel-composer").querySelector("textarea").focus({ preventScroll: true });
}

addEventListener("hashchange", arrive);

addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    switcher();
  } else if (event.key === "Escape" && !document.querySelector("dialog[open]") && openedThread()) {
    closeThread();
    byId("channel-composer").querySelector("textarea").focus();
  }
});

document.querySelector("[data-skip]").addEventListener("click", (event) => {
  event.preventDefault();
  byId("channel-composer").querySelector("textarea").focus();
});

// The app links to its own messages; in this page such a link opens the thread.
const ARCHIVE = /\/archives\/(\w+)\/p(\d+)(\d{6})(?:\?.*?thread_ts=([\d.]+))?/;

function openLink([, id, seconds, micros, thread]) {
  openThread(id, thread ?? `${seconds}.${micros}`, true);
  if (channelName(id) !== id && channel()?.id !== id) location.hash = hash(app.user, channelName(id));
}

addEventListener("click", (event) => {
  const found = event.target.closest?.("a[href]")?.href.match(ARCHIVE);
  if (!found) return;
  event.preventDefault();
  openLink(found);
});

// Opened by such a link from elsewhere: the channel, then the thread.
async function follow() {
  const found = location.pathname.match(ARCHIVE) && location.href.match(ARCHIVE);
  if (found) history.replaceState(null, "", `/${location.hash}`);
  await arrive();
  if (found) openLink(found);
}

startWorld();
follow();
