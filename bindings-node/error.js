"use strict";

/** What every failure is: `name` is its class, `code` is stable, `details` are machine-readable. */
class QuiviveError extends Error {
  constructor(name, code, message, details = {}, options = undefined) {
    super(message, options);
    this.name = name;
    this.code = code;
    this.details = details;
  }
}

/** The service answered with an error. */
class ApiError extends QuiviveError {
  constructor(status, code, body) {
    super("ApiError", code, `service answered ${status}: ${sentence(body) ?? code}`, { status });
    this.status = status;
    this.body = body;
  }
}

/** Makes a native function, which speaks JSON text, into one that takes and returns values. */
function wrap(call) {
  return (input = {}) => decode(() => call(encode(input)));
}

/** The JSON text of an argument. */
function encode(value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw invalid(`argument is not JSON: ${cause.message}`, cause);
  }
  return text ?? "null";
}

/** The error for an option or argument that cannot be used. */
function invalid(message, cause = undefined) {
  return new QuiviveError("InvalidInput", "INVALID_INPUT", message, {}, { cause });
}

/** The value of what `call` returns; its errors, whose messages are JSON, become `QuiviveError`. */
function decode(call) {
  return JSON.parse(attempt(call));
}

/** Runs `call` and makes its errors, whose messages are JSON, into `QuiviveError`. */
function attempt(call) {
  try {
    return call();
  } catch (cause) {
    throw translate(cause);
  }
}

function translate(cause) {
  try {
    const { name, code, message, details } = JSON.parse(cause.message);
    return new QuiviveError(name, code, message, details);
  } catch {
    return cause;
  }
}

function sentence(body) {
  const text = body?.message ?? body?.error?.message;
  return typeof text === "string" ? text : undefined;
}

module.exports = { ApiError, QuiviveError, attempt, decode, encode, invalid, wrap };
