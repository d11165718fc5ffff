/** A failure with the same code in every language. */
export class QuiviveError extends Error {
  constructor({ name, code, message, details }) {
    super(message);
    this.name = name;
    this.code = code;
    this.details = details ?? {};
  }
}

/** Turns a function of JSON texts into one of values that throws `QuiviveError`. */
export const wrap = (native) => (input) => JSON.parse(attempt(() => native(JSON.stringify(input ?? {}))));

/** Runs `action`; an error that crossed over as JSON text is thrown as `QuiviveError`. */
export const attempt = (action) => {
  try {
    return action();
  } catch (thrown) {
    throw typeof thrown === "string" ? new QuiviveError(JSON.parse(thrown)) : thrown;
  }
};
