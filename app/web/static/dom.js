// Small helpers for building the page. Text only ever becomes text nodes.

export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
    else if (key === "class") el.className = value;
    else if (value === true) el.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) el.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) el.append(child);
  }
  return el;
}

const rtf = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export function ago(iso) {
  const seconds = (new Date(iso) - Date.now()) / 1000;
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return rtf.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

export function when(iso) {
  return h("time", { datetime: iso, title: new Date(iso).toLocaleString() }, ago(iso));
}

// rich turns a post's text into nodes: mentions become links. Offsets count code points.
export function rich(post) {
  const points = Array.from(post.text);
  const out = [];
  let at = 0;
  for (const m of [...post.mentions].sort((a, b) => a.start - b.start)) {
    out.push(points.slice(at, m.start).join(""));
    out.push(h("a", { href: `/@${m.username}` }, points.slice(m.start, m.end).join("")));
    at = m.end;
  }
  out.push(points.slice(at).join(""));
  return out;
}

// guard disables a control while its work runs and shows what went wrong beside it.
export function guard(control, errorBox, work) {
  return async (event) => {
    event?.preventDefault();
    control.disabled = true;
    if (errorBox) errorBox.textContent = "";
    try {
      await work(event);
    } catch (err) {
      if (errorBox) errorBox.textContent = err.message;
      else toast(err.message);
    } finally {
      control.disabled = false;
    }
  };
}

export function toast(text, href) {
  const box = document.getElementById("toasts");
  const el = h(href ? "a" : "div", { class: "toast", href }, text);
  box.append(el);
  while (box.children.length > 4) box.firstChild.remove();
  setTimeout(() => el.remove(), 6000);
}
