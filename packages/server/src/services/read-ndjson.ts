import type { ImportRow } from './import-rows.ts';

/** Longest line, bytes: a group of a thousand members fits. */
export const MAX_LINE_BYTES = 8_388_608;

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Reads newline-delimited JSON in pieces, of bounded memory whatever the input. A line that is no JSON, no UTF-8 or too
 * long is a fault of that line only; empty lines, CRLF and a byte order mark are nothing special.
 */
export async function* readNdjson(source: AsyncIterable<Buffer>): AsyncGenerator<readonly ImportRow[]> {
  const lines = createLineSplitter();
  for await (const chunk of source) yield lines.split(chunk);
  yield lines.end();
}

interface LineSplitter {
  split(chunk: Buffer): ImportRow[];
  end(): ImportRow[];
}

function createLineSplitter(): LineSplitter {
  let line = 0;
  let parts: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer): void => {
    length += part.length;
    if (length <= MAX_LINE_BYTES) parts.push(part);
    else parts = [];
  };
  const take = (): ImportRow[] => {
    line += 1;
    const rows = length > MAX_LINE_BYTES ? [{ line, fault: `is longer than ${MAX_LINE_BYTES} bytes` }] : readLine(line, Buffer.concat(parts));
    parts = [];
    length = 0;
    return rows;
  };
  return {
    split: (chunk) => {
      const rows: ImportRow[] = [];
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        add(chunk.subarray(start, end));
        rows.push(...take());
        start = end + 1;
      }
      add(chunk.subarray(start));
      return rows;
    },
    end: () => (length === 0 ? [] : take()),
  };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readLine(line: number, bytes: Buffer): ImportRow[] {
  const isMarked = line === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK);
  try {
    const text = decoder.decode(isMarked ? bytes.subarray(3) : bytes).trim();
    return text === '' ? [] : [{ line, value: JSON.parse(text) as unknown }];
  } catch (error) {
    return [{ line, fault: error instanceof SyntaxError ? 'is no JSON' : 'is no UTF-8' }];
  }
}
