// Positions in the event log: `<epoch>-<seq>`. Within what one reader receives, seq only grows, whatever the epoch.

/** The seq of an id; -1n for what is no id, which is before everything. */
export function seq(id: string | null | undefined): bigint {
  const dash = id ? id.lastIndexOf("-") : -1;
  return dash > 0 && /^[0-9]+$/.test(id!.slice(dash + 1)) ? BigInt(id!.slice(dash + 1)) : -1n;
}

/** Whether position a is after position b. */
export const after = (a: string | null | undefined, b: string | null | undefined): boolean => seq(a) > seq(b);
