// Short messages above the page. One region tells screen readers.

import { signal } from "@preact/signals";
import { key } from "../api.js";

/** A message. One that can be undone is shown until its time is over; then comes ended. */
export interface Toast { id: string; text: string; href?: string; undo?: () => void; ended?: () => unknown; about?: string }

export const toasts = signal<readonly Toast[]>([]);

const MOST = 3;

/** Shows a message. One about the same thing as another that is shown takes its place. */
export function toast(text: string, more: Omit<Toast, "id" | "text"> = {}) {
  const rest = toasts.value.filter((x) => !more.about || x.about !== more.about);
  let over = rest.length + 1 - MOST;
  toasts.value = [...rest.filter((x) => x.undo || over-- <= 0), { id: key(), text, ...more }];
}

export function dismiss(of: Toast, undone = false): unknown {
  if (!toasts.peek().includes(of)) return;
  toasts.value = toasts.peek().filter((x) => x !== of);
  return undone ? of.undo!() : of.ended?.();
}

/** Does at once what waits for its message to end. */
export const settle = () => Promise.all(toasts.peek().map((x) => x.ended && dismiss(x)));

addEventListener("pagehide", () => void settle());
