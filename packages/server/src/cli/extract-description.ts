import type { ExtractManifest } from '@dci/protocol';
import { toPrintable } from './tabulate-records.ts';

/** What a manifest says that a person, or a program, wants to know of an extract. */
export function describeExtract(manifest: ExtractManifest): object {
  const { extract_id, sender_id, recipient, registry, record_type, format, made_at, expires_at, columns, k_anonymity } = manifest;
  return {
    extract_id,
    sender_id,
    recipient,
    registry,
    record_type,
    format,
    made_at,
    expires_at,
    columns: columns.map(({ name }) => name),
    k_anonymity,
  };
}

/** The same in words. */
export function summarizeExtract({ registry, record_type, sender_id, made_at, columns, k_anonymity }: ExtractManifest): readonly string[] {
  const { k, records, suppressed, most_left_out: leftOut = 0, classes, smallest_class, quasi_identifiers } = k_anonymity;
  const atRandom = leftOut === 0 ? '' : `, and up to ${leftOut} of each class at random`;
  return [
    `${records} rows of ${registry} ${record_type} from ${sender_id}, ${made_at}: ${columns.map(({ name }) => name).join(', ')}`,
    records === 0
      ? `k = ${k} over ${quasi_identifiers.join(', ')}: no row may be told`
      : `k = ${k} over ${quasi_identifiers.join(', ')}: ${classes} classes, the smallest of ${smallest_class} rows`,
    suppressed === undefined
      ? 'how many records have no row is not told'
      : `about ${suppressed} records have no row: those of small classes${atRandom}`,
  ].map(toPrintable);
}
