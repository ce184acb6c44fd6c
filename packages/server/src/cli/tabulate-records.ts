/**
 * Records of the standard's core data objects (Person, Member, Group) as rows for people. What else a registry answers
 * with is shown as JSON.
 */
export interface RecordTable {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

type JsonObject = Readonly<Record<string, unknown>>;

/** One table for each kind of record that is among them. */
export function tabulateRecords(records: readonly JsonObject[]): RecordTable[] {
  const kinds = Map.groupBy(records, findKind);
  return KINDS.flatMap((kind) => {
    const ofKind = kinds.get(kind);
    return ofKind === undefined ? [] : [{ headings: kind.headings, rows: ofKind.map(kind.row) }];
  });
}

interface Kind {
  readonly headings: readonly string[];
  readonly fits: (record: JsonObject) => boolean;
  readonly row: (record: JsonObject) => string[];
}

const GROUP: Kind = {
  headings: ['identifier', 'size', 'poverty score', 'head', 'place'],
  fits: (record) => 'group_identifier' in record || 'group_size' in record || 'member_list' in record,
  row: (record) => [
    writeIdentifiers(record['group_identifier']),
    writeScalar(record['group_size']),
    writeScalar(record['poverty_score']),
    writeName(personOf(asObject(record['group_head_info']))),
    writePlace(record['address']),
  ],
};

const PERSON: Kind = {
  headings: ['identifier', 'name', 'sex', 'birth date', 'place'],
  fits: (record) => 'name' in personOf(record) || 'identifier' in personOf(record),
  row: (record) => {
    const person = personOf(record);
    return [
      writeIdentifiers(person['identifier'] ?? record['member_identifier']),
      writeName(person),
      writeScalar(person['sex']),
      writeScalar(person['birth_date']).slice(0, 'YYYY-MM-DD'.length),
      writePlace(person['address']),
    ];
  },
};

const OTHER: Kind = { headings: ['record'], fits: () => true, row: (record) => [toPrintable(JSON.stringify(record))] };

const KINDS: readonly Kind[] = [GROUP, PERSON, OTHER];

function findKind(record: JsonObject): Kind {
  return KINDS.find((kind) => kind.fits(record)) ?? OTHER;
}

/** A Member wraps the person as `demographic_info`, which some servers wrap once more. */
function personOf(record: JsonObject): JsonObject {
  const inner = record['demographic_info'];
  if (inner === undefined) return record;
  const person = asObject(inner);
  return 'person' in person ? asObject(person['person']) : person;
}

function writeIdentifiers(value: unknown): string {
  return asList(value)
    .map((identifier) => `${writeScalar(identifier['identifier_type'])}=${writeScalar(identifier['identifier_value'])}`)
    .join(', ');
}

const NAME_PARTS = ['prefix', 'given_name', 'second_name', 'surname', 'suffix'];

function writeName(person: JsonObject): string {
  const name = asObject(person['name']);
  return writeParts(
    NAME_PARTS.map((part) => name[part]),
    ' ',
  );
}

const PLACE_PARTS = ['locality', 'sub_region_code', 'region_code', 'country_code'];

function writePlace(value: unknown): string {
  const address = asList(value)[0] ?? {};
  return writeParts(
    PLACE_PARTS.map((part) => address[part]),
    ', ',
  );
}

function writeParts(parts: readonly unknown[], separator: string): string {
  return parts
    .map(writeScalar)
    .filter((part) => part !== '')
    .join(separator);
}

function writeScalar(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? toPrintable(String(value)) : '';
}

/** Text of somebody else's for a terminal: control characters, which could rewrite what is on it, become spaces. */
export function toPrintable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}

function asObject(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function asList(value: unknown): JsonObject[] {
  return (Array.isArray(value) ? value : [value]).map(asObject).filter((object) => Object.keys(object).length > 0);
}
