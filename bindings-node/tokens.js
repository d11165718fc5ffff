"use strict";

const { ApiError } = require("./error.js");

const NEAR_END = 60_000;
const DEFAULT_LIFE = 3_600;
const LONGEST_LIFE = 86_400;

/** The agent token that a client holds: kept until near its end. */
class Tokens {
  #access;
  #refresh;

  get isHeld() {
    return this.#access !== undefined;
  }

  /** The access token when it has more than a minute of life left. */
  fresh() {
    return this.#access && this.#access.ends - Date.now() > NEAR_END ? this.#access.token : undefined;
  }

  /** The refresh token while it lives. */
  refreshable() {
    return this.#refresh && this.#refresh.ends > Date.now() ? this.#refresh.token : undefined;
  }

  forgetRefresh() {
    this.#refresh = undefined;
  }

  /** Keeps what the service issued and returns the access token. */
  keep({ access_token: access, expires_in: life, refresh_token: refresh, refresh_expires_in: refreshLife }) {
    if (typeof access !== "string") {
      throw new ApiError(200, "MALFORMED_ANSWER", undefined);
    }
    this.#access = lasting(access, life);
    if (typeof refresh === "string") {
      this.#refresh = lasting(refresh, refreshLife);
    }
    return access;
  }
}

function lasting(token, seconds) {
  const life = typeof seconds === "number" ? Math.min(Math.max(seconds, 0), LONGEST_LIFE) : DEFAULT_LIFE;
  return { token, ends: Date.now() + life * 1000 };
}

module.exports = { Tokens };
