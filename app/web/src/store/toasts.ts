// Short messages above the page. One region tells screen readers.

import { signal } from "@preact/signals";
import { key } from "../api.js";

export interface Toast { id: string; text: string; href?: string; undo?: () => void; about?: string }

export const toasts = signal<readonly Toast[]>([]);

const MOST = 3;

/** Shows a message. One about the same thing as another that is shown takes its place. */
export function toast(text: string, more: Omit<Toast, "id" | "text"> = {}) {
  const one = { id: key(), text, ...more };
  toasts.value = [...toasts.value.filter((x) => !more.about || x.about !== more.about), one].slice(-MOST);
}

export function dismiss(id: string) {
  toasts.value = toasts.value.filter((x) => x.id !== id);
}
