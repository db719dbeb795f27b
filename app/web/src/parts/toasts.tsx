import { useEffect, useRef } from "preact/hooks";
import { dismiss, toasts, type Toast } from "../store/toasts.js";
import { t } from "../text.js";
import { Icon } from "./basics.js";

const GLANCE = 6_000; // milliseconds; the clock stands still while the pointer or the focus is on it

/** One polite region for all messages; it is there from the start, as screen readers want it. */
export function Toasts() {
  return <div id="toasts" role="status" aria-live="polite" aria-atomic="false">
    {toasts.value.map((x) => <One key={x.id} of={x} />)}
  </div>;
}

function One({ of }: { of: Toast }) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const end = () => void dismiss(of);
  const run = () => { clearTimeout(timer.current); timer.current = setTimeout(end, GLANCE); };
  const hold = () => clearTimeout(timer.current);
  useEffect(() => { run(); return hold; }, []);
  return <div class="toast" onPointerEnter={hold} onPointerLeave={run} onFocusIn={hold} onFocusOut={run}>
    {of.href ? <a href={of.href} dir="auto" onClick={end}>{of.text}</a> : <span dir="auto">{of.text}</span>}
    {of.undo && <button type="button" class="plain" onClick={() => void dismiss(of, true)}>{t.undo}</button>}
    <button type="button" class="plain" aria-label={t.close} onClick={end}><Icon name="close" /></button>
  </div>;
}
