// Small helpers for building the page. Text only ever becomes text nodes.

export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
    else if (key === "class") el.className = value;
    else if (value === true) el.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) el.setAttribute(key, value);
  }
  return put(el, ...children);
}

// put appends children, leaving out what is not there.
export function put(el, ...children) {
  el.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

const ICONS = {
  bell: "M12 3c-3.300 0-5.300 2.400-5.300 5.600 0 3.400-1 4.400-1.700 5.200-.4.500-.1 1.200.6 1.200h12.800c.7 0 1-.7.6-1.200-.7-.8-1.700-1.800-1.700-5.200C17.300 5.400 15.300 3 12 3zM10 17a2 2 0 0 0 4 0z",
  muted: "M12 3c-1.200 0-2.200.3-3 .9l8.300 8.300c-.2-.9-.300-2-.300-3.600C17.300 5.400 15.300 3 12 3zM4.300 4.300 3.200 5.400l3.600 3.600c-.1 3-1 4-1.600 4.700-.4.500-.1 1.200.6 1.200h7l4.700 4.700 1.100-1.100zM10 17a2 2 0 0 0 4 0z",
  comment: "M4 4h16a1.500 1.500 0 0 1 1.500 1.500v9A1.500 1.500 0 0 1 20 16h-8.500L7 20v-4H4a1.500 1.500 0 0 1-1.500-1.500v-9A1.500 1.500 0 0 1 4 4z",
  heart: "M12 20.500C7 16.500 3 13 3 8.900 3 6.200 5.100 4 7.700 4c1.700 0 3.300.9 4.300 2.400C13 4.900 14.600 4 16.300 4 18.900 4 21 6.200 21 8.900c0 4.100-4 7.600-9 11.600z",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
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
