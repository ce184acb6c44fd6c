import type { ExtractFormat } from '@dci/protocol';

/** Counts the rows of a text that comes in pieces. */
export interface RowCounter {
  take(text: Uint8Array): void;
  count(): number;
}

const LINE_FEED = 0x0a;
const QUOTE = 0x22;

/** Lines, of CSV (RFC 4180) those outside quotes and without its header; a last one needs no end. */
export function createRowCounter(format: ExtractFormat): RowCounter {
  let rows = format === 'csv' ? -1 : 0;
  let isQuoted = false;
  let isEnded = true;
  return {
    take(text) {
      for (const byte of text) {
        // A quote in a quoted value is written twice, and so changes nothing.
        if (byte === QUOTE && format === 'csv') isQuoted = !isQuoted;
        isEnded = byte === LINE_FEED && !isQuoted;
        if (isEnded) rows += 1;
      }
    },
    count: () => rows + (isEnded ? 0 : 1),
  };
}
