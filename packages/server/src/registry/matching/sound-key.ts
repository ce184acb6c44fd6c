/**
 * What a word sounds like, roughly, in no language in particular: its consonants in classes of those that are written for
 * one another (b and p, d and t, k and c and q …), doubled letters as one, vowels only where the word begins with one.
 * Spellings of one name in several alphabets come out alike: `Mohammed`, `Muhamad` and `mhmd` are all `mmt`.
 *
 * @param word lower-case Latin letters
 */
export function soundKey(word: string): string {
  const spelled = SPELLINGS.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), word);
  const [first = ''] = spelled;
  const beginning = VOWEL_LIKE.has(first) ? 'a' : '';
  return beginning + [...spelled].map((letter) => CLASSES[letter] ?? '').join('');
}

/** In this order. */
const SPELLINGS: readonly (readonly [RegExp, string])[] = [
  [/(.)\1+/g, '$1'],
  [/^(kn|gn)/, 'n'],
  [/ph/g, 'f'],
  [/tsch|sch|tch|sh|ch|zh|cz|sz/g, 's'],
  [/[ck]h/g, 'k'],
  [/[gc](?=[eiy])/g, 's'],
  [/th|dh/g, 't'],
  [/x/g, 'ks'],
];

const VOWEL_LIKE: ReadonlySet<string> = new Set('aeiouyh');

const CLASSES: Readonly<Record<string, string>> = {
  b: 'p',
  p: 'p',
  f: 'f',
  v: 'f',
  w: 'f',
  c: 'k',
  g: 'k',
  k: 'k',
  q: 'k',
  d: 't',
  t: 't',
  j: 's',
  s: 's',
  z: 's',
  l: 'l',
  m: 'm',
  n: 'n',
  r: 'r',
};
