// The probe's judgement, without a browser: what fits together passes, what contradicts itself is named.

import assert from "node:assert/strict";
import { test } from "node:test";

import { probe } from "../../bindings-wasm/collector/probe.mjs";

const LINUX = "X11; Linux x86_64";
const chrome = (system, rest = "") => `Mozilla/5.0 (${system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 ${rest}Safari/537.36`;

/** A desktop Chromium of a person; `changes` go over it. */
const desktop = (changes = {}) => {
  const userAgent = changes.userAgent ?? chrome(LINUX);
  return {
    userAgent,
    appVersion: userAgent.slice("Mozilla/".length),
    webdriver: false,
    webdriverOwn: "",
    languages: ["nl-NL", "nl", "en"],
    language: "nl-NL",
    platform: "Linux x86_64",
    vendor: "Google Inc.",
    productSub: "20030107",
    maxTouchPoints: 0,
    pluginsLength: 5,
    uaDataBrands: ["Chromium/156", "Not:A-Brand/8"],
    uaDataPlatform: "Linux",
    hasChrome: "object",
    screen: [1920, 1080],
    inner: [1400, 900],
    outer: [1410, 1000],
    visibility: "visible",
    pointerFine: true,
    hoverHover: true,
    winAutomationKeys: [],
    docCdcKeys: [],
    ...changes,
  };
};

const IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6 Mobile/15E148 Safari/604.1";
const GECKO = { vendor: "", productSub: "20100101", uaDataBrands: undefined, uaDataPlatform: undefined, hasChrome: "undefined" };
const WEBKIT = { vendor: "Apple Computer, Inc.", uaDataBrands: undefined, uaDataPlatform: undefined, hasChrome: "undefined" };

const raised = (environment) => Object.entries(probe(environment)).filter(([name, value]) => value && name !== "js_passed").map(([name]) => name);

const PEOPLE = {
  "a desktop Chromium": desktop(),
  "Firefox on Windows": desktop({ userAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:153.0) Gecko/20100101 Firefox/153.0", appVersion: "5.0 (Windows)", platform: "Win32", ...GECKO }),
  "Safari on a Mac": desktop({ userAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6 Safari/605.1.15", platform: "MacIntel", ...WEBKIT }),
  "an iPhone whose web view knows no outer size": desktop({ userAgent: IPHONE, platform: "iPhone", maxTouchPoints: 5, outer: [0, 0], pointerFine: false, hoverHover: false, ...WEBKIT }),
  "an Android phone without plug-ins": desktop({ userAgent: chrome("Linux; Android 10; K", "Mobile "), platform: "Linux armv81", uaDataPlatform: "Android", pluginsLength: 0, maxTouchPoints: 5, hasChrome: "undefined", pointerFine: false, hoverHover: false }),
  "a phone that asks for the desktop site": desktop({ platform: "Linux aarch64", pluginsLength: 0, maxTouchPoints: 5, hasChrome: "undefined", outer: [0, 0] }),
  "a Chromebook": desktop({ userAgent: chrome("X11; CrOS x86_64 14541.0.0"), uaDataPlatform: "Chrome OS" }),
  "a desktop without a mouse": desktop({ pointerFine: false, hoverHover: false }),
  "an 800 × 600 screen with a mouse": desktop({ screen: [800, 600], outer: [800, 600], inner: [800, 480] }),
  "a page in a background tab without a window yet": desktop({ visibility: "hidden", inner: [0, 0], outer: [0, 0] }),
  "a page in a frame without area": desktop({ inner: undefined }),
  "a maximised window that reaches over its screen": desktop({ outer: [1936, 1096] }),
  "a reading that threw": desktop({ platform: "ERR:TypeError", pointerFine: "ERR:TypeError", winAutomationKeys: "ERR:TypeError", vendor: "ERR:TypeError" }),
  "nothing at all": {},
};

for (const [name, environment] of Object.entries(PEOPLE)) {
  test(`passes: ${name}`, () => {
    assert.deepEqual(raised(environment), []);
    assert.equal(probe(environment).js_passed, true);
  });
}

const TELLS = [
  ["navigator.webdriver", { webdriver: true }, ["webdriver"]],
  ["names that chromedriver leaves", { winAutomationKeys: ["cdc_adoQpoasnfa76pfcZLmcfl_Array"] }, ["webdriver"]],
  ["names that Playwright leaves", { docCdcKeys: ["__playwright__binding__"] }, ["webdriver"]],
  ["a visible desktop window without size", { outer: [0, 0] }, ["headless"]],
  ["a machine without a screen", { screen: [0, 0] }, ["headless"]],
  ["a desktop Chromium without window.chrome", { hasChrome: "undefined" }, ["headless"]],
  ["no pointer on the stock headless screen", { pointerFine: false, hoverHover: false, screen: [800, 600], outer: [780, 580] }, ["headless"]],
  ["no pointer and a window beyond its screen", { pointerFine: false, hoverHover: false, screen: [1024, 768], outer: [1366, 768] }, ["headless"]],
  ["a headless user agent", { userAgent: chrome(LINUX).replace("Chrome/", "HeadlessChrome/") }, ["headless_ua"]],
  ["a headless brand", { uaDataBrands: ["Chromium/156", "HeadlessChrome/156"] }, ["headless_ua"]],
  ["a visible page without area", { inner: [0, 900] }, ["zero_viewport"]],
  ["a desktop Chromium without plug-ins", { pluginsLength: 0 }, ["missing_plugins"]],
  ["no languages", { languages: [] }, ["navigator_anomaly"]],
  ["a first language that is not the language", { language: "de" }, ["navigator_anomaly"]],
  ["Windows claimed on Linux", { userAgent: chrome("Windows NT 10.0; Win64; x64"), uaDataPlatform: "Windows" }, ["navigator_anomaly"]],
  ["Windows claimed, Linux in the client hints", { userAgent: chrome("Windows NT 10.0; Win64; x64"), platform: "Win32" }, ["navigator_anomaly"]],
  ["an iPhone on Linux", { userAgent: IPHONE, ...WEBKIT, maxTouchPoints: 5 }, ["navigator_anomaly"]],
  ["an iPhone without touch", { userAgent: IPHONE, ...WEBKIT, platform: "iPhone" }, ["navigator_anomaly"]],
  ["Firefox's user agent in Chromium", { userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0" }, ["navigator_anomaly"]],
  ["another version in the brands", { uaDataBrands: ["Chromium/140"] }, ["navigator_anomaly"]],
  ["a user agent that was changed in the page", { appVersion: chrome("Windows NT 10.0").slice(8) }, ["navigator_anomaly"]],
  ["webdriver hidden by hand", { webdriverOwn: "webdriver" }, ["navigator_anomaly"]],
];

for (const [name, changes, flags] of TELLS) {
  test(`raises ${flags}: ${name}`, () => {
    const environment = desktop(changes);
    assert.deepEqual(raised(environment), flags);
    const fails = ["webdriver", "headless", "headless_ua", "zero_viewport"].includes(flags[0]);
    assert.equal(probe(environment).js_passed, !fails);
  });
}

test("nothing that is left out is ever evidence: removing values from a person's environment raises no flag", () => {
  for (const environment of Object.values(PEOPLE)) {
    const names = Object.keys(environment);
    for (const [index, name] of names.entries()) {
      for (const other of names.slice(index)) {
        assert.deepEqual(raised({ ...environment, [name]: undefined, [other]: undefined }), [], `${name}, ${other}`);
      }
    }
  }
});
