// The HTTP API: one function, and the errors it throws.

export class Problem extends Error {
  constructor(body, status) {
    super(body?.errors?.[0]?.detail || body?.detail || body?.title || `The server answered ${status}.`);
    this.status = status;
    this.code = body?.code || "";
    this.fields = body?.errors || [];
  }
}

// call asks the server and returns { body, cursor }: cursor is the Belfry-Cursor of lists, or null.
export async function call(method, path, input) {
  const init = { method, headers: { Accept: "application/json" }, credentials: "same-origin" };
  if (input !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(input);
  }
  if (method === "POST") init.headers["Idempotency-Key"] = crypto.randomUUID?.() || String(Math.random()).slice(2);
  let response;
  for (let attempt = 0; ; attempt++) {
    try {
      response = await fetch(path, init); // a repeated POST is safe: it carries its key
      break;
    } catch (err) {
      if (attempt === 2) throw new Problem({ detail: "The server cannot be reached." }, 0);
      await new Promise((done) => setTimeout(done, 400 * (attempt + 1)));
    }
  }
  const body = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Problem(body, response.status);
  return { body, cursor: response.headers.get("Belfry-Cursor") };
}

export const get = async (path) => (await call("GET", path)).body;
