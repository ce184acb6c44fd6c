import type { MatchFields, RecordType } from '../../profiles/profile.ts';
import type { Document } from '../document.ts';
import { latinWords } from './latin-name.ts';

/** What is known of a person for telling whether another record is of the same one. */
export interface MatchSubject {
  readonly given: readonly string[];
  readonly family: readonly string[];
  /** Family names of another time of life. */
  readonly formerFamily: readonly string[];
  /** `YYYY-MM-DD`. */
  readonly birthDate: string | undefined;
  readonly sex: string | undefined;
  /** From the smallest to the largest. */
  readonly places: readonly (string | undefined)[];
  /** Telephone numbers and the like. */
  readonly contacts: ReadonlySet<string>;
}

/** Undefined where the profile does not say how records of this type are matched. */
export function readMatchSubject(
  { matching }: RecordType,
  document: Document,
  isCompared: IsCompared = () => true,
): MatchSubject | undefined {
  return matching === undefined ? undefined : readFields(matching, document, isCompared);
}

/** Whether a path of the document is to be compared; what is not is as good as not there. */
type IsCompared = (path: string) => boolean;

function readFields(fields: MatchFields, document: Document, isCompared: IsCompared): MatchSubject {
  const texts = (path: string): readonly string[] => (isCompared(path) ? readTexts(document, path) : []);
  const words = (paths: readonly string[]): string[] => paths.flatMap(texts).flatMap(latinWords);
  return {
    given: words(fields.given),
    family: words(fields.family),
    formerFamily: words(fields.formerFamily),
    birthDate: texts(fields.birthDate)[0]?.slice(0, 10),
    sex: texts(fields.sex)[0],
    places: fields.places.map((path) => texts(path)[0]),
    contacts: new Set(fields.contacts.flatMap(texts).map(comparableContact)),
  };
}

function comparableContact(text: string): string {
  const digits = text.replace(/\D/g, '');
  return digits.length >= SHORTEST_NUMBER ? digits.slice(-NATIONAL_DIGITS) : text.toLowerCase();
}

const SHORTEST_NUMBER = 6;
/** What is left of a telephone number when it is written without the code of its country. */
const NATIONAL_DIGITS = 8;

/** All texts at a dotted path; lists on the way are gone through. */
function readTexts(value: unknown, path: string): readonly string[] {
  const [name = '', ...rest] = path.split('.');
  if (Array.isArray(value)) return value.flatMap((entry) => readTexts(entry, path));
  if (typeof value !== 'object' || value === null) return [];
  const next: unknown = (value as Record<string, unknown>)[name];
  if (rest.length > 0) return readTexts(next, rest.join('.'));
  return (Array.isArray(next) ? next : [next]).filter((entry) => typeof entry === 'string');
}
