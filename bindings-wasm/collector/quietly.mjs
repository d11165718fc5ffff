/** Runs what a page must never notice. */
export const quietly = (action) => {
  try {
    return action();
  } catch {
    return undefined;
  }
};
