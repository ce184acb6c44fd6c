/** Where the supervisor tells what it does; a pino logger fits. */
export interface EventLog {
  info(message: string): void;
  warn(message: string): void;
}
