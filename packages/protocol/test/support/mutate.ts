/** Random numbers that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const PIECES = [
  '',
  '"',
  '\\',
  '.',
  '..',
  '|',
  '=',
  ',',
  ' ',
  '\n',
  '\u0000',
  'é',
  '😀',
  '{',
  '}',
  '[',
  'null',
  'none',
  '-1',
  '1e9',
  'A',
  'AAAA',
  '=',
];

/** A text changed in one to three places: characters replaced, taken out, put in, doubled, or taken from another text. */
export function mutate(text: string, other: string, random: (below: number) => number): string {
  let mutated = text;
  for (let left = 1 + random(3); left > 0; left -= 1) mutated = mutateOnce(mutated, other, random);
  return mutated;
}

function mutateOnce(text: string, other: string, random: (below: number) => number): string {
  const at = random(text.length + 1);
  const end = at + random(random(4) === 0 ? 40 : 3);
  switch (random(7)) {
    case 0:
      return text.slice(0, at) + text.slice(end);
    case 1:
      return text.slice(0, at) + (PIECES[random(PIECES.length)] ?? '') + text.slice(at);
    case 2:
      return text.slice(0, at) + String.fromCharCode(33 + random(94)) + text.slice(at + 1);
    case 3:
      return text.slice(0, end) + text.slice(at);
    case 4:
      return text.slice(0, at);
    case 5:
      return text.slice(0, at) + other.slice(random(other.length));
    default:
      return flipCase(text, at);
  }
}

function flipCase(text: string, at: number): string {
  const letter = text.charAt(at);
  return text.slice(0, at) + (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()) + text.slice(at + 1);
}
