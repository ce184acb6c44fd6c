/** Longest line, bytes: a group of a thousand members fits. */
export const MAX_LINE_BYTES = 8_388_608;

/** A line of text without its end, or why it is none. `line` counts from 1. */
export type Line = { readonly line: number; readonly text: string } | { readonly line: number; readonly fault: string };

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Reads text line by line, in pieces, with bounded memory whatever the input. A line that is no UTF-8 or too long is a
 * fault of that line only. Lines of nothing but space are left out; CRLF and a byte order mark are nothing special.
 */
export async function* readLines(source: AsyncIterable<Buffer>): AsyncGenerator<readonly Line[]> {
  const lines = createLineSplitter();
  for await (const chunk of source) yield lines.split(chunk);
  yield lines.end();
}

interface LineSplitter {
  split(chunk: Buffer): Line[];
  end(): Line[];
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
  const take = (): Line[] => {
    line += 1;
    const lines =
      length > MAX_LINE_BYTES ? [{ line, fault: `is longer than ${MAX_LINE_BYTES} bytes` }] : decodeLine(line, Buffer.concat(parts));
    parts = [];
    length = 0;
    return lines;
  };
  return {
    split: (chunk) => {
      const lines: Line[] = [];
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        add(chunk.subarray(start, end));
        lines.push(...take());
        start = end + 1;
      }
      add(chunk.subarray(start));
      return lines;
    },
    end: () => (length === 0 ? [] : take()),
  };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeLine(line: number, bytes: Buffer): Line[] {
  const isMarked = line === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK);
  try {
    const text = decoder.decode(isMarked ? bytes.subarray(3) : bytes);
    return text.trim() === '' ? [] : [{ line, text: text.endsWith('\r') ? text.slice(0, -1) : text }];
  } catch {
    return [{ line, fault: 'is no UTF-8' }];
  }
}
