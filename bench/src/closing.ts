/** Hands a part on, and closes it when the run is over, last opened first. */
export type Closing = <T>(part: T, close: (part: T) => Promise<void> | void) => T;

/** Runs with whatever it opens; all of it is closed at the end, by an error or a signal too. */
export async function withClosing<R>(run: (closing: Closing) => Promise<R>): Promise<R> {
  const opened: (() => Promise<void> | void)[] = [];
  const closing: Closing = (part, close) => {
    opened.unshift(() => close(part));
    return part;
  };
  const closeAll = async (): Promise<void> => {
    for (const close of opened.splice(0)) await close();
  };
  const forget = onInterruption(closeAll);
  try {
    return await run(closing);
  } finally {
    forget();
    await closeAll();
  }
}

const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

/** On the first signal: stop what was started, then end as if by that signal. */
function onInterruption(cleanUp: () => Promise<void>): () => void {
  const listeners = Object.entries(SIGNALS).map(([signal, number]) => {
    const listener = (): void => void cleanUp().finally(() => process.exit(128 + number));
    process.once(signal, listener);
    return () => process.removeListener(signal, listener);
  });
  return () => {
    for (const remove of listeners) remove();
  };
}
