// Commands that are run on a host over an ssh connection.
import { randomBytes } from 'node:crypto';
import type ssh2 from 'ssh2';
import { fail } from '../../../proto/failure.js';

export interface Execution {
  readonly channel: ssh2.ClientChannel;
  /** The last bytes of stderr so far. */
  readonly said: () => string;
}

const longestStderr = 4096;

/** @throws FailureError 'unreachable' where no command can be run */
export function execute(client: ssh2.Client, command: string, signal: AbortSignal): Promise<Execution> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    const onClose = () => reject(fail('unreachable', 'the connection was closed before a command could run'));
    const settle = (act: () => void) => {
      signal.removeEventListener('abort', onAbort);
      client.off('close', onClose);
      act();
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    client.once('close', onClose);
    client.exec(command, (error, channel) => {
      if (error !== undefined) {
        settle(() =>
          reject(
            fail(
              'unreachable',
              `its sshd runs no command: ${error.message}`,
              'look at MaxSessions and ForceCommand there',
            ),
          ),
        );
        return;
      }
      let stderr = Buffer.alloc(0);
      channel.stderr.on('data', (chunk: Buffer) => {
        stderr = Buffer.concat([stderr, chunk]).subarray(-longestStderr);
      });
      // Joining it to a socket (proto/socket-pair.ts) alone takes more than the ten that Node finds suspicious.
      channel.setMaxListeners(32);
      // A channel closes only after this end has ended too.
      channel.once('end', () => channel.end());
      settle(() => resolve({ channel, said: () => stderr.toString('utf8').trim() }));
    });
  });
}

/** What the answer of a command begins with. */
export function newMark(): string {
  return `perftrawl-${randomBytes(12).toString('hex')}`;
}
