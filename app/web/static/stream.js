// One event stream for a whole browser. The tab that holds the lock opens it; every tab hears it through a
// broadcast channel. A browser gives one site six connections over HTTP/1.1: a stream in each tab would use
// them up.

const TYPES = ["notification", "notification.updated", "notification.removed", "read_state", "follow.changed",
  "post.created", "post.updated", "post.deleted", "user.deleted", "ready", "gap", "bye"];

// follow starts the stream for one user after a cursor, calls on(type, data) in every tab, and returns a
// function that stops it. state(open) tells whether events arrive now.
export function follow(userID, cursor, on, state) {
  const place = `belfry-position-${userID}`;
  const channel = new BroadcastChannel(`belfry-events-${userID}`);
  const stop = new AbortController();
  let source = null;
  let timer = 0;

  const hear = (message) => {
    if (message.kind === "state") state(message.open);
    else on(message.type, message.data);
  };
  channel.onmessage = (event) => {
    if (event.data.kind === "ask") {
      if (source) channel.postMessage({ kind: "state", open: source.readyState === EventSource.OPEN });
      return;
    }
    hear(event.data);
  };
  const tell = (message) => { channel.postMessage(message); hear(message); };

  const open = () => {
    const last = localStorage.getItem(place) || cursor;
    source = new EventSource("/v1/events?posts=all" + (last ? "&after=" + encodeURIComponent(last) : ""));
    source.onopen = () => tell({ kind: "state", open: true });
    source.onerror = () => {
      tell({ kind: "state", open: false });
      if (source.readyState === EventSource.CLOSED && !stop.signal.aborted) {
        // The browser has given up: a proxy answered for us. Begin anew, not all at once.
        timer = setTimeout(open, 3000 + Math.random() * 7000);
      }
    };
    for (const type of TYPES) {
      source.addEventListener(type, (event) => {
        if (event.lastEventId) localStorage.setItem(place, event.lastEventId);
        tell({ kind: "event", type, data: JSON.parse(event.data) });
      });
    }
  };

  const lead = () => new Promise((done) => {
    open();
    stop.signal.addEventListener("abort", () => { clearTimeout(timer); source.close(); source = null; done(); });
  });
  if (navigator.locks) {
    navigator.locks.request(`belfry-stream-${userID}`, { signal: stop.signal }, lead).catch(() => {});
  } else {
    lead(); // no locks without a secure context: one stream for each tab then
  }
  channel.postMessage({ kind: "ask" });

  return () => { stop.abort(); channel.close(); };
}

// begin remembers where a fresh page starts, so that what its lists hold is not told again.
export function begin(userID, cursor) {
  if (cursor) localStorage.setItem(`belfry-position-${userID}`, cursor);
}
