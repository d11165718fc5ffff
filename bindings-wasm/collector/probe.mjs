/*
 * What the browser says about itself, and whether its answers fit together. `readEnvironment` reads a page's
 * properties, `probe` judges them without touching the page. A value that was not read (undefined) or whose reading
 * threw is no evidence. Machines without a graphics card, voices or cameras are people's machines too.
 */

/** Names that drivers leave in a page: chromedriver, Playwright, Puppeteer, Selenium, PhantomJS, Nightmare. */
const AUTOMATION_NAMES =
  /^(\$?cdc_[A-Za-z0-9]{22}_|__playwright|__pwInit|__pw_|__puppeteer|__webdriver|__selenium|__driver_|__fxdriver|_selenium$|callPhantom$|_phantom$|__nightmare$|domAutomation)/;

const HEADLESS = /Headless|PhantomJS|jsdom|HappyDOM/i;

/** Per claim of the user agent: the platforms that keep it, and the platforms of its client hints. */
const PLATFORMS = [
  [/Windows NT/, /^Win/, /^Windows$/],
  [/Android/, /^(Linux|Android)/, /^(Android|Linux)$/],
  [/iPhone|iPad|iPod/, /^(iP|Mac)/, /^(iOS|macOS)$/],
  [/Macintosh/, /^(Mac|iP)/, /^(macOS|iOS)$/],
  [/X11; CrOS/, /^Linux/, /^Chrom/],
  // A phone that asks for the desktop site, and a Chromebook that runs Android apps.
  [/X11; .*Linux/, /^(Linux|Android)/, /^(Linux|Android|Chrom.*)$/],
];

/** A window reaches a little over its screen when it is maximised. */
const WINDOW_OVERHANG = 100;

const isText = (value) => typeof value === "string" && !value.startsWith("ERR:");

/**
 * The flags of an environment. Keys are named after the property read: `userAgent`, `webdriver`, `languages`,
 * `platform`, `hasChrome` (`typeof chrome`), `screen`, `inner` and `outer` (`[width, height]`), and so on.
 */
export const probe = (environment) => {
  const flags = {
    webdriver: environment.webdriver === true || leavesDriverNames(environment),
    headless: isWithoutWindow(environment) || lacksChrome(environment) || isWithoutDesk(environment),
    headless_ua: saysHeadless(environment),
    zero_viewport: isVisible(environment) && hasNoArea(environment.inner),
  };
  return {
    js_passed: !Object.values(flags).includes(true),
    ...flags,
    missing_plugins: isDesktopChromium(environment) && environment.pluginsLength === 0,
    navigator_anomaly:
      contradictsLanguages(environment) ||
      contradictsPlatform(environment) ||
      contradictsEngine(environment) ||
      contradictsBrands(environment) ||
      hidesWebdriver(environment),
  };
};

/** Reads the environment of this page: at once, without a request, an element or a line in the console. */
export const readEnvironment = () => {
  const read = (value) => {
    try {
      return value();
    } catch (error) {
      return `ERR:${error?.name}`;
    }
  };
  const { navigator } = window;
  const isFramed = read(() => window.top !== window) !== false;
  const brands = navigator.userAgentData?.brands;
  return {
    userAgent: navigator.userAgent,
    appVersion: navigator.appVersion,
    webdriver: navigator.webdriver,
    webdriverOwn: Object.getOwnPropertyNames(navigator).filter((name) => name === "webdriver").join(),
    languages: navigator.languages && [...navigator.languages],
    language: navigator.language,
    platform: navigator.platform,
    vendor: navigator.vendor,
    productSub: navigator.productSub,
    maxTouchPoints: navigator.maxTouchPoints,
    pluginsLength: navigator.plugins?.length,
    uaDataBrands: brands?.map(({ brand, version }) => `${brand}/${version}`),
    uaDataPlatform: navigator.userAgentData?.platform,
    hasChrome: typeof window.chrome,
    screen: [screen.width, screen.height],
    // A hidden frame has no area, and that is its page's doing.
    inner: isFramed ? undefined : [innerWidth, innerHeight],
    outer: [outerWidth, outerHeight],
    visibility: document.visibilityState,
    pointerFine: read(() => matchMedia("(pointer: fine)").matches),
    hoverHover: read(() => matchMedia("(hover: hover)").matches),
    winAutomationKeys: read(() => driverNames(window)),
    docCdcKeys: read(() => driverNames(document)),
  };
};

const driverNames = (object) => Object.getOwnPropertyNames(object).filter((name) => AUTOMATION_NAMES.test(name));

const leavesDriverNames = ({ winAutomationKeys, docCdcKeys }) =>
  [winAutomationKeys, docCdcKeys].some((names) => Array.isArray(names) && names.some((name) => AUTOMATION_NAMES.test(name)));

const saysHeadless = ({ userAgent, uaDataBrands }) =>
  (isText(userAgent) && HEADLESS.test(userAgent)) || (Array.isArray(uaDataBrands) && uaDataBrands.some((brand) => HEADLESS.test(brand)));

/** A phone that asks for the desktop site claims X11, but has the processor and the screen of a phone. */
const isDesktop = ({ userAgent, platform, maxTouchPoints }) =>
  isText(userAgent) &&
  !/Mobile|Android/.test(userAgent) &&
  (/Windows NT|Macintosh/.test(userAgent) || (/X11/.test(userAgent) && (/x86|i\d86/.test(platform) || maxTouchPoints === 0)));

const isDesktopChromium = (environment) => isDesktop(environment) && /Chrom(e|ium)\//.test(environment.userAgent);

/** A page in a background tab may have no window yet. */
const isVisible = ({ visibility }) => visibility === "visible";

const isSize = (size) => Array.isArray(size) && Number.isFinite(size[0]) && Number.isFinite(size[1]);

const hasNoArea = (size) => isSize(size) && (size[0] === 0 || size[1] === 0);

/** Web views of phones report no outer size, so a missing window counts on a desktop only. */
const isWithoutWindow = (environment) =>
  isVisible(environment) &&
  (hasNoArea(environment.screen) || (isDesktop(environment) && isSize(environment.outer) && environment.outer.every((side) => side === 0)));

/** A user agent borrowed from Chrome by another engine contradicts the vendor instead. */
const lacksChrome = (environment) =>
  isDesktopChromium(environment) && environment.vendor === "Google Inc." && environment.hasChrome === "undefined";

/** No pointer of any kind is a keyboard user's right; with the stock headless screen or a window beyond it, it is not. */
const isWithoutDesk = (environment) => {
  const { pointerFine, hoverHover, maxTouchPoints, screen, outer } = environment;
  if (!isDesktopChromium(environment) || pointerFine !== false || hoverHover !== false || maxTouchPoints !== 0) return false;
  if (!isSize(screen) || !isSize(outer)) return false;
  const isStock = screen[0] === 800 && screen[1] === 600;
  return isStock || outer[0] > screen[0] + WINDOW_OVERHANG || outer[1] > screen[1] + WINDOW_OVERHANG;
};

const contradictsLanguages = ({ languages, language }) =>
  Array.isArray(languages) && (languages.length === 0 || (isText(language) && languages[0] !== language));

const contradictsPlatform = ({ userAgent, platform, uaDataPlatform, maxTouchPoints }) => {
  const claim = isText(userAgent) && PLATFORMS.find(([agent]) => agent.test(userAgent));
  if (!claim) return false;
  const [, platforms, hints] = claim;
  const isKnown = isText(uaDataPlatform) && !["", "Unknown"].includes(uaDataPlatform);
  return (
    (isText(platform) && platform !== "" && !platforms.test(platform)) ||
    (isKnown && !hints.test(uaDataPlatform)) ||
    (/iPhone|iPad/.test(userAgent) && maxTouchPoints === 0)
  );
};

/** Three engines, each with its vendor and its build number; all browsers of iPhones are WebKit. */
const contradictsEngine = ({ userAgent, vendor, productSub, appVersion }) => {
  if (!isText(userAgent)) return false;
  const isGecko = /Gecko\/|Firefox\//.test(userAgent);
  const isChromium = !isGecko && /Chrom(e|ium)\//.test(userAgent);
  const isWebKit = !isGecko && !isChromium && /Safari\//.test(userAgent);
  if (!isGecko && !isChromium && !isWebKit) return false;
  const maker = isGecko ? "" : isChromium ? "Google Inc." : "Apple Computer, Inc.";
  return (
    (isText(vendor) && vendor !== maker) ||
    (isText(productSub) && productSub !== (isGecko ? "20100101" : "20030107")) ||
    (!isGecko && isText(appVersion) && `Mozilla/${appVersion}` !== userAgent)
  );
};

/** Applications with a web view of Android's choose their user agent; the browser itself says one version twice. */
const contradictsBrands = (environment) => {
  const { userAgent, uaDataBrands } = environment;
  if (!isDesktopChromium(environment) || !Array.isArray(uaDataBrands)) return false;
  const claimed = userAgent.match(/Chrom(?:e|ium)\/(\d+)/)?.[1];
  const brand = uaDataBrands.find((name) => name.startsWith("Chromium/"))?.slice("Chromium/".length);
  // Administrators may freeze the user agent at 99.
  return Boolean(claimed && brand && claimed !== brand && claimed !== "99");
};

/** Browsers define it for all navigators, never on the one of the page. */
const hidesWebdriver = ({ webdriverOwn }) => isText(webdriverOwn) && webdriverOwn.split(",").includes("webdriver");
