const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
const SAME_KEYSTROKE_MS = 1_000;

/**
 * Calls `stop` on the first signal that asks this process to end, with the exit status that tells of it; one more ends the
 * process at once. Ctrl-C under npm arrives twice, from the terminal and from npm: within a second it is the same one.
 * Returns a function that ends the listening.
 */
export function onStopSignal(stop: (exitStatus: number) => void): () => void {
  let firstAt: number | undefined;
  const listeners = Object.entries(SIGNALS).map(([signal, number]) => {
    const listener = (): void => {
      if (firstAt === undefined) {
        firstAt = Date.now();
        stop(128 + number);
      } else if (Date.now() - firstAt > SAME_KEYSTROKE_MS) process.exit(128 + number);
    };
    process.on(signal, listener);
    return () => process.removeListener(signal, listener);
  });
  return () => {
    for (const remove of listeners) remove();
  };
}
