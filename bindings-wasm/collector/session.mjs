/* The session token: in a cookie, in local storage, and where a page may use neither, in memory. */

import { quietly } from "./quietly.mjs";

const STORAGE_NAME = "botect_session";
const STORAGE_SECONDS = 2592000;
const TOKEN = /^[A-Za-z0-9_-]{1,128}$/;

let sessionToken = null;
/** What was written on this page: storage is slow, and one writing a page is enough to renew it. */
let writtenToken = null;

/** The token of this visitor's session, or null before the first answer. */
export const currentSession = () => sessionToken;

export const isToken = (text) => typeof text === "string" && TOKEN.test(text);

/** Takes the token that this or another page of the site kept. */
export const recallToken = () => {
  const cookie = quietly(() => document.cookie.split("; ").find((part) => part.startsWith(`${STORAGE_NAME}=`)));
  const stored = quietly(() => localStorage.getItem(STORAGE_NAME));
  sessionToken = [cookie?.slice(STORAGE_NAME.length + 1), stored].find(isToken) ?? sessionToken;
};

export const keepToken = (token) => {
  sessionToken = token;
  if (token === writtenToken) return;
  writtenToken = token;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  quietly(() => {
    document.cookie = `${STORAGE_NAME}=${token}; Path=/; Max-Age=${STORAGE_SECONDS}; SameSite=Lax${secure}`;
  });
  quietly(() => localStorage.setItem(STORAGE_NAME, token));
};

const randomBytes = (length) => crypto.getRandomValues(new Uint8Array(length));

/** A token of the collector's own, for a page that ends before the first answer. */
export const mintToken = () =>
  `bt_${btoa(String.fromCharCode(...randomBytes(18))).replaceAll("+", "-").replaceAll("/", "_")}`;

/** `crypto.randomUUID` exists on secure pages only. */
export const randomId = () => Array.from(randomBytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
