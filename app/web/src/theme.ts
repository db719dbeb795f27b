// Colours: as the device says, or as the reader chose on it.

export type Theme = "auto" | "light" | "dark";

const KEY = "belfry theme";

export const chosen = (): Theme => {
  try { return (localStorage.getItem(KEY) as Theme) || "auto"; } catch { return "auto"; }
};

export function choose(x: Theme) {
  try { localStorage.setItem(KEY, x); } catch { /* for this page only, then */ }
  theme(x);
}

export function theme(x: Theme = chosen()) {
  document.documentElement.dataset.theme = x;
}
