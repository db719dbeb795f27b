export { connect, type Connection, type Options } from "./connect.js";
export { EVENT_TYPES, type BelfryEvent, type EventData, type EventType, type Gap } from "./events.js";
export type { Auth, State } from "./line.js";
export { after } from "./position.js";
export type { components, operations, paths } from "./schema.js";
