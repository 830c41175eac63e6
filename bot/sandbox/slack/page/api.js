/** HTTP of the simulator's page and of the sandbox's console, both on this page's own origin. */

/** An answer other than 2xx. `status` is 0 when there was no answer at all. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
    });
  } catch {
    throw new Refused(0, "The sandbox does not answer.");
  }
  const text = await answer.text();
  let data = {};
  try {
    data = text ? JSON.parse(text) : {};
  } catch {
    data = { error: text.slice(0, 200) };
  }
  if (!answer.ok) throw new Refused(answer.status, String(data.error ?? `${method} ${path}: ${answer.status}`));
  return data;
}

/** GET with a query; parameters that are undefined are left out. */
export function read(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return call("GET", given.length ? `${path}?${new URLSearchParams(given)}` : path);
}

export const post = (path, body) => call("POST", path, body);
export const remove = (path) => call("DELETE", path);

/** Server-sent events for one persona; calls `changed({what, channel?})` and `link(up)`. Returns a function that ends it. */
export function live(user, changed, link) {
  const source = new EventSource(`/live?user=${encodeURIComponent(user)}`);
  source.onopen = () => link(true);
  source.onerror = () => link(false);
  source.onmessage = (event) => {
    const news = JSON.parse(event.data);
    if (news.kind === "changed") changed(news);
  };
  return () => source.close();
}

/** Runs `work` at most once at a time; calls meanwhile lead to exactly one more run, so the last state always shows. */
export function coalesced(work) {
  let running = null;
  let again = false;
  return function run() {
    if (running) {
      again = true;
      return running;
    }
    running = (async () => {
      try {
        do {
          again = false;
          await work();
        } while (again);
      } finally {
        running = null;
      }
    })();
    return running;
  };
}
