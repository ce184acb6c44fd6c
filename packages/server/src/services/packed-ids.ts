/** Ids of very many records, in 16 bytes each, where texts would take a hundred. */
export interface PackedIds {
  add(ids: readonly string[]): void;
  count(): number;
  /** So many at a time; one empty list where there are none. */
  batches(size: number): Iterable<readonly string[]>;
}

const BYTES = 16;

export function packIds(): PackedIds {
  const packed: Buffer[] = [];
  let count = 0;
  return {
    add(ids) {
      packed.push(Buffer.from(ids.join('').replaceAll('-', ''), 'hex'));
      count += ids.length;
    },
    count: () => count,
    *batches(size) {
      let batch: string[] = [];
      for (const bytes of packed) {
        batch.push(...unpack(bytes));
        for (; batch.length > size; batch = batch.slice(size)) yield batch.slice(0, size);
      }
      yield batch;
    },
  };
}

function unpack(bytes: Buffer): string[] {
  const text = bytes.toString('hex');
  return Array.from({ length: bytes.length / BYTES }, (_, index) =>
    text.slice(index * 2 * BYTES, (index + 1) * 2 * BYTES).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
  );
}
