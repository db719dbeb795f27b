// All words of the page, ready for translation: a language is another file of this shape. Numbers and times are
// written by Intl in the reader's locale.

export const locale = navigator.languages?.[0] || navigator.language || "en";

const plural = new Intl.PluralRules("en");
const number = new Intl.NumberFormat(locale);
const short = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });

export const n = (x: number): string => (x < 10_000 ? number : short).format(x);

/** "1 post", "2 posts". */
const count = (x: number, one: string, other: string): string => `${n(x)} ${plural.select(x) === "one" ? one : other}`;

const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
const year = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short" });

/** How long ago, as of now: "now" below a minute, minutes, hours, days, then the date. */
export function ago(iso: string, now: number): string {
  const at = new Date(iso), s = Math.max(0, (now - +at) / 1000);
  if (s < 60) return relative.format(0, "second");
  if (s < 3600) return relative.format(-Math.floor(s / 60), "minute");
  if (s < 86_400) return relative.format(-Math.floor(s / 3600), "hour");
  if (s < 7 * 86_400) return relative.format(-Math.floor(s / 86_400), "day");
  return (at.getFullYear() === new Date(now).getFullYear() ? day : year).format(at);
}

export const moment = (iso: string): string => full.format(new Date(iso));

export const t = {
  skip: "Skip to content",
  loading: "Loading",
  retry: "Try again",
  close: "Close",
  cancel: "Cancel",
  undo: "Undo",
  save: "Save",
  saved: "Saved",
  remove: "Remove",
  more: "More",
  copyLink: "Copy link",
  copied: "Link copied",
  failed: "That did not work.",
  unreachable: "The server cannot be reached.",
  offline: "Offline. What you see is from before; it will catch up by itself.",
  reconnecting: "Reconnecting",
  live: "Live",
  nothing: "Nothing is here",
  nothingMore: "It may have been deleted, or it is not for everybody.",
  toStart: "Go to the start page",

  nav: {
    home: "Home", local: "All posts", people: "People", notifications: "Notifications", profile: "Profile",
    settings: "Settings", write: "Write", login: "Log in", register: "Make an account", logout: "Log out", api: "API",
    back: "Back",
    unread: (x: number, more: boolean) => x === 0 ? "Notifications" :
      more ? "Notifications, more than 1000 unread" : `Notifications, ${n(x)} unread`,
  },

  about: {
    lead: "A small social site that tells you at once.",
    guest: "You are looking in from outside. With an account you can write, follow people, and hear of it the moment something happens.",
    closed: "This site takes no new accounts.",
    invite: "New accounts need an invite.",
    active: "Who is here",
    all: "All people",
  },

  sign: {
    login: "Log in", register: "Make an account", toLogin: "I have an account", toRegister: "I am new here",
    name: "Name", nameHint: "2 to 30 letters a-z, digits and _, beginning with a letter. It is part of your address.",
    loginName: "Name or e-mail", password: "Password", passwordHint: "8 characters or more. Long beats clever.",
    invite: "Invite", show: "Show", hide: "Hide", ended: "You have been signed out.",
    welcome: (name: string) => `Welcome to ${name}`,
  },

  feed: {
    fresh: (x: number) => count(x, "new post", "new posts"),
    emptyHome: "Quiet here. Follow somebody, and what they write stands here.",
    emptyLocal: "Nobody has written anything yet.",
    emptyTag: (tag: string) => `Nothing with #${tag} yet.`,
    end: "That is all.",
    find: "Find people",
  },

  post: {
    like: (x: number) => `Like, ${n(x)}`, comments: (x: number) => count(x, "comment", "comments"),
    reply: "Reply", menu: "More about this post",
    delete: "Delete", edit: "Edit", edited: "edited", deleted: "This was deleted.", wasDeleted: "Deleted.", onlyPictures: "pictures",
    sensitive: "Sensitive pictures", show: "Show", hide: "Hide",
    visibility: { public: "Everybody", followers: "Followers", mentioned: "People named" },
    inReply: "Answer to", thread: "Comments", noComments: "No comments yet.",
    picture: (i: number, of: number) => `Picture ${n(i)} of ${n(of)}`, previous: "Previous picture", next: "Next picture",
  },

  compose: {
    placeholder: "What is happening?", comment: "Write a comment", post: "Post", send: "Comment", label: "Post",
    commentLabel: "Comment", visibility: "Who may see it", addPicture: "Add pictures", takePicture: "Take a picture", alt: "Describe this picture",
    altHint: "For people who cannot see it.", warning: "Warning", addWarning: "Add a warning",
    left: (x: number) => x < 0 ? `${n(-x)} too many` : `${n(x)} left`, uploading: (p: number) => `Uploading, ${p} %`,
    processing: "Getting ready", tooMany: (x: number) => `At most ${n(x)} pictures.`,
    notPicture: (name: string) => `${name} is no picture that this site takes.`,
    tooLarge: (name: string, mib: number) => `${name} is larger than ${n(mib)} MiB.`,
    drop: "Drop pictures here",
    gone: "This picture is gone. Remove it, and choose it again.", posted: "Posted",
    overtaken: "The post was changed meanwhile. Save again to put yours in place of this:",
  },

  person: {
    follow: "Follow", unfollow: "Unfollow", followsYou: "follows you",
    bellOn: "Told of new posts", bellOff: "Not told of new posts", edit: "Edit profile",
    posts: (x: number) => count(x, "post", "posts"), followers: (x: number) => count(x, "follower", "followers"),
    follows: (x: number) => `follows ${n(x)}`, tabPosts: "Posts", tabComments: "Posts and comments", tabMedia: "Pictures",
    none: "No posts yet.", followersOf: "Followers", followingOf: "Follows",
    nobody: "Nobody yet.",
  },

  people: {
    search: "Find people by name", active: "Recently active", none: (q: string) => `Nobody's name begins with “${q}”.`,
  },

  inbox: {
    title: "Notifications", all: "All", unread: "Unread", mentions: "Mentions", archived: "Archived",
    readAll: "Mark all as read", read: "Mark as read", unreadAgain: "Mark as unread", archive: "Archive",
    unarchive: "Move back", empty: "Nothing yet. It will ring.", emptyUnread: "All read.",
    emptyMentions: "Nobody has named you yet.", emptyArchived: "Nothing is archived.",
    asked: "Tell me outside this page",
    allowed: "Notifications of the browser are on", denied: "The browser does not allow notifications for this site.",
    isUnread: "unread",
  },

  keys: {
    title: "Keyboard", list: [["j", "next"], ["k", "previous"], ["o", "open"], ["l", "like"], ["r", "reply"], ["n", "write"],
      ["g h", "home"], ["g n", "notifications"], ["g p", "people"], ["g s", "settings"], ["/", "find people"], ["?", "this list"]],
  },

  settings: {
    title: "Settings", profile: "Profile", security: "Password and sessions", tokens: "Tokens", endpoints: "Webhooks",
    appearance: "Appearance", displayName: "Display name", bio: "About you", avatar: "Picture", changeAvatar: "Choose a picture",
    email: "E-mail address", emailPassword: "Your password, to change the address",
    password: "Change the password", current: "Current password", next: "New password",
    revokeTokens: "End tokens, too", changed: "The password is changed. Other sessions have ended.",
    sessions: "Sessions", thisOne: "this one", endSession: "End", agent: (browser: string, system: string) => `${browser} on ${system}`,
    tokensLead: "A token lets a program act for you. It is shown once.", tokenName: "What it is for", scopes: "What it may do",
    makeToken: "Make a token", tokenOnce: "Copy it now; it is not shown again.", copy: "Copy", noTokens: "No tokens.",
    endpointsLead: "Each notification is sent to an address of yours, signed.", endpointURL: "Address (https)",
    addEndpoint: "Add a webhook", secretOnce: "This secret proves who sends. It is shown once.",
    test: "Send a test", deliveries: "Deliveries", noDeliveries: "Nothing was sent yet.", noEndpoints: "No webhooks.",
    attempts: (x: number) => count(x, "attempt", "attempts"), enable: "Switch on", disable: "Switch off", retryDelivery: "Send again",
    state: { active: "works", failing: "fails", disabled: "off" } as Record<string, string>,
    delivery: { pending: "waiting", succeeded: "delivered", dead: "given up", cancelled: "cancelled" } as Record<string, string>,
    theme: "Colours", themes: { auto: "As the device", light: "Light", dark: "Dark" },
    scopeNames: { read: "read", events: "hear events", "write:posts": "write posts and likes", "write:follows": "follow",
      "write:notifications": "mark notifications", "write:account": "change the account" } as Record<string, string>,
    sure: "Really?",
  },
};
