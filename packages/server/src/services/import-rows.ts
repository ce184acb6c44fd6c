/** One record of a file, as it was read: its value, or why it could not be read. `line` counts from 1. */
export type ImportRow = { readonly line: number; readonly value: unknown } | { readonly line: number; readonly fault: string };
