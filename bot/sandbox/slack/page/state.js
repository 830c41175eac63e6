/** What this tab knows: who it is, where it is, and the workspace's directory. */

export const app = {
  user: "oncall",
  place: "ops",
  me: null,
  personas: [],
  channels: [],
  commands: [],
  groups: [],
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

/** Handle of a user group. */
export const groupName = (id) => app.groups.find((one) => one.id === id)?.handle ?? id;

export const channelName = (id) => app.channels.find((one) => one.id === id)?.name ?? id;

/** "guest", "external" (of another team than most), or nothing. */
export function standing(one) {
  const home = app.personas.filter((other) => other.team === one.team).length > app.personas.length / 2;
  return one.external || !home ? "external" : one.guest ? "guest" : null;
}
