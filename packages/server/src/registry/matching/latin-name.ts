import anyAscii from 'any-ascii';

/**
 * The words of a name in one alphabet: lower-case Latin letters, whatever script and accents it was written in. What
 * joins syllables within a word (apostrophes, signs of the transliteration) is dropped, everything else parts words.
 */
export function latinWords(name: string): readonly string[] {
  const latin = anyAscii(name.normalize('NFKC')).toLowerCase();
  return latin
    .replace(/['`’]/g, '')
    .split(/[^a-z]+/)
    .filter((word) => word !== '');
}
