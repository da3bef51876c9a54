// Ask a person for a secret on the terminal, without showing what is typed.
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/** undefined where stdin is no terminal. What is typed goes nowhere but into the answer. */
export function askSecret(question: string): Promise<string | undefined> {
  if (process.stdin.isTTY !== true) return Promise.resolve(undefined);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: silent, terminal: true });
  process.stderr.write(question);
  return new Promise((resolve) => {
    reader.once('SIGINT', () => reader.close());
    reader.once('close', () => {
      process.stderr.write('\n');
      resolve(undefined);
    });
    reader.question('', (answer) => {
      resolve(answer);
      reader.close();
    });
  });
}
