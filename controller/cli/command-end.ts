// A command that has done all it should before its last line.
import type { ExitCode } from './exit-codes.js';

export class CommandEnd extends Error {
  override readonly name = 'CommandEnd';
  readonly code: ExitCode;
  constructor(code: ExitCode) {
    super('the command has ended');
    this.code = code;
  }
}
