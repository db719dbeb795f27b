// The events of a Belfry site. Their data is typed from its OpenAPI document.

import type { components } from "./schema.js";

type Schemas = components["schemas"];

/** What each type of event carries. */
export interface EventData {
  notification: Schemas["Notification"];
  "notification.updated": Schemas["Notification"];
  "notification.removed": Schemas["RemovedData"];
  read_state: Schemas["ReadState"];
  "follow.changed": Schemas["Relationship"];
  "post.created": Schemas["Content"];
  "post.updated": Schemas["Content"];
  "post.deleted": Schemas["Tombstone"];
  "user.deleted": Schemas["DeletedData"];
}

export type EventType = keyof EventData;

/** One event, as the stream, the polls and webhooks carry it. */
export type BelfryEvent = { [T in EventType]: { id: string; type: T; time: string; data: EventData[T] } }[EventType];

/** Events that are gone: fetch the lists in heal and go on from to. */
export interface Gap {
  from: string | null;
  to: string;
  reason: "expired" | "epoch" | "future" | "invalid" | "damaged";
  heal: string[];
}

export const EVENT_TYPES: readonly EventType[] = ["notification", "notification.updated", "notification.removed",
  "read_state", "follow.changed", "post.created", "post.updated", "post.deleted", "user.deleted"];
