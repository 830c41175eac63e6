/** What this tab knows: who it is, where it is, and the workspace's directory. */

export const app = {
  user: "oncall",
  place: "ops",
  me: null,
  personas: [],
  channels: [],
  commands: [],
  bot: null,
  botConnected: true,
  unread: new Set(),
};

export const HOME = "home";

/** The channel in view, null on the App Home. */
export const channel = () => app.channels.find((one) => one.name === app.place) ?? null;

/** Hash of a persona and a place: `#oncall`, `#lead/drills`, `#dev/home`. */
export const hash = (user, place) => (place === "ops" ? `#${user}` : `#${user}/${place}`);

export function fromHash() {
  const [user, place] = decodeURIComponent(location.hash.slice(1)).split("/");
  app.user = user || "oncall";
  app.place = place || "ops";
}

/** Name to show for a Slack user id, and whether it is the reader. */
export function person(id) {
  const known = app.personas.find((one) => one.id === id);
  if (known) return { name: known.name, mine: known.id === app.me?.id };
  return { name: app.bot && id === app.bot.id ? app.bot.name : id, mine: false };
}

export const channelName = (id) => app.channels.find((one) => one.id === id)?.name ?? id;
