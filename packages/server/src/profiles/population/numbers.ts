// Numbers of a series in an order that does not show it: multiplied by a number that shares no factor with ten.
const SPREAD = 7_368_787;
const SERIES_LENGTH = 1_000_000_000;

/** Most persons that one registry can be generated with. */
export const MOST_NUMBERED = 100_000_000;

/** A series of numbers of one kind. The `99` in every prefix says that they are made up. */
interface Series {
  readonly prefix: string;
  readonly start: number;
}

export const SERIES = {
  UIN: { prefix: '99', start: 123_456_789 },
  BRN: { prefix: 'B99', start: 604_113_927 },
  MRN: { prefix: 'M99', start: 271_828_183 },
  DRN: { prefix: 'D99', start: 918_273_645 },
  HHID: { prefix: 'H99', start: 480_751_369 },
} as const satisfies Record<string, Series>;

/** The `index`-th number of a series: prefix, nine digits, and a check digit (Luhn) over all digits. */
export function serialNumber(series: Series, index: number): string {
  const digits = String((index * SPREAD + series.start) % SERIES_LENGTH).padStart(9, '0');
  return `${series.prefix}${digits}${checkDigit(series.prefix.replaceAll(/\D/g, '') + digits)}`;
}

export function checkDigit(digits: string): number {
  let sum = 0;
  for (let index = digits.length - 1, double = true; index >= 0; index -= 1, double = !double) {
    const digit = Number(digits[index]);
    const value = double ? digit * 2 : digit;
    sum += value > 9 ? value - 9 : value;
  }
  return (10 - (sum % 10)) % 10;
}
