export * from './actions/search.ts';
export * from './codes.ts';
export * from './dci-error.ts';
export * from './envelope.ts';
export * from './formats.ts';
export * from './query.ts';
